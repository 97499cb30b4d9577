// The status page: reads an overview, follows the event log from there, and asks for a new overview now and then.
import { Expired, Refused, follow, readOverview, readReadiness } from './feed.js';
import { KINDS, Model } from './model.js';
import { banner, clear, feed, show, showReadiness, showUnknown } from './view.js';
import { plain, sentences } from './words.js';

const OVERVIEW_MILLIS = 5_000;
const SOON_MILLIS = 1_000; // after an event that an overview says more of
const READINESS_MILLIS = 3_000;
const DRAW_MILLIS = 100;
const FIRST_RETRY_MILLIS = 500;
const LAST_RETRY_MILLIS = 5_000;

const at = (id) => document.getElementById(id);
const chosen = () => new URLSearchParams(location.search).get('namespace') || 'default';

let model = new Model();
let namespace = chosen();
let token = ''; // in memory alone
let paused = false;
let running = new AbortController(); // of everything that is under way
let drawn = null;

function draw() {
  drawn ??= setTimeout(() => {
    drawn = null;
    show(model, namespace, at('filter').value);
  }, DRAW_MILLIS);
}

function rest(millis, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, millis);
    signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}

// --- What is wrong, in the order of what explains most

const troubles = { away: '', refused: '', unready: '' };

function trouble(kind, text) {
  troubles[kind] = text;
  banner(troubles.away || troubles.refused || troubles.unready, { stale: troubles.away !== '' });
}

function failed(error) {
  if (error instanceof Refused) {
    trouble('away', '');
    trouble('refused', sentences(error.message, error.hint));
  } else {
    trouble('away', `${location.host} does not answer. What is shown is from before; trying again…`);
    showUnknown();
  }
  feed('Not connected');
}

// --- Following

// A new overview as soon as it is of use, at most one each second.
let hurry = () => {};

async function keepOverview(signal) {
  while (!signal.aborted) {
    const soon = new Promise((resolve) => { hurry = resolve; });
    await Promise.race([rest(OVERVIEW_MILLIS, signal), soon.then(() => rest(SOON_MILLIS, signal))]);
    if (signal.aborted) return;
    try {
      if (model.take(await readOverview(namespace, token, signal))) draw();
      trouble('refused', '');
    } catch (error) {
      // The stream finds out by itself when the server is away.
      if (!signal.aborted && error instanceof Refused) {
        if (error.wantsToken()) login(error);
        else trouble('refused', `The numbers are from before: ${sentences(error.message, error.hint)}`);
      }
    }
  }
}

// From an overview on, for as long as the log can be followed from there.
async function followFrom(overview, signal) {
  let { cursor } = overview;
  let overflown = false;
  while (!signal.aborted && !overflown) {
    await follow({
      namespace, cursor, kinds: KINDS, token, signal,
      heard: (block) => {
        trouble('away', '');
        feed('Live');
        if (block.id) cursor = block.id;
        if (!block.data?.kind) return;
        overflown ||= !model.apply(block.data);
        draw();
        hurry();
      },
    });
    // It ended and said from where to go on: the server drains, or this page was too slow.
    await rest(FIRST_RETRY_MILLIS, signal);
  }
}

async function followForEver(signal) {
  let retry = FIRST_RETRY_MILLIS;
  while (!signal.aborted) {
    const live = new AbortController();
    const both = AbortSignal.any([signal, live.signal]);
    try {
      const overview = await readOverview(namespace, token, both);
      // What was known may be of a history that was lost since.
      model = new Model();
      model.take(overview);
      show(model, namespace, at('filter').value);
      trouble('away', '');
      trouble('refused', '');
      feed('Live');
      retry = FIRST_RETRY_MILLIS;
      keepOverview(both);
      await followFrom(overview, both);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused && error.wantsToken()) {
        login(error);
        return;
      }
      if (!(error instanceof Expired)) failed(error);
    } finally {
      live.abort();
    }
    await rest(retry * (0.75 + Math.random() / 2), signal);
    retry = Math.min(2 * retry, LAST_RETRY_MILLIS);
  }
}

async function watchReadiness(signal) {
  while (!signal.aborted) {
    try {
      const readiness = await readReadiness(signal);
      if (signal.aborted) return;
      showReadiness(readiness);
      const [first] = [...readiness.failing, ...readiness.warnings];
      trouble('unready', first ? `${plain(first.name)}: ${sentences(first.message, first.hint)}` : '');
    } catch {
      if (!signal.aborted) showUnknown();
    }
    await rest(READINESS_MILLIS, signal);
  }
}

function stop() {
  running.abort();
  running = new AbortController();
}

function start() {
  stop();
  for (const kind of Object.keys(troubles)) trouble(kind, '');
  feed('Connecting…');
  followForEver(running.signal);
  watchReadiness(running.signal);
}

// --- What people do

function login(error) {
  stop();
  model = new Model();
  clear();
  feed('Not connected');
  watchReadiness(running.signal);
  at('login-why').textContent = sentences(error.message, error.hint);
  if (!at('login').open) at('login').showModal();
}

function setPaused(wanted) {
  paused = wanted;
  at('pause').textContent = paused ? 'Resume' : 'Pause';
  at('pause').setAttribute('aria-pressed', `${paused}`);
  if (!paused) {
    start();
    return;
  }
  stop();
  for (const kind of Object.keys(troubles)) trouble(kind, '');
  showUnknown();
  feed('Paused');
}

function choose() {
  namespace = chosen();
  at('namespace').value = namespace;
  document.title = namespace === 'default' ? 'Vigil' : `${namespace} · Vigil`;
  model = new Model();
  clear();
  if (!paused) start();
}

at('pause').addEventListener('click', () => setPaused(!paused));
at('filter').addEventListener('input', draw);
at('choice').addEventListener('submit', (event) => {
  event.preventDefault();
  const wanted = at('namespace').value.trim() || 'default';
  history.pushState(null, '', `?namespace=${encodeURIComponent(wanted)}`);
  choose();
});
addEventListener('popstate', choose);
at('login').addEventListener('cancel', () => {
  trouble('refused', 'Nothing is shown without a token. Choose the namespace again to be asked for one.');
});
at('login-form').addEventListener('submit', (event) => {
  event.preventDefault();
  token = at('token').value.trim();
  at('token').value = '';
  at('login').close();
  start();
});
document.addEventListener('keydown', (event) => {
  const writing = event.target instanceof HTMLInputElement;
  if (event.key === '/' && !writing && !at('login').open) {
    event.preventDefault();
    at('filter').focus();
  }
  if (event.key === 'Escape' && event.target === at('filter')) {
    at('filter').value = '';
    draw();
  }
});

choose();

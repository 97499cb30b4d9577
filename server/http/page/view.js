// How the page looks. Everything that came from elsewhere is put in as text, never as markup.
import { bare, between, causeOf, clock, counted, duration, plain, secondsOf } from './words.js';

export const MOST_ROWS = 1_000;

const at = (id) => document.getElementById(id);

function make(tag, classes, text) {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  if (text !== undefined) element.textContent = text;
  return element;
}

// A name, which may be written from right to left.
function nameOf(text, classes) {
  return make('bdi', classes, plain(text));
}

function timeOf(time, now) {
  const element = make('time', '', clock(time, now));
  element.dateTime = time;
  element.title = time;
  return element;
}

function badgeOf(state) {
  const badge = make('span', 'badge', state);
  badge.dataset.state = state;
  return badge;
}

// Writes only what changes, so that what is read aloud or selected stays.
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// --- Numbers

function showCard(name, value, { unit = '', more, tone = '' } = {}) {
  const card = document.querySelector(`[data-card="${name}"]`);
  const number = card.querySelector('dd');
  const text = `${value}${unit}`;
  if (number.textContent !== text) {
    number.textContent = value;
    if (unit) number.append(make('small', '', unit));
  }
  if (more !== undefined) say(card.querySelector('.more'), more);
  card.dataset.tone = tone;
}

const upTo = (count) => `${count.number.toLocaleString('en')}${count.more ? '+' : ''}`;

function orphansMore({ orphans, orphansSince, quarantined, readAt }) {
  const parts = [];
  if (orphans.number > 0) parts.push(`for ${duration(between(orphansSince, readAt))}`);
  if (quarantined.number > 0) parts.push(`${upTo(quarantined)} quarantined`);
  return parts.join(' · ') || 'none';
}

function showCards(model) {
  const { overview } = model;
  const suspect = model.count('POD_STATE_SUSPECT');
  const deaths = model.deathsOfLastHour();
  showCard('alive', model.count('POD_STATE_ALIVE').toLocaleString('en'));
  showCard('suspect', suspect.toLocaleString('en'), { tone: suspect > 0 ? 'suspect' : '' });
  showCard('deaths', upTo(deaths), { tone: deaths.number > 0 ? 'dead' : '' });
  showCard('orphans', upTo(overview.orphans),
    { more: orphansMore(overview), tone: overview.orphans.number > 0 ? 'suspect' : '' });
  showCard('detection', duration(secondsOf(overview.detectionP50)),
    { more: overview.detectionP50 ? `p50 · p99 ${duration(secondsOf(overview.detectionP99))}` : 'none in the last hour' });
  showCard('subscribers', overview.subscribers.toLocaleString('en'));
  const full = overview.connectionLimit > 0 && overview.connections > 0.9 * overview.connectionLimit;
  showCard('connections', overview.connections.toLocaleString('en'),
    { unit: overview.connectionLimit > 0 ? ` of ${overview.connectionLimit.toLocaleString('en')}` : '',
      tone: full ? 'suspect' : '' });
}

// --- Pods

const rows = new Map(); // by incarnation: { row, text }

const shortState = (pod) => bare(pod.state, 'POD_STATE');

function matches(pod, words) {
  const text = [pod.name, shortState(pod), pod.coordinator, pod.incarnation, bare(pod.profile, 'PROFILE')]
    .join(' ').toLowerCase();
  return words.every((word) => text.includes(word));
}

// The SUSPECT first, then by name, as people count: pod-2 before pod-10.
const NAMES = new Intl.Collator('en', { numeric: true });
function order(one, other) {
  const suspects = (other.state === 'POD_STATE_SUSPECT') - (one.state === 'POD_STATE_SUSPECT');
  return suspects || NAMES.compare(one.name, other.name) || Number(BigInt(one.incarnation) - BigInt(other.incarnation));
}

function fillRow(row, pod, now) {
  const name = make('th', '');
  name.scope = 'row';
  name.append(nameOf(pod.name));
  const state = make('td', '');
  state.append(badgeOf(shortState(pod)));
  if (pod.state === 'POD_STATE_SUSPECT') state.append(make('span', 'why', causeOf(pod)));
  const registered = make('td', '');
  registered.append(timeOf(pod.registeredAt, now));
  row.replaceChildren(name, state,
    make('td', 'number', pod.incarnation),
    make('td', 'number', pod.coordinator ?? '…'),
    make('td', '', pod.profile ? bare(pod.profile, 'PROFILE') : '…'),
    make('td', 'number', pod.lease ? duration(secondsOf(pod.lease)) : '…'), registered);
}

function rowOf(pod, now) {
  const text = JSON.stringify([pod.name, pod.state, pod.cause, pod.coordinator, pod.profile, pod.lease]);
  let known = rows.get(pod.incarnation);
  if (!known) {
    known = { row: make('tr', ''), text: '' };
    known.row.dataset.incarnation = pod.incarnation;
    rows.set(pod.incarnation, known);
  }
  if (known.text !== text) fillRow(known.row, pod, now);
  known.text = text;
  return known.row;
}

// Moves what is not where it should be.
function arrange(parent, wanted) {
  let next = parent.firstElementChild;
  for (const element of wanted) {
    if (element === next) next = next.nextElementSibling;
    else parent.insertBefore(element, next);
  }
  while (next) {
    const gone = next;
    next = next.nextElementSibling;
    gone.remove();
  }
}

function showPods(model, filter) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [...model.pods.values()].filter((pod) => matches(pod, words)).sort(order);
  const shown = found.slice(0, MOST_ROWS);
  for (const incarnation of rows.keys()) if (!model.pods.has(incarnation)) rows.delete(incarnation);
  arrange(at('rows'), shown.map((pod) => rowOf(pod, model.overview.readAt)));
  const all = model.count('POD_STATE_ALIVE') + model.count('POD_STATE_SUSPECT');
  say(at('shown'), words.length > 0 ? `${found.length.toLocaleString('en')} of ${counted(all, 'pod', 'pods')}`
    : counted(all, 'living pod', 'living pods'));
  const hidden = (words.length > 0 ? found.length : all) - shown.length;
  at('more-pods').hidden = hidden <= 0 && !(words.length > 0 && found.length === 0);
  say(at('more-pods'), hidden > 0 ? `${hidden.toLocaleString('en')} more; filter to find them.`
    : 'No living pod matches the filter.');
}

// --- Deaths

function claimOf(claimant, death) {
  const line = make('li', '');
  line.append(nameOf(claimant.name), ' claimed ');
  claimant.keys.forEach((key, index) => line.append(index > 0 ? ', ' : '', nameOf(key, 'key')));
  const others = claimant.items - claimant.keys.length;
  if (others > 0) line.append(` and ${others.toLocaleString('en')} more`);
  const first = duration(between(death.occurredAt, claimant.first));
  const last = duration(between(death.occurredAt, claimant.last));
  line.append(' ', make('span', 'after', first === last ? `after ${first}` : `after ${first} to ${last}`));
  return line;
}

function becameOf(death) {
  const lines = [...death.claimants.values()].map((claimant) => claimOf(claimant, death));
  if (death.quarantined > 0) {
    lines.push(make('li', 'waiting', `${counted(death.quarantined, 'item', 'items')} quarantined`));
  }
  const waiting = death.orphans - death.claimed - death.quarantined;
  if (waiting > 0) lines.push(make('li', 'waiting', `${counted(waiting, 'orphan', 'orphans')} not claimed yet`));
  return lines;
}

function deathOf(death, now) {
  const entry = make('li', '');
  entry.dataset.incarnation = death.incarnation;
  const text = make('div', '');
  text.append(nameOf(death.podName), ' died: ', make('span', 'cause', causeOf(death)));
  const took = death.detectedAt ? between(death.detectedAt, death.occurredAt) : 0;
  if (took >= 0.01) text.append(make('span', 'cause', `, suspect for ${duration(took)}`));
  const lines = becameOf(death);
  if (lines.length > 0) {
    const list = make('ul', '');
    list.append(...lines);
    text.append(list);
  }
  entry.append(timeOf(death.occurredAt, now), text);
  return entry;
}

const entries = new Map(); // by incarnation: { entry, text }

function showDeaths(model) {
  const newest = [...model.deaths.values()].reverse();
  for (const incarnation of entries.keys()) if (!model.deaths.has(incarnation)) entries.delete(incarnation);
  arrange(at('timeline'), newest.map((death) => {
    const text = `${death.known}`;
    const known = entries.get(death.incarnation);
    if (known && known.text === text) return known.entry;
    const entry = deathOf(death, model.overview.readAt);
    entries.set(death.incarnation, { entry, text });
    return entry;
  }));
  at('no-deaths').hidden = newest.length > 0;
}

// --- Coordinators

let coordinators = '';

function showCoordinators({ coordinators: told, readAt }) {
  const text = JSON.stringify(told);
  if (text === coordinators) return;
  coordinators = text;
  at('coordinators').replaceChildren(...told.map((coordinator) => {
    const row = make('tr', '');
    const number = make('th', '', coordinator.number);
    number.scope = 'row';
    const address = make('td', 'words');
    address.append(nameOf(coordinator.address));
    const state = make('td', '');
    state.append(badgeOf(coordinator.state));
    state.title = `since ${coordinator.endedAt ?? coordinator.startedAt}, read at ${readAt}`;
    row.append(number, address, state, make('td', 'number', coordinator.pods.toLocaleString('en')));
    return row;
  }));
}

// --- The whole

// Where clients find the server: what it listens on everywhere is found where this page was.
function addressOf({ coordinators: told }) {
  const alive = told.find((coordinator) => coordinator.state === 'ALIVE');
  const address = alive?.address ?? '';
  const port = address.slice(address.lastIndexOf(':') + 1) || '7420';
  return /^(0\.0\.0\.0|\[::\]|):\d+$/.test(address) || !address ? `${location.hostname}:${port}` : address;
}

function showEmpty(model, namespace) {
  const empty = model.pods.size === 0 && model.deaths.size === 0 && model.whole();
  at('empty').hidden = !empty;
  document.querySelector('.columns').hidden = empty;
  if (!empty) return;
  say(at('empty-namespace'), namespace);
  const there = namespace === 'default' ? '' : ` --namespace ${namespace}`;
  say(at('empty-command'),
    `vigil --address ${addressOf(model.overview)}${there} run --pod first --work hello -- sleep 600`);
}

export function show(model, namespace, filter) {
  if (!model.overview) return;
  showCards(model);
  showPods(model, filter);
  showDeaths(model);
  showCoordinators(model.overview);
  showEmpty(model, namespace);
}

// Nothing of another namespace, or of what may not be seen any more.
export function clear() {
  rows.clear();
  entries.clear();
  coordinators = '';
  for (const id of ['rows', 'timeline', 'coordinators']) at(id).replaceChildren();
  for (const card of document.querySelectorAll('.card')) {
    card.querySelector('dd').textContent = '–';
    card.dataset.tone = '';
  }
  say(at('shown'), '');
  at('more-pods').hidden = true;
  at('no-deaths').hidden = true;
  at('empty').hidden = true;
  document.querySelector('.columns').hidden = false;
}

export function showReadiness({ ready, failing, warnings }) {
  const names = (checks) => checks.map((check) => plain(check.name)).join(', ');
  if (!ready) {
    at('readiness').dataset.state = 'unready';
    say(at('readiness-text'), `Not ready: ${names(failing)}`);
  } else if (warnings.length > 0) {
    at('readiness').dataset.state = 'warned';
    say(at('readiness-text'), `Ready, but: ${names(warnings)}`);
  } else {
    at('readiness').dataset.state = 'ready';
    say(at('readiness-text'), 'Ready');
  }
}

export function showUnknown() {
  at('readiness').dataset.state = 'unknown';
  say(at('readiness-text'), 'Unknown');
}

export function banner(text, { stale }) {
  const element = at('banner');
  document.querySelector('main').classList.toggle('stale', stale);
  element.hidden = text === '';
  say(element, text);
}

export function feed(text) {
  say(at('feed'), text);
}

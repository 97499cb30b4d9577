// A real browser's EventSource on the event log: what a page can rely on, with no code of ours in it.
//
// Starts `vigild` from VIGIL_BIN_DIR and Debian's chromium. Prints a line for each check and ends with "N passed,
// N failed".
'use strict';

const assert = require('node:assert');
const { chromium } = require('playwright-core');
const { Cluster, Relay, check, run } = require('./cluster.js');

const CHROMIUM = process.env.VIGIL_CHROMIUM ?? '/usr/bin/chromium';
const STEP_MILLIS = 30_000;
const WHOLE_MILLIS = 300_000;
const CLOSED = 2; // EventSource.CLOSED

const KINDS = ['POD_REGISTERED', 'POD_LEFT', 'POD_DIED'];
const NAMES = [...KINDS, 'snapshot', 'position', 'lagged', 'draining', 'expired', 'failed'];

// One EventSource in a page of the coordinator's own origin, and all that it dispatched.
class Source {
  static async open(browser, origin, query) {
    const source = new Source();
    source.page = await browser.newPage();
    await source.page.goto(`${origin}/livez`);
    await source.page.evaluate(([url, names]) => {
      window.seen = [];
      window.source = new EventSource(url);
      for (const name of names) {
        window.source.addEventListener(name, (event) => {
          window.seen.push({ name, id: event.lastEventId, data: JSON.parse(event.data) });
        });
      }
      window.source.onerror = () => window.seen.push({ name: 'error', state: window.source.readyState });
    }, [`/v1/events?namespace=default${query}`, NAMES]);
    return source;
  }

  seen() {
    return this.page.evaluate(() => window.seen);
  }

  // The first that has this name, at or after this place among all that were dispatched.
  async until(name, from = 0) {
    const found = await this.page.waitForFunction(
      ([wanted, first]) => window.seen.slice(first).find((one) => one.name === wanted),
      [name, from], { timeout: STEP_MILLIS, polling: 20 });
    return found.jsonValue();
  }

  // The numbers of all events so far, as soon as this one is among them.
  async numbersUpTo(last) {
    const found = await this.page.waitForFunction(([kinds, wanted]) => {
      const numbers = window.seen.filter((one) => kinds.includes(one.name)).map((one) => Number(one.data.seq));
      return numbers.at(-1) >= wanted ? numbers : null;
    }, [KINDS, last], { timeout: STEP_MILLIS, polling: 20 });
    return found.jsonValue();
  }
}

// P8: every number from the first one on, once and in order.
function assertWhole(numbers) {
  assert.deepStrictEqual(numbers, numbers.map((_, index) => numbers[0] + index));
}

async function follow(cluster, browser) {
  const source = await Source.open(browser, cluster.origin, '');
  await check('EventSource_BeginsWithASnapshot', async () => {
    const snapshot = await source.until('snapshot');
    assert.strictEqual(snapshot.id, snapshot.data.cursor);
  });
  await check('EventSource_GetsEventsWithTheirIds', async () => {
    await cluster.comeAndGo('a');
    const left = await source.until('POD_LEFT');
    assert.strictEqual(left.data.podName, 'a');
    assert.match(left.id, /^v1\.[0-9a-f]+\.default\.2$/);
  });
  await check('EventSource_HearsTheAgeOfTheLastReading', async () => {
    const position = await source.until('position');
    assert.match(position.data.readAge, /^\d+(\.\d+)?s$/);
  });
  return source;
}

async function survive(cluster, source) {
  await check('EventSource_SurvivesTheDeathOfItsCoordinator', async () => { // P8
    await cluster.killServer();
    await cluster.comeAndGo('b');
    await cluster.startServer();
    assertWhole(await source.numbersUpTo(4));
  });
  await check('EventSource_IsToldOfADrainAndGoesOnAfterIt', async () => { // P8
    const before = (await source.seen()).length;
    await cluster.stopServer();
    const draining = await source.until('draining', before);
    assert.strictEqual(draining.id, draining.data.cursor);
    await cluster.comeAndGo('c');
    await cluster.startServer();
    await cluster.comeAndGo('d');
    assertWhole(await source.numbersUpTo(8));
  });
}

async function lag(cluster, browser, relay) {
  await check('EventSource_ThatHasLaggedGoesOn', async () => { // P8
    const source = await Source.open(browser, relay.origin, '');
    await source.until('snapshot');
    relay.stall();
    const labels = Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`${i}`, 'x'.repeat(250)]));
    for (let i = 0; i < 150; i += 1) await cluster.comeAndGo(`slow-${i}`, labels);
    relay.goOn();
    await source.until('lagged');
    const numbers = await source.numbersUpTo(8 + 300);
    assert.strictEqual(numbers[0], 9);
    assertWhole(numbers);
    await source.page.close();
  });
}

async function keepIds(cluster, browser, relay) {
  await check('EventSource_KeepsAnIdThatStandsAlone', async () => { // P8
    await cluster.stopServer();
    await cluster.startServer(['--position-interval', '1h']); // no heartbeat brings an id
    const source = await Source.open(browser, relay.origin, '&kind=POD_DIED');
    const snapshot = await source.until('snapshot');
    // One transaction: the death of the first life, and, left out, the beginning of the second.
    const first = await cluster.come('unique', { supersede_key: 'a-secret-of-16-letters' });
    const second = await cluster.come('unique', { supersede_key: 'a-secret-of-16-letters' });
    const died = await source.until('POD_DIED');
    assert.ok(!(await source.seen()).some((one) => one.name === 'position'));
    relay.cut();
    const id = await relay.nextLastEventId();
    assert.strictEqual(died.id, snapshot.id);
    assert.strictEqual(id.split('.').at(-1), `${Number(died.data.seq) + 1}`);
    await second.leave();
    first.end();
    await source.page.close();
  });
}

async function stop(cluster, browser) {
  await check('EventSource_ThatHasExpiredIsToldSoAndStops', async () => {
    const source = await Source.open(browser, cluster.origin, '&after=v1.dead.default.1');
    const expired = await source.until('expired');
    assert.strictEqual(expired.data.reason, 'END_REASON_EXPIRED');
    await source.page.waitForFunction((closed) => window.source.readyState === closed, CLOSED,
      { timeout: STEP_MILLIS });
    const seen = await source.seen();
    assert.strictEqual(seen.filter((one) => one.name === 'expired').length, 1);
    assert.deepStrictEqual(seen.at(-1), { name: 'error', state: CLOSED });
    await source.page.close();
  });
  await check('EventSource_WithNonsenseStopsAtOnce', async () => {
    const source = await Source.open(browser, cluster.origin, '&kind=NONSENSE');
    await source.until('error');
    assert.deepStrictEqual(await source.seen(), [{ name: 'error', state: CLOSED }]);
    await source.page.close();
  });
}

async function story(cluster) {
  await check('Vigild_Serves', () => cluster.start());
  const browser = await check('Chromium_Starts', () => chromium.launch({
    executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  }));
  try {
    const source = await follow(cluster, browser);
    await survive(cluster, source);
    const relay = await Relay.start(cluster);
    await lag(cluster, browser, relay);
    await keepIds(cluster, browser, relay);
    relay.close();
    await stop(cluster, browser);
  } finally {
    await browser.close();
  }
}

run(new Cluster(), WHOLE_MILLIS, story);

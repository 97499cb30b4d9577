// One who looks at the status page, with a real browser, and takes down what a page should not do.
'use strict';

const assert = require('node:assert');
const { chromium } = require('playwright-core');

const CHROMIUM = process.env.VIGIL_CHROMIUM ?? '/usr/bin/chromium';
const STEP_MILLIS = 30_000;

// What chromium says of a server that does not answer, or refuses, which is not the page's doing.
const OF_THE_NETWORK = /^Failed to load resource: /;

function launch() {
  return chromium.launch({
    executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  });
}

class Viewer {
  static async open(browser, origin, { query = '', theme = 'light', width = 1280, height = 800, before } = {}) {
    const viewer = new Viewer();
    viewer.origin = origin;
    viewer.context = await browser.newContext({
      colorScheme: theme, viewport: { width, height }, reducedMotion: 'reduce', timezoneId: 'UTC', locale: 'en-GB',
    });
    viewer.page = await viewer.context.newPage();
    viewer.page.setDefaultTimeout(STEP_MILLIS);
    viewer.complaints = [];
    viewer.network = [];
    viewer.strangers = [];
    viewer.page.on('console', (message) => {
      if (message.type() !== 'error' && message.type() !== 'warning') return;
      (OF_THE_NETWORK.test(message.text()) ? viewer.network : viewer.complaints).push(message.text());
    });
    viewer.page.on('pageerror', (error) => viewer.complaints.push(error.message));
    viewer.page.on('request', (request) => {
      if (!request.url().startsWith(`${origin}/`)) viewer.strangers.push(request.url());
    });
    await viewer.page.addInitScript(() => {
      window.violations = [];
      document.addEventListener('securitypolicyviolation', (event) => {
        window.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    if (before) await before(viewer.page);
    viewer.response = await viewer.page.goto(`${origin}/${query}`);
    // Gone with a reload.
    await viewer.page.evaluate(() => { window.first = true; });
    return viewer;
  }

  // The row of this pod, by the name that is read aloud.
  row(name) {
    return this.page.locator('#rows tr').filter({ has: this.page.getByRole('rowheader', { name, exact: true }) });
  }

  card(name) {
    return this.page.locator(`[data-card="${name}"] dd`).first();
  }

  death(name) {
    return this.page.locator('#timeline > li').filter({ hasText: `${name} died` });
  }

  // That the text comes to be what is wanted.
  async reads(locator, wanted) {
    const right = (text) => (wanted instanceof RegExp ? wanted.test(text) : text === wanted);
    const deadline = Date.now() + STEP_MILLIS;
    let text = null;
    for (;;) {
      text = (await locator.count()) === 1 ? (await locator.innerText()).replace(/\s+/g, ' ').trim() : null;
      if (text !== null && right(text)) return text;
      if (Date.now() > deadline) throw new Error(`it reads '${text}' and not '${wanted}'`);
      await this.page.evaluate(() => new Promise((resolve) => { requestAnimationFrame(resolve); }));
    }
  }

  appears(locator) {
    return locator.waitFor({ state: 'visible' });
  }

  vanishes(locator) {
    return locator.waitFor({ state: 'hidden' });
  }

  async wasNeverReloaded() {
    assert.strictEqual(await this.page.evaluate(() => window.first), true, 'the page was loaded again');
  }

  // Nothing that it should not have done.
  async isClean({ network = false } = {}) {
    assert.deepStrictEqual(this.complaints, [], 'errors in the console');
    if (!network) assert.deepStrictEqual(this.network, [], 'requests that failed');
    assert.deepStrictEqual(this.strangers, [], 'requests to others');
    assert.deepStrictEqual(await this.page.evaluate(() => window.violations), [], 'violations of the policy');
  }

  close() {
    return this.context.close();
  }
}

module.exports = { Viewer, launch };

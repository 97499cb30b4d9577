// The status page in a real browser: what operators see of pods that come, die, and leave work to others.
//
// Starts `vigild` from VIGIL_BIN_DIR and Debian's chromium. Prints a line for each check and ends with "N passed,
// N failed". Leaves pictures in VIGIL_PICTURES, if that is set.
'use strict';

const assert = require('node:assert');
const path = require('node:path');
const { Cluster, check, run } = require('./cluster.js');
const { Rights, Unreachable } = require('./page_servers.js');
const { Shop } = require('./shop.js');
const { Viewer, launch } = require('./viewer.js');

const WHOLE_MILLIS = 400_000;
const HOSTILE = ['<img src=x onerror="window.hit=1">', '"><script>window.hit=1</script>', 'cart\u202egnp.exe\u200f',
  `${'long-'.repeat(50)}end`];

const PICTURES = process.env.VIGIL_PICTURES ?? '';

async function picture(viewer, name) {
  if (PICTURES) await viewer.page.screenshot({ path: path.join(PICTURES, `${name}.png`) });
}

const WIDTH = 1240;
const HEIGHT = 740;

// --- The story of a shop, on one page that is never loaded again

async function firstPods(cluster, viewer, shop) {
  await check('Empty_TheCommandThatStartsAFirstPod', async () => {
    await viewer.appears(viewer.page.getByRole('heading', { name: 'No pod has come yet' }));
    await viewer.reads(viewer.page.locator('#empty-command'),
      'vigil --address vigil-0.vigil:7420 run --pod first --work hello -- sleep 600');
    await viewer.reads(viewer.page.locator('#readiness'), 'Ready');
    await picture(viewer, 'empty');
  });
  await check('Rows_AppearAsPodsRegister', async () => {
    for (let i = 1; i <= 6; i += 1) await shop.open(`cart-${i}`);
    await shop.open('mailer-1', { profile: 'PROFILE_STRICT', lease: { seconds: 20 } });
    await shop.open('mailer-2', { profile: 'PROFILE_STRICT', lease: { seconds: 20 } });
    for (const pod of shop.pods) await viewer.appears(viewer.row(pod.name));
    await viewer.vanishes(viewer.page.locator('#empty'));
    await viewer.reads(viewer.row('mailer-2'), /^mailer-2 ALIVE \d+ \d+ STRICT 20 s \d\d:\d\d:\d\d$/);
    await viewer.reads(viewer.card('alive'), '8');
    await viewer.reads(viewer.page.locator('#shown'), '8 living pods');
    await viewer.wasNeverReloaded();
  });
  await check('Coordinators_AreListedWithTheirPods', async () => {
    const rows = viewer.page.locator('#coordinators tr');
    await viewer.reads(rows.nth(0), /^\d+ vigil-0\.vigil:7420 ALIVE 8$/);
    await viewer.reads(rows.nth(1), /^\d+ vigil-1\.vigil:7420 ALIVE 0$/);
    await viewer.reads(viewer.card('connections'), /^\d+ of \d+$/);
    await viewer.reads(viewer.card('subscribers'), '1');
  });
}

async function deaths(viewer, shop) {
  const [one, two, three, four, five, , , mailer] = shop.pods;
  await check('Death_ShowsWithItsCauseAndTheClaimThatFollowed', async () => {
    await three.start('order-1017', 'order-1018', 'order-1021');
    three.kill();
    await viewer.reads(viewer.death('cart-3'), /cart-3 died: its stream ended.*3 orphans not claimed yet$/);
    await viewer.vanishes(viewer.row('cart-3'));
    await viewer.reads(viewer.card('deaths'), '1');
    await viewer.reads(viewer.card('orphans'), '3');
    await one.claim(2);
    await two.claim(2);
    await viewer.reads(viewer.death('cart-3'), new RegExp('cart-1 claimed order-1017, order-1018 after [\\d.]+ m?s '
      + '.*cart-2 claimed order-1021 after [\\d.]+ m?s$'));
    await viewer.reads(viewer.card('orphans'), '0');
    await viewer.wasNeverReloaded();
  });
  await check('Suspect_ShowsFirstAndWithItsCause', async () => {
    await mailer.start('newsletter-44');
    mailer.kill();
    await viewer.reads(viewer.row('mailer-2'), /SUSPECT its stream ended/);
    await viewer.reads(viewer.page.locator('#rows tr').first(), /^mailer-2 /);
    await viewer.reads(viewer.card('suspect'), '1');
    await four.start('order-1022', 'order-1023');
    four.hang();
    await viewer.appears(viewer.death('cart-4'));
    await five.claim(1);
    await viewer.reads(viewer.death('cart-4'),
      /cart-4 died: its heartbeats stopped.*cart-5 claimed order-1022 after [\d.]+ m?s.*1 orphan not claimed yet$/);
    await viewer.reads(viewer.card('orphans'), '1');
    await viewer.reads(viewer.card('detection'), /^(< )?[\d.]+ m?s$/);
    await picture(viewer, 'light');
    await viewer.page.emulateMedia({ colorScheme: 'dark' });
    await picture(viewer, 'dark');
    await viewer.page.emulateMedia({ colorScheme: 'light' });
  });
}

async function hostile(cluster, viewer) {
  await check('HostileNames_StayText', async () => {
    // The coordinators would not take most of these: they come by way of the database.
    for (const name of HOSTILE) {
      cluster.run(`INSERT INTO vigil.pods (incarnation, namespace, name, registration_id, session_token, coordinator,
          session, profile, lease)
        SELECT nextval('vigil.incarnation_numbers'), 'default', $x$${name}$x$, gen_random_uuid(), '', 1,
          nextval('vigil.session_numbers'), 'FAST', '3 s'`);
    }
    const shown = HOSTILE.map((name) => name.replace('\u202e', '⟨U+202E⟩').replace('\u200f', '⟨U+200F⟩'));
    // Nobody holds their locks, so each is suspected and dies: its name is in the table, and then among the deaths.
    for (const name of shown) {
      await viewer.appears(viewer.page.locator('#rows bdi').getByText(name, { exact: true }));
    }
    await viewer.page.getByRole('searchbox', { name: 'Filter' }).fill('<img');
    await viewer.reads(viewer.page.locator('#shown'), /^1 of \d+ pods$/);
    await viewer.page.getByRole('searchbox', { name: 'Filter' }).fill('');
    for (const name of shown) {
      await viewer.appears(viewer.page.locator('#timeline bdi').getByText(name, { exact: true }));
    }
    assert.strictEqual(await viewer.page.evaluate(() => window.hit), undefined, 'a name was run as a script');
    assert.strictEqual(await viewer.page.locator('main img, main script').count(), 0, 'a name was taken for markup');
    const wide = await viewer.page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.ok(!wide, 'a name makes the page wider than the window');
  });
  await check('HostileWorkKey_StaysText', async () => {
    const shop = new Shop(cluster.address);
    const owner = await shop.open('owner');
    const heir = await shop.open('heir');
    await owner.start(HOSTILE[0]);
    owner.kill();
    await viewer.appears(viewer.death('owner'));
    await heir.claim();
    await viewer.appears(viewer.page.locator('#timeline .key').getByText(HOSTILE[0], { exact: true }));
    shop.close();
  });
}

async function filter(viewer) {
  await check('Filter_ByNameAndStateWithTheKeyboardAlone', async () => {
    await viewer.page.getByRole('searchbox', { name: 'Filter' }).blur();
    await viewer.page.keyboard.press('/');
    await viewer.page.keyboard.type('CART alive');
    await viewer.reads(viewer.page.locator('#shown'), /^4 of \d+ pods$/);
    await viewer.vanishes(viewer.row('mailer-1'));
    await viewer.page.keyboard.type(' nobody');
    await viewer.reads(viewer.page.locator('#more-pods'), 'No living pod matches the filter.');
    await viewer.page.keyboard.press('Escape');
    await viewer.appears(viewer.row('mailer-1'));
    await viewer.page.keyboard.press('Shift+Tab');
    assert.strictEqual(await viewer.page.evaluate(() => document.activeElement.id), 'pause');
  });
}

async function pause(viewer, shop) {
  await check('Pause_AsksForNothingUntilItGoesOn', async () => {
    await viewer.page.getByRole('button', { name: 'Pause' }).click();
    await viewer.reads(viewer.page.locator('#feed'), 'Paused');
    let asked = 0;
    viewer.page.on('request', () => { asked += 1; });
    await shop.open('late');
    // Longer than the page rests between any two questions.
    await viewer.page.waitForFunction((since) => performance.now() - since > 6_000,
      await viewer.page.evaluate(() => performance.now()));
    assert.strictEqual(asked, 0);
    assert.strictEqual(await viewer.row('late').count(), 0);
    await viewer.page.getByRole('button', { name: 'Resume' }).click();
    await viewer.appears(viewer.row('late'));
    await viewer.reads(viewer.page.locator('#feed'), 'Live');
  });
}

async function namespaces(cluster, viewer) {
  await check('Namespace_IsChosenAndStandsInTheAddress', async () => {
    const other = new Shop(cluster.address, 'bank');
    await other.open('teller-1');
    await viewer.page.getByRole('textbox', { name: 'Namespace' }).fill('bank');
    await viewer.page.keyboard.press('Enter');
    await viewer.appears(viewer.row('teller-1'));
    await viewer.reads(viewer.card('alive'), '1');
    assert.ok(viewer.page.url().endsWith('/?namespace=bank'), viewer.page.url());
    await viewer.page.goBack();
    await viewer.appears(viewer.row('mailer-1'));
    assert.strictEqual(await viewer.row('teller-1').count(), 0);
    other.close();
  });
  await check('Namespace_ThatIsNoneIsSaidSo', async () => {
    const lost = await Viewer.open(viewer.context.browser(), cluster.origin, { query: '?namespace=No%20One' });
    await lost.reads(lost.page.locator('#banner'), /^Namespace: must be 1 to 63 of a-z.*/);
    await lost.close();
  });
}

async function away(cluster, viewer, shop) {
  await check('Away_ABannerUntilTheServerIsBack', async () => {
    await viewer.isClean();
    await cluster.killServer();
    await viewer.reads(viewer.page.getByRole('status').and(viewer.page.locator('#banner')), /does not answer/);
    await viewer.reads(viewer.page.locator('#readiness'), 'Unknown');
    await viewer.appears(viewer.row('mailer-1'));
    await picture(viewer, 'away');
    await shop.open('meanwhile');
    await cluster.startServer();
    await viewer.appears(viewer.row('meanwhile'));
    await viewer.vanishes(viewer.page.locator('#banner'));
    await viewer.reads(viewer.page.locator('#readiness'), 'Ready');
  });
  await check('Drained_ItGoesOnByItself', async () => {
    await cluster.stopServer();
    await cluster.startServer();
    await shop.open('after-the-drain');
    await viewer.appears(viewer.row('after-the-drain'));
    await viewer.reads(viewer.page.locator('#feed'), 'Live');
    await viewer.wasNeverReloaded();
    await viewer.isClean({ network: true });
  });
}

// --- What takes a page of its own

// Changes what the server tells that page in its overviews.
function telling(change) {
  return (page) => page.route('**/v1/overview?*', async (route) => {
    const response = await route.fetch();
    const overview = await response.json();
    change(overview);
    await route.fulfill({ response, json: overview });
  });
}

async function expired(cluster, browser) {
  await check('Expired_TheOverviewIsReadAgain', async () => { // P8
    let overviews = 0;
    const viewer = await Viewer.open(browser, cluster.origin, { before: telling((overview) => {
      overviews += 1;
      if (overviews === 1) overview.cursor = 'v1.dead.default.1';
    }) });
    await viewer.page.waitForRequest((request) => /after=v1\.(?!dead)/.test(request.url()));
    await viewer.appears(viewer.row('mailer-1'));
    assert.ok(overviews >= 2);
    await viewer.isClean();
    await viewer.close();
  });
}

async function crowd(cluster, browser) {
  await check('Crowd_NoMoreThanAThousandRows', async () => { // P11
    const viewer = await Viewer.open(browser, cluster.origin, { before: telling((overview) => {
      const [one] = overview.pods;
      overview.pods = Array.from({ length: 1_500 },
        (_, i) => ({ ...one, name: `crowd-${i}`, incarnation: `${9_000 + i}` }));
      overview.alive = 7_000;
    }) });
    await viewer.reads(viewer.page.locator('#more-pods'), '6,000 more; filter to find them.');
    assert.strictEqual(await viewer.page.locator('#rows tr').count(), 1_000);
    await viewer.page.getByRole('searchbox', { name: 'Filter' }).fill('crowd-1499');
    await viewer.appears(viewer.row('crowd-1499'));
    await viewer.reads(viewer.page.locator('#shown'), '1 of 7,000 pods');
    await viewer.close();
  });
}

async function policy(cluster, browser) {
  await check('Policy_NothingInlineRunsAndNobodyFramesIt', async () => {
    const viewer = await Viewer.open(browser, cluster.origin);
    const headers = viewer.response.headers();
    assert.match(headers['content-security-policy'],
      /^default-src 'none';.*frame-ancestors 'none'; base-uri 'none'; form-action 'none'$/);
    assert.strictEqual(headers['x-content-type-options'], 'nosniff');
    assert.strictEqual(headers['referrer-policy'], 'no-referrer');
    await viewer.appears(viewer.row('mailer-1'));
    await viewer.isClean();
    await viewer.page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'window.hit = 1';
      document.body.append(script);
    });
    assert.strictEqual(await viewer.page.evaluate(() => window.hit), undefined, 'an inline script ran');
    await viewer.close();
  });
  await check('Themes_AreThoseOfTheReader', async () => {
    const grounds = [];
    for (const theme of ['light', 'dark']) {
      const viewer = await Viewer.open(browser, cluster.origin, { theme });
      grounds.push(await viewer.page.evaluate(() => getComputedStyle(document.body).backgroundColor));
      await viewer.close();
    }
    assert.deepStrictEqual(grounds, ['rgb(244, 245, 247)', 'rgb(14, 17, 21)']);
  });
}

async function unready(browser) {
  await check('Unready_TheFailingCheckIsNamed', async () => {
    const server = await Unreachable.start();
    const viewer = await Viewer.open(browser, server.origin);
    await viewer.reads(viewer.page.locator('#readiness'), /^Not ready: .*database/);
    await viewer.reads(viewer.page.locator('#banner'), /\S+: \S.*\./);
    await viewer.isClean({ network: true });
    await viewer.close();
    server.kill();
  });
}

async function rights(cluster, browser) {
  await check('Rights_ATokenIsAskedForAndKeptNowhere', async () => {
    const server = await Rights.start(cluster.database);
    const viewer = await Viewer.open(browser, server.origin, { width: WIDTH, height: HEIGHT });
    const dialog = viewer.page.getByRole('dialog', { name: 'A token, please' });
    const give = async (token) => {
      await dialog.getByLabel('Token').fill(token);
      await dialog.getByRole('button', { name: 'Show' }).click();
    };
    await viewer.appears(dialog);
    await picture(viewer, 'token');
    await give(server.tokens.web);
    await viewer.reads(dialog.locator('#login-why'), /Have one of these roles granted .* operator, read-only\.$/);
    await give(server.tokens.reader);
    await viewer.appears(viewer.row('mailer-1'));
    await viewer.vanishes(dialog);
    const kept = await viewer.page.evaluate(() => JSON.stringify([localStorage, sessionStorage, document.cookie,
      location.href, document.documentElement.outerHTML]));
    assert.ok(!kept.includes(server.tokens.reader), 'the token is kept where it can be read');
    server.withdraw('reader');
    await viewer.appears(dialog);
    assert.strictEqual(await viewer.row('mailer-1').count(), 0, 'what may not be seen any more is still there');
    await viewer.isClean({ network: true });
    await viewer.close();
    server.kill();
  });
}

async function story(cluster) {
  await check('Vigild_Serves', () => cluster.start());
  const browser = await check('Chromium_Starts', launch);
  const shop = new Shop(cluster.address);
  try {
    const viewer = await Viewer.open(browser, cluster.origin, { width: WIDTH, height: HEIGHT });
    await firstPods(cluster, viewer, shop);
    await deaths(viewer, shop);
    await hostile(cluster, viewer);
    await filter(viewer);
    await pause(viewer, shop);
    await namespaces(cluster, viewer);
    await policy(cluster, browser);
    await expired(cluster, browser);
    await crowd(cluster, browser);
    await rights(cluster, browser);
    await unready(browser);
    await away(cluster, viewer, shop);
  } finally {
    shop.close();
    await browser.close();
  }
}

run(new Cluster({ addresses: ['vigil-0.vigil:7420', 'vigil-1.vigil:7420'] }), WHOLE_MILLIS, story);

// The chart's page, and what the chart says of the server: its settings, its connections, its metrics.
'use strict';

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const yaml = require('yaml');
const {
  CHART, ROOT, SECURED, TRIAL, chartFile, isMap, notes, one, over, podOf, refusal, render,
} = require('./helm.js');

const GENERATOR = path.join(ROOT, 'tests/tools/node_modules/@bitnami/readme-generator-for-helm/bin/index.js');
const README = path.join(CHART, 'README.md');

// The settings that the chart makes of other values than config.*.
const OF_THE_CHART = [
  'database', 'listen', 'http-listen', 'advertise',
  'tls-cert', 'tls-key', 'tls-client-ca', 'tokens', 'grants', 'insecure',
];
// Where the chart's default is another one on purpose.
const OTHER_DEFAULTS = { 'log-format': 'json' };

const source = (file) => fs.readFileSync(path.join(ROOT, file), 'utf8');

// The README with its table made from the comments of values.yaml.
function generated() {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vigil-readme-'));
  try {
    const copy = path.join(directory, 'README.md');
    fs.copyFileSync(README, copy);
    const words = [GENERATOR, '--values', path.join(CHART, 'values.yaml'), '--readme', copy];
    const done = spawnSync(process.execPath, words, { encoding: 'utf8' });
    assert.strictEqual(done.status, 0, done.stdout + done.stderr);
    return fs.readFileSync(copy, 'utf8');
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

function writeReadme() {
  fs.writeFileSync(README, generated());
  return 0;
}

// Name -> default, from the table of the server's settings.
function settingsOfTheServer() {
  const rows = source('server/app/config.cc').matchAll(/^\s+\{"([a-z-]+)",\s*"([^"]*)",\s*"/gm);
  return new Map([...rows].map(([, name, fallback]) => [name, fallback]));
}

const camel = (name) => name.replace(/-([a-z])/g, (_, letter) => letter.toUpperCase());

// Every value that is not a map, as the path to it.
function leaves(values, prefix = '') {
  return Object.entries(values).flatMap(([key, value]) => (
    value !== null && typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length > 0
      ? leaves(value, `${prefix}${key}.`) : [`${prefix}${key}`]));
}

async function tests(test) {
  await test('Readme_ItsTableIsThatOfTheValues', () => {
    assert.strictEqual(chartFile('README.md'), generated(), 'run ./dev chart --write');
  });

  await test('Readme_NamesNoValueThatIsNotThere', () => {
    const values = yaml.parse(chartFile('values.yaml'));
    const paths = (leaf) => leaf.split('.').map((_, i, all) => all.slice(0, i + 1).join('.'));
    const known = new Set(leaves(values).flatMap(paths));
    const pages = chartFile('README.md') + chartFile('templates/NOTES.txt') + chartFile('templates/_checks.tpl');
    const groups = Object.keys(values).filter((key) => isMap(values[key])).join('|');
    const named = pages.match(new RegExp(`(?<![.\\w])(?:${groups})(?:\\.[a-zA-Z_]+)+`, 'g'));
    assert.ok(named.length > 50);
    const files = ['tls.crt', 'tls.key'];
    assert.deepStrictEqual(named.filter((name) => !known.has(name) && !files.includes(name)), []);
  });

  await test('Settings_EachOfTheServerIsAValueWithItsDefault', () => {
    const { config } = yaml.parse(chartFile('values.yaml'));
    const server = settingsOfTheServer();
    assert.ok(server.size > 30);
    const own = [...server.keys()].filter((name) => !OF_THE_CHART.includes(name));
    assert.deepStrictEqual(Object.keys(config).sort(), own.map(camel).sort());
    for (const name of own) {
      assert.strictEqual(String(config[camel(name)]), OTHER_DEFAULTS[name] ?? server.get(name), name);
    }
  });

  await test('Settings_EachVariableIsOneOfTheServer', () => {
    const variable = (name) => `VIGIL_${name.replace(/-/g, '_').toUpperCase()}`;
    const variables = [...settingsOfTheServer().keys()].map(variable);
    const { env } = podOf(one(render(SECURED), 'Deployment')).containers[0];
    const set = env.map(({ name }) => name).filter((name) => name.startsWith('VIGIL_'));
    assert.deepStrictEqual(set.filter((name) => !variables.includes(name)), []);
  });

  await test('Settings_TheirBoundsAreThoseOfTheServer', () => {
    const { config } = JSON.parse(chartFile('values.schema.json')).properties;
    const text = source('server/app/config.cc');
    const numbers = { kMany: 1e6, kMostEvents: 1e12, kLargestQueueBytes: 2 ** 30 };
    const rows = [...text.matchAll(/^\s+\{"([a-z-]+)",(?:(?!^\s+\{").)*?ReadNumber\([^,]+, text, (\w+), (\w+)\)/gms)];
    assert.ok(rows.length > 10);
    for (const [, name, least, most] of rows) {
      const { minimum, maximum } = config.properties[camel(name)];
      assert.deepStrictEqual([minimum, maximum], [least, most].map((n) => numbers[n] ?? Number(n)), name);
    }
  });

  await test('Connections_AreCountedAsTheServerDoes', () => {
    const [, page] = /One coordinator opens up to (\d+)\s+connections/.exec(source('README.md'));
    assert.match(notes(SECURED), new RegExp(`They open ${page} connections each .* up to ${3 * page} together`));
    assert.ok(chartFile('README.md').includes(`= ${page}`));
  });

  await test('Stopping_AddsUpOnThePageAsInTheChart', () => {
    const [, least] = /make (\d+)\./.exec(refusal(over(TRIAL, { terminationGracePeriodSeconds: 1 })));
    assert.ok(chartFile('README.md').includes(`= ${least} s\n`), `${least} s`);
  });

  await test('Versions_TheChartsIsOfThisSource', () => {
    const [, version] = /^project\(vigil VERSION ([0-9.]+)/m.exec(source('CMakeLists.txt'));
    assert.strictEqual(yaml.parse(chartFile('Chart.yaml')).appVersion, version);
  });
}

module.exports = tests;
module.exports.writeReadme = writeReadme;

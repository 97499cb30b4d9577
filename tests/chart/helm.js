// The chart, rendered by the real helm, and what it refuses.
'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const yaml = require('yaml');

const ROOT = path.join(__dirname, '..', '..');
const CHART = path.join(ROOT, 'charts', 'vigil');
const HELM = path.join(ROOT, 'build', 'tools', 'helm');
const LIMIT_MILLIS = 60_000;

// Values with which the chart renders; tests put theirs on top.
const TRIAL = {
  image: { repository: 'registry.example/vigil' },
  database: { url: 'host=db password=hidden' },
  insecure: true,
};
const SECURED = {
  image: TRIAL.image,
  database: { existingSecret: 'db' },
  tls: { existingSecret: 'tls' },
  tokens: { existingSecret: 'tokens' },
  grants: [{ identity: 'a', namespace: '*', roles: ['operator'] }],
};

function run(words, input = '') {
  const done = spawnSync(HELM, words, { input, encoding: 'utf8', timeout: LIMIT_MILLIS, maxBuffer: 1 << 26 });
  if (done.error) throw new Error(`${HELM}: ${done.error.message} (./dev setup unpacks it)`);
  return { failed: done.status !== 0, stdout: done.stdout, stderr: done.stderr };
}

function succeed(words, input) {
  const done = run(words, input);
  if (done.failed) throw new Error(`helm ${words.join(' ')}\n${done.stderr}`);
  return done.stdout;
}

// As Kubernetes reads it: YAML 1.1, in which 0440 is octal.
const parseAll = (text) => yaml.parseAllDocuments(text, { version: '1.1' })
  .map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS();
  })
  .filter((object) => object !== null);

// YAML wants one control character more escaped than JSON does.
const written = (values) => JSON.stringify(values).replaceAll('\x7f', '\\u007f');

// The objects of a release, those of hooks and tests too.
function render(values, { chart = CHART, release = 'v', namespace = 'prod', more = [] } = {}) {
  const words = ['template', release, chart, '--namespace', namespace, '--values', '-', ...more];
  return parseAll(succeed(words, written(values)));
}

function notes(values) {
  const words = ['install', 'v', CHART, '--namespace', 'prod', '--dry-run=client', '--values', '-'];
  return succeed(words, written(values)).split('\nNOTES:\n')[1];
}

// What helm says when it does not render these.
function refusal(values, release = 'v') {
  const done = run(['template', release, CHART, '--values', '-'], written(values));
  if (!done.failed) throw new Error('helm renders it');
  return done.stderr.replace(/\s+/g, ' ');
}

const isMap = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

// Values over values, as helm lays files over each other.
function over(below, above) {
  const merged = { ...below };
  for (const [key, value] of Object.entries(above)) {
    merged[key] = isMap(value) && isMap(below[key]) ? over(below[key], value) : value;
  }
  return merged;
}

function one(objects, kind, name) {
  const found = objects.filter((object) => object.kind === kind && (!name || object.metadata.name === name));
  if (found.length !== 1) throw new Error(`${found.length} objects are a ${kind} ${name ?? ''}`);
  return found[0];
}

const ciFiles = () => fs.readdirSync(path.join(CHART, 'ci')).sort();
const ciValues = (file) => yaml.parse(fs.readFileSync(path.join(CHART, 'ci', file), 'utf8'));
// Those that the chart's page tells to install with.
const pageValues = () => yaml.parse(/^```yaml\n(.*?)^```/ms.exec(chartFile('README.md'))[1]);
const chartFile = (file) => fs.readFileSync(path.join(CHART, file), 'utf8');

// Every pod that an object makes.
function podOf(object) {
  if (object.kind === 'Pod') return object.spec;
  return ['Deployment', 'Job'].includes(object.kind) ? object.spec.template.spec : null;
}

module.exports = {
  CHART, ROOT, SECURED, TRIAL, chartFile, ciFiles, ciValues, isMap, notes, one, over, pageValues, parseAll, podOf,
  refusal, render, succeed,
};

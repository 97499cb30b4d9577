// The Helm chart, with the real helm and without a cluster. `--write` writes the table of its README anew.
//
// Prints a line for each test and ends with "N passed, N failed".
'use strict';

const { check, tally, within } = require('../support/checks.js');
const { writeReadme } = require('./pages.js');

const TEST_MILLIS = 120_000;
const PARTS = ['./rendering.js', './refusals.js', './pages.js', './alerts.js', './registry.js', './running.js'];

// Unlike the checks of a story, these do not build on each other.
const test = (name, body) => (
  check(name, () => within(TEST_MILLIS, name, Promise.resolve().then(body))).catch(() => {}));

async function main() {
  if (process.argv[2] === '--write') return writeReadme();
  for (const part of PARTS) await require(part)(test);
  console.log(`${tally.passed} passed, ${tally.failed} failed`);
  return tally.failed === 0 ? 0 : 1;
}

main().then((code) => process.exit(code), (error) => {
  console.log(error.stack);
  process.exit(1);
});

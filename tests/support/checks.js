// Checks that build on each other, and deadlines: what the tests in Node have in common.
'use strict';

const tally = { passed: 0, failed: 0 };

async function check(name, body) {
  try {
    const result = await body();
    tally.passed += 1;
    console.log(`ok     ${name}`);
    return result;
  } catch (error) {
    tally.failed += 1;
    console.log(`FAILED ${name}: ${error.message}`);
    throw error; // what follows builds on it
  }
}

function within(millis, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${millis} ms`)), millis);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

module.exports = { check, tally, within };

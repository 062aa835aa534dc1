// Loaded before a test file of tape: takes tape's results as objects, so that what tests print is not read.
'use strict';

const path = require('node:path');
const { createRequire } = require('node:module');
const { message, open } = require('./events.cjs');

const file = path.resolve(process.env.MIYABI_TEST_FILE);
const emit = open(process.env.MIYABI_REPORT, 'tape');
const tape = createRequire(file)('tape');
const tests = new Map();
const seen = { tests: 0, failed: 0 };
let ended = false;

// Before tape's own listener, which ends the process.
process.on('exit', () => {
  for (const id of [...tests.keys()]) finish(id, 'the test never ended');
  // A file without any test ends without a report.
  if (ended || !tests.size) emit({ kind: 'end', ...seen });
});

const stream = tape.createStream({ objectMode: true });
stream.on('data', (row) => {
  if (row.type === 'test') tests.set(row.id, { title: row.name, parent: row.parent, failed: null, asserts: 0, skipped: Boolean(row.skip), todo: Boolean(row.todo) });
  else if (row.type === 'assert') assertion(row);
  else if (row.type === 'end') finish(row.test);
});
tape.onFinish(() => {
  ended = true;
});

function assertion(row) {
  const test = tests.get(row.test);
  process.stdout.write(`${row.ok ? 'ok' : 'not ok'} ${row.name}\n`);
  if (!test) {
    if (!row.ok) report(['(outside of any test)'], row.name, 'failed');
    return;
  }
  test.asserts += 1;
  if (!row.ok && !row.todo && !test.todo && test.failed === null) test.failed = message(row.error || row.name) || row.name;
}

function titles(test) {
  const found = [test.title];
  for (let at = test.above; at && found.length < 50; at = at.above) found.unshift(at.title);
  return found;
}

function finish(id, problem) {
  const test = tests.get(id);
  if (!test || test.done) return;
  test.done = true;
  tests.set(id, test);
  const failed = problem || test.failed;
  test.above = tests.get(test.parent);
  report(titles(test), failed || '', failed ? 'failed' : test.skipped || test.todo || !test.asserts ? 'skipped' : 'passed');
}

function report(title, text, status) {
  seen.tests += 1;
  seen.failed += status === 'failed' ? 1 : 0;
  emit({ kind: 'test', file, path: title, status, message: text, ms: 0 });
}

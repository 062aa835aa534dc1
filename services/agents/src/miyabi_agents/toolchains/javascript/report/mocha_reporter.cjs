// A reporter for mocha that writes events to a file; what a person reads goes to the terminal.
'use strict';

const { message, open } = require('./events.cjs');

/** Reporter, as mocha constructs it. */
module.exports = class Reporter {
  constructor(runner) {
    const emit = open(process.env.MIYABI_REPORT, 'mocha');
    const seen = { tests: 0, failed: 0 };
    const report = (test, status, error) => {
      seen.tests += 1;
      seen.failed += status === 'failed' ? 1 : 0;
      emit({ kind: 'test', file: fileOf(test), path: test.titlePath ? test.titlePath() : [test.fullTitle()], status, message: error ? message(error) : '', ms: test.duration || 0 });
      process.stdout.write(`${status} ${test.fullTitle()}\n${error ? `${message(error)}\n` : ''}`);
    };
    runner.on('pass', (test) => report(test, 'passed'));
    runner.on('fail', (test, error) => report(test, 'failed', error));
    runner.on('pending', (test) => report(test, 'skipped'));
    runner.on('end', () => emit({ kind: 'end', ...seen }));
  }
};

/** Return the file of a test; a hook has its suite's. */
function fileOf(test) {
  for (let at = test; at; at = at.parent) if (at.file) return at.file;
  return '';
}

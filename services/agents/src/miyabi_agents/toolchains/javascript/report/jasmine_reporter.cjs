// A reporter for jasmine that writes events to a file.
'use strict';

const { message, open } = require('./events.cjs');

const STATUS = { passed: 'passed', failed: 'failed' };

/** Reporter, as jasmine constructs it. */
module.exports = class Reporter {
  constructor() {
    this.emit = open(process.env.MIYABI_REPORT, 'jasmine');
    this.suites = [];
    this.seen = { tests: 0, failed: 0 };
  }

  suiteStarted(suite) {
    this.suites.push(suite.description);
  }

  suiteDone(suite) {
    if (suite.failedExpectations && suite.failedExpectations.length) this.report([...this.suites, 'afterAll'], 'failed', suite);
    this.suites.pop();
  }

  specDone(spec) {
    this.report([...this.suites, spec.description], STATUS[spec.status] || 'skipped', spec);
  }

  report(path, status, result) {
    this.seen.tests += 1;
    this.seen.failed += status === 'failed' ? 1 : 0;
    const text = (result.failedExpectations || []).slice(0, 3).map((failure) => message(failure.stack || failure.message)).join('\n');
    this.emit({ kind: 'test', file: result.filename || '', path, status, message: text, ms: result.duration || 0 });
    process.stdout.write(`${status} ${path.join(' > ')}\n`);
  }

  jasmineDone(result) {
    for (const failure of result.failedExpectations || []) this.emit({ kind: 'unbuilt', file: failure.filename || '', message: message(failure.stack || failure.message) });
    this.emit({ kind: 'end', ...this.seen });
  }
};

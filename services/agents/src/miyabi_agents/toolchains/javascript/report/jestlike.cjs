// Turns the JSON report of jest, which vitest writes too, into events.
'use strict';

const { message } = require('./events.cjs');

const STATUS = { passed: 'passed', failed: 'failed' };

/** Hand one event a test to *emit*; returns what is wrong with the report as a whole. */
function convert(report, emit) {
  let tests = 0;
  let unbuilt = 0;
  for (const file of report.testResults) {
    const broken = file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed');
    for (const test of file.assertionResults) {
      tests += 1;
      // A hook that fails leaves its tests "skipped": nobody asked for that, so they have no verdict.
      if (broken && test.status !== 'passed') continue;
      emit({ kind: 'test', file: file.name, path: [...test.ancestorTitles.filter(Boolean), test.title], status: STATUS[test.status] || 'skipped', message: (test.failureMessages || []).slice(0, 3).map(message).join('\n'), ms: test.duration || 0 });
    }
    if (broken) {
      unbuilt += 1;
      emit({ kind: 'unbuilt', file: file.name, message: message(file.message || 'it could not be loaded, or a hook of it failed') });
    }
  }
  if (report.wasInterrupted) return 'the runner was interrupted';
  if (tests !== report.numTotalTests) return `the report counts ${report.numTotalTests} tests and lists ${tests}`;
  if (!report.success && !report.numFailedTests && !unbuilt) return 'the runner failed although no test did: an error outside of the tests';
  return '';
}

module.exports = { convert };

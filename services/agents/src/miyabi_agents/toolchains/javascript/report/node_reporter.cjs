// A reporter for node's own test runner that writes events rather than text.
'use strict';

const { message, open } = require('./events.cjs');

/** Consume the runner's events; yields nothing for the terminal but a line a test. */
module.exports = async function* reporter(source) {
  const emit = open(process.env.MIYABI_REPORT, 'node');
  const stacks = new Map();
  const seen = { tests: 0, failed: 0 };
  for await (const { type, data } of source) {
    if (type === 'test:start') start(stacks, data);
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const file = data.file || '';
    const titles = path(stacks, data);
    const suite = data.details && data.details.type === 'suite';
    const error = data.details && data.details.error;
    // In older versions each file is a test of its own, named by its path.
    const whole = data.nesting === 0 && (data.name === file || file.endsWith(`/${data.name}`) || /^\/.*\.[cm]?[jt]sx?$/.test(data.name));
    const own = error && !['subtestsFailed', 'cancelledByParent'].includes(error.failureType);
    if ((suite || whole) && !(type === 'test:fail' && own)) continue;
    if (whole) emit({ kind: 'unbuilt', file: file || data.name, message: message((error && error.cause) || error) });
    else {
      const status = data.skip !== undefined || data.todo !== undefined ? 'skipped' : type === 'test:pass' ? 'passed' : 'failed';
      seen.tests += 1;
      seen.failed += status === 'failed' ? 1 : 0;
      emit({ kind: 'test', file, path: titles, status, message: status === 'failed' ? message((error && error.cause) || error) : '', ms: (data.details && data.details.duration_ms) || 0 });
      yield `${status} ${titles.join(' > ')}\n`;
    }
  }
  emit({ kind: 'end', ...seen });
};

function start(stacks, data) {
  const stack = stacks.get(data.file) || [];
  stack.length = data.nesting;
  stack[data.nesting] = data.name;
  stacks.set(data.file, stack);
}

function path(stacks, data) {
  return [...(stacks.get(data.file) || []).slice(0, data.nesting), data.name];
}

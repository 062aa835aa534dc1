// Writes what a run of tests showed, one JSON object a line, to a file in the folder that MIYABI_REPORT names.
'use strict';

const fs = require('node:fs');
const path = require('node:path');

// Longest message that is kept: the first lines are what a person reads.
const MAX_MESSAGE = 2000;

const write = fs.writeSync.bind(fs);
const stringify = JSON.stringify.bind(JSON);

/** Open a file of events; names are made unique by the process, so that files that run by themselves do not meet. */
function open(folder, name) {
  const file = fs.openSync(path.join(folder, `${name}.${process.pid}.jsonl`), 'a');
  return (event) => {
    write(file, `${stringify(event)}\n`);
  };
}

/** Return an error as text for a person, without colours. */
function message(error) {
  const text = typeof error === 'string' ? error : String((error && (error.stack || error.message)) || error || '');
  // eslint-disable-next-line no-control-regex
  return text.slice(0, 4 * MAX_MESSAGE).replace(/\u001b\[[0-9;]*m/g, '').slice(0, MAX_MESSAGE);
}

module.exports = { message, open };

// Runs a program with V8's own coverage, and writes which parts of some files were executed.
//
//     node measure.cjs PROGRAM ARGUMENTS…
//
// V8 counts by offset in UTF-16 units of the text that it compiled (Chrome DevTools Protocol, "Profiler.ScriptCoverage").
'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { fileURLToPath } = require('node:url');

// Bytes of what one process wrote that are read: many times what scripts of a project need.
const MAX_BYTES = 256 * 1024 * 1024;
const TRANSFORMED = 'transformed: what is run is another text than the file';

const tree = fs.realpathSync(process.env.MIYABI_TREE);
const folder = process.env.MIYABI_V8;
const wanted = new Map(process.env.MIYABI_MEASURED.split('\n').map((name) => [path.join(tree, name), { name, problem: '', seen: null }]));

/** Return the wanted file that a script comes from, and whether its text is the file's as far as its address says. */
function fileOf(url) {
  try {
    const plain = url.startsWith('file://');
    const found = wanted.get(fs.realpathSync(plain ? fileURLToPath(url) : url));
    return found ? { found, plain } : null;
  } catch {
    return null;
  }
}

/** Mark what one process executed of a script: ranges inside others say more of their part. */
function mark(file, script) {
  const text = fs.readFileSync(path.join(tree, file.name), 'utf8').replace(/^\uFEFF/, '');
  const ranges = script.functions.flatMap((one) => one.ranges).sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
  if (!ranges.length || ranges[0].startOffset !== 0 || ranges[0].endOffset !== text.length) {
    file.problem = TRANSFORMED;
    return;
  }
  const here = new Uint8Array(text.length);
  for (const range of ranges) here.fill(range.count > 0 ? 1 : 0, range.startOffset, range.endOffset);
  if (!file.seen) file.seen = here;
  else here.forEach((value, at) => { if (value) file.seen[at] = 1; });
}

/** Take what one process wrote. */
function take(content) {
  const { result, 'source-map-cache': maps = {} } = JSON.parse(content);
  for (const script of result) {
    const { found, plain } = fileOf(script.url) || {};
    if (!found) continue;
    if (!plain || maps[script.url]) found.problem = TRANSFORMED;
    else mark(found, script);
  }
}

/** Return the executed parts, as begins and ends by turns. */
function turns(seen) {
  const found = [];
  for (let at = 0, before = 0; at <= seen.length; at += 1) {
    const now = at < seen.length ? seen[at] : 0;
    if (now !== before) found.push(at);
    before = now;
  }
  return found;
}

const ended = spawnSync(process.execPath, process.argv.slice(2), { stdio: 'inherit', env: { ...process.env, NODE_V8_COVERAGE: folder } });
const names = fs.existsSync(folder) ? fs.readdirSync(folder).filter((name) => name.endsWith('.json')) : [];
let unread = 0;
for (const name of names) {
  const file = path.join(folder, name);
  try {
    if (fs.statSync(file).size > MAX_BYTES) unread += 1;
    else take(fs.readFileSync(file, 'utf8'));
  } catch {
    // A process that was ended while it wrote.
    unread += 1;
  }
}
const files = [...wanted.values()].map(({ name, problem, seen }) => ({ name, problem, parts: seen && !problem ? turns(seen) : [] }));
fs.writeFileSync(path.join(process.env.MIYABI_REPORT, 'coverage.v8.json'), JSON.stringify({ processes: names.length, unread, files }));
process.exit(ended.status === null ? 1 : ended.status);

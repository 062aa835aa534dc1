// Runs a project's tests with the runner's own machine-readable reporter and notes how each process ended.
//
//     node run.cjs '{"runner": "mocha", "node": [], "arguments": [], "files": null, "globs": []}'
'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { open } = require('./events.cjs');
const { folders, matching, program } = require('./files.cjs');
const jestlike = require('./jestlike.cjs');
const tap = require('./tap.cjs');

const asked = JSON.parse(process.argv[2]);
const folder = process.env.MIYABI_REPORT;
const emit = open(folder, 'run');
const here = process.cwd();
const beside = (name) => path.join(__dirname, name);
const NODE_TESTS = /(^|\/)(test\/.*|test|test-[^/]+|[^/]+[._-]test)\.(js|cjs|mjs|ts|cts|mts)$/;
const ANY = /\.(js|cjs|mjs|ts|cts|mts|jsx|tsx)$/;
// Configurations of vitest that are looked into: a workspace has one a package.
const MAX_CONFIGS = 200;
// Longest standard output that is read as TAP.
const MAX_TAP = 32 * 1024 * 1024;

/** Start one process and note how it ended. */
function start(command, rest, { file = '', capture = false, environment = {} } = {}) {
  const options = { cwd: here, env: { ...process.env, ...environment }, maxBuffer: MAX_TAP, stdio: ['ignore', capture ? 'pipe' : 'inherit', 'inherit'] };
  const ended = spawnSync(command, rest, options);
  if (capture && ended.stdout) process.stdout.write(ended.stdout);
  emit({ kind: 'process', file, exit: ended.status, signal: ended.signal || '', error: ended.error ? String(ended.error.code || ended.error.message) : '' });
  return ended;
}

/** Start the runner's program with node. */
function runner(name, command, rest, options) {
  const file = program(here, name, command);
  if (!file) return fail(`${name} is not installed: the environment has no node_modules/${name}`);
  return start(process.execPath, [...asked.node, file, ...rest], options);
}

function fail(problem) {
  emit({ kind: 'problem', problem });
  return { status: 3 };
}

/** Return the variables of vitest: where types are checked, TypeScript must be able to write its build information. */
function typechecking() {
  const configs = matching(here, [], /(^|\/)(vite|vitest)\.[\w.-]+$/);
  const texts = configs.slice(0, MAX_CONFIGS).map((file) => fs.readFileSync(path.join(here, file), 'utf8'));
  if (![...texts, ...asked.arguments].some((text) => text.includes('typecheck'))) return {};
  return { NODE_OPTIONS: `${process.env.NODE_OPTIONS || ''} --require ${JSON.stringify(beside('build_info.cjs'))}`.trim() };
}

/** Run jest or vitest and turn their JSON into events. */
function likeJest(name, rest, environment = {}) {
  const output = path.join(process.env.TMPDIR || '/tmp', `${name}-${process.pid}.json`);
  const ended = runner(name, name, rest(output), { environment });
  let report;
  try {
    report = JSON.parse(fs.readFileSync(output, 'utf8'));
    fs.unlinkSync(output);
  } catch (error) {
    if (ended.status !== 3) fail(`${name} wrote no report: ${error.code || 'it is no JSON'}`);
    return ended;
  }
  const seen = { tests: 0, failed: 0 };
  const problem = jestlike.convert(report, (event) => {
    seen.tests += event.kind === 'test' ? 1 : 0;
    seen.failed += event.status === 'failed' ? 1 : 0;
    emit(event);
  });
  if (problem) emit({ kind: 'problem', problem });
  emit({ kind: 'end', ...seen });
  return ended;
}

/** Read TAP from the standard output of a process; *split* takes the file out of a title. */
function fromTap(ended, { file = '', split = null } = {}) {
  const { points, problem } = tap.parse(String(ended.stdout || ''));
  const seen = { tests: 0, failed: 0 };
  for (const point of points) {
    const [where, titles] = split ? split(point.path) : [file, point.path];
    seen.tests += 1;
    seen.failed += point.status === 'failed' ? 1 : 0;
    emit({ kind: 'test', file: where, path: titles, status: point.status, message: point.message, ms: 0 });
  }
  if (problem) emit({ kind: 'problem', problem });
  emit({ kind: 'end', ...seen });
  return ended;
}

/** Run files one by one, each in a process of its own; returns the worst status. */
function each(files, one) {
  let worst = 0;
  for (const file of files) worst = Math.max(worst, one(file).status ?? 1);
  return { status: worst };
}

/** Return the path of ava's title: `file › title`, where there is more than one file. */
function avaTitle(files) {
  return ([...titles]) => {
    const last = titles[titles.length - 1].split(' \u203a ');
    if (files.length === 1) return [files[0], last];
    const stem = last[0];
    const file = files.find((name) => name.replace(/\.[^./]+$/, '').endsWith(stem)) || files.find((name) => stem && name.includes(stem)) || stem;
    return [file, last.slice(1)];
  };
}

const RUNNERS = {
  jest: (files) => likeJest('jest', (output) => [...asked.arguments, '--json', `--outputFile=${output}`, '--coverage=false', '--ci', '--no-color', ...(files ? ['--runTestsByPath', ...files] : [])]),
  vitest: (files) => likeJest('vitest', (output) => ['run', ...asked.arguments, '--reporter=dot', '--reporter=json', `--outputFile.json=${output}`, '--coverage.enabled=false', ...(files || [])], typechecking()),
  mocha: (files) => runner('mocha', 'mocha', [...asked.arguments, '--reporter', beside('mocha_reporter.cjs'), '--no-color', ...(files || folders(here, asked.globs))]),
  jasmine: (files) => runner('jasmine', 'jasmine', [...asked.arguments, `--reporter=${beside('jasmine_reporter.cjs')}`, '--no-color', ...(files || folders(here, asked.globs))]),
  ava: (files) => {
    const wanted = files || asked.globs;
    const all = files || matching(here, asked.globs, ANY);
    return fromTap(runner('ava', 'ava', [...asked.arguments, '--tap', ...wanted], { capture: true }), { split: avaTitle(all) });
  },
  tape: (files) => each(files || matching(here, asked.globs.length ? asked.globs : ['test'], ANY), (file) => start(process.execPath, [...asked.node, '--require', beside('tape_hook.cjs'), ...asked.arguments, file], { file, environment: { MIYABI_TEST_FILE: file } })),
  node: (files) => start(process.execPath, [...asked.node, '--test', `--test-reporter=${beside('node_reporter.cjs')}`, '--test-reporter-destination=stdout', ...asked.arguments, ...(files || matching(here, asked.globs, asked.globs.length ? ANY : NODE_TESTS))]),
  tap: () => fromTap(start(asked.arguments[0], asked.arguments.slice(1), { capture: true }), { file: '(npm test)' }),
};

emit({ kind: 'start', cwd: here, runner: asked.runner, node: process.versions.node });
const files = asked.files && asked.files.filter((file) => fs.existsSync(path.join(here, file)));
const nothing = asked.files && !files.length;
const ended = nothing ? { status: 0 } : RUNNERS[asked.runner](files);
emit({ kind: 'finish', exit: ended.status === null ? -1 : ended.status, signal: ended.signal || '', nothing: Boolean(nothing) });
process.exitCode = ended.signal ? 128 : ended.status === null ? 1 : ended.status;

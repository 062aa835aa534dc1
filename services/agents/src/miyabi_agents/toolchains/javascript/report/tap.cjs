// Reads TAP (the Test Anything Protocol) as lines: one event a test point of the outermost level.
'use strict';

const POINT = /^(not )?ok\b(?: +(\d+))?(?: +-)? *(.*)$/;
const DIRECTIVE = /(?:^|\s)# *(SKIP|TODO)\b.*$/i;

/** Return the test points, the plan and what is wrong with the whole. */
function parse(text) {
  const points = [];
  let plan = null;
  let bail = '';
  let version = false;
  let group = [];
  for (const line of text.split(/\r?\n/)) {
    const point = POINT.exec(line);
    if (/^TAP version \d+/.test(line)) version = true;
    else if (point) points.push(read(point, group));
    else if (/^1\.\.(\d+)/.test(line)) plan = plan === null ? Number(/^1\.\.(\d+)/.exec(line)[1]) : -1;
    else if (/^Bail out!/.test(line)) bail = line;
    else if (/^# +\S/.test(line)) group = /^# (tests|pass|fail|ok|skip|todo)\b\s*\d*/.test(line) ? group : [line.slice(2).trim()];
    else if (points.length && /^ {2,}\S/.test(line) && points[points.length - 1].message.length < 1500) points[points.length - 1].message += `${line.trim()}\n`;
  }
  return { points, problem: wrong(points, plan, bail, version) };
}

function read(point, group) {
  const directive = DIRECTIVE.exec(point[3]);
  const title = point[3].replace(DIRECTIVE, '').trim();
  const failed = Boolean(point[1]) && !directive;
  return { number: Number(point[2] || 0), path: [...group, title || `test ${point[2]}`], status: directive ? 'skipped' : failed ? 'failed' : 'passed', message: '' };
}

function wrong(points, plan, bail, version) {
  if (bail) return bail.slice(0, 200);
  if (!version && plan === null) return 'it printed no TAP';
  if (plan === null) return 'its TAP has no plan: it did not come to its end';
  if (plan < 0) return 'its TAP has two plans: something else printed TAP too';
  if (plan !== points.length) return `its TAP plans ${plan} tests and has ${points.length}`;
  if (points.some((point, index) => point.number && point.number !== index + 1)) return 'its TAP is not numbered in order: something else printed TAP too';
  return '';
}

module.exports = { parse };

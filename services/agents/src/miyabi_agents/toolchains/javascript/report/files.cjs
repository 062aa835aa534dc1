// Finds test files by globs, and programs of packages, without following links out of the project.
'use strict';

const fs = require('node:fs');
const path = require('node:path');

// Folders that hold no tests of the project.
const SKIPPED = new Set(['node_modules', '.git', 'coverage', '.yarn', '.nyc_output']);
// Most files that are looked at.
const MAX_FILES = 100000;

/** Translate a glob (`**`, `*`, `?`, `{a,b}`, `[ab]`) to an expression that matches a whole relative path. */
function expression(glob) {
  let text = '';
  let depth = 0;
  const source = glob.replace(/^\.\//, '');
  for (let index = 0; index < source.length; index += 1) {
    const rest = source.slice(index);
    const letter = source[index];
    if (rest.startsWith('**/')) { text += '(?:[^/]+/)*'; index += 2; }
    else if (rest.startsWith('**')) { text += '.*'; index += 1; }
    else if (letter === '*') text += '[^/]*';
    else if (letter === '?') text += '[^/]';
    else if (letter === '{') { text += '(?:'; depth += 1; }
    else if (letter === '}' && depth) { text += ')'; depth -= 1; }
    else if (letter === ',' && depth) text += '|';
    else text += letter.replace(/[.+^$()|\\[\]{}]/g, '\\$&');
  }
  return new RegExp(`^${text}${')'.repeat(depth)}$`);
}

/** List regular files below a folder, relative, sorted. */
function walk(root) {
  const found = [];
  const folders = [''];
  while (folders.length && found.length < MAX_FILES) {
    const folder = folders.pop();
    for (const entry of fs.readdirSync(path.join(root, folder), { withFileTypes: true })) {
      const name = folder ? `${folder}/${entry.name}` : entry.name;
      if (entry.isDirectory() && !SKIPPED.has(entry.name)) folders.push(name);
      else if (entry.isFile()) found.push(name);
    }
  }
  return found.sort();
}

/** Return the files that any of the globs matches; a folder stands for its files, a plain name for itself. */
function matching(root, globs, pattern) {
  const all = walk(root);
  const wanted = globs.filter((glob) => !glob.startsWith('!')).map((glob) => glob.replace(/^\.\//, '').replace(/\/$/, ''));
  const refused = globs.filter((glob) => glob.startsWith('!')).map((glob) => expression(glob.slice(1)));
  const test = (file) => wanted.some((glob) => expression(glob).test(file) || (file.startsWith(`${glob}/`) && pattern.test(file)));
  return all.filter((file) => (wanted.length ? test(file) : pattern.test(file)) && !refused.some((glob) => glob.test(file)));
}

/** Put folders in the place of globs that mean folders, as a shell does before the runner sees them. */
function folders(root, globs) {
  if (!globs.some((glob) => glob.includes('*'))) return globs;
  const all = new Set(walk(root).flatMap((file) => file.split('/').slice(0, -1).map((_, index, parts) => parts.slice(0, index + 1).join('/'))));
  return globs.flatMap((glob) => {
    const found = glob.includes('*') ? [...all].filter((folder) => expression(glob.replace(/\/$/, '')).test(folder)) : [];
    return found.length ? found.sort() : [glob];
  });
}

/** Return the program of a package that is installed beside or above a folder. */
function program(folder, name, command) {
  for (let at = folder; ; at = path.dirname(at)) {
    const root = path.join(at, 'node_modules', name);
    if (fs.existsSync(path.join(root, 'package.json'))) {
      const bin = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')).bin;
      const file = typeof bin === 'string' ? bin : bin && (bin[command] || bin[name] || Object.values(bin)[0]);
      if (file) return path.join(root, file);
    }
    if (path.dirname(at) === at) return null;
  }
}

module.exports = { folders, matching, program };

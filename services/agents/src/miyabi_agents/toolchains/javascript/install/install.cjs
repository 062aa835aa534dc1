// Runs a package manager in a project's folder, with what is not to be installed taken out of its manifest meanwhile.
//
//     node install.cjs '{"command": [...], "keep": null | ["name"], "yarn": false, "npm": ["node", "npm-cli.js"]}'
'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');

const asked = JSON.parse(process.argv[2]);
const saved = new Map();
// Packages that could not be had, and how often it is tried without another one.
const gone = new Set();
const TRIES = 6;

/** Rewrite a file until the command ended. */
function rewrite(file, change) {
  if (!fs.existsSync(file) || !fs.lstatSync(file).isFile()) return;
  const before = fs.readFileSync(file, 'utf8');
  saved.set(file, before);
  fs.writeFileSync(file, change(before));
}

/** Leave those development dependencies that are named; what yarn calls a link is a folder for npm. */
function lean(text) {
  const manifest = JSON.parse(text);
  const keep = new Set(asked.keep);
  for (const table of ['dependencies', 'devDependencies', 'optionalDependencies']) {
    for (const [name, wanted] of Object.entries(manifest[table] || {})) {
      if (gone.has(name) || (table === 'devDependencies' && !keep.has(name)) || (!asked.yarn && wanted === 'link:.')) delete manifest[table][name];
      else if (!asked.yarn && wanted.startsWith('link:')) manifest[table][name] = wanted.replace('link:', 'file:');
    }
  }
  return JSON.stringify(manifest, null, 2);
}

/** Return the packages of the manifest that an installer says it cannot get. */
function refused(output) {
  const manifest = JSON.parse(saved.get('package.json'));
  const names = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
  const errors = output.split('\n').filter((line) => /\b404\b|not found|no matching version|no versions available|candidates found|ls-remote|unsupported url|YN0035|ERR_PNPM/i.test(line)).join('\n');
  const escaped = (name) => name.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
  return names.filter((name) => !gone.has(name) && new RegExp(`(^|[^\\w@/.-])${escaped(name)}(@|[^\\w/.-]|$)`, 'm').test(errors));
}

/** Return the registry that npm is configured with. */
function registry() {
  const asking = spawnSync(asked.npm[0], [...asked.npm.slice(1), 'config', 'get', 'registry'], { encoding: 'utf8' });
  return String(asking.stdout || '').trim().replace(/\/$/, '');
}

/** Run the installer; where only what tests need is wanted, again without what cannot be had. */
function install() {
  for (let tries = 0; ; tries += 1) {
    const ended = spawnSync(asked.command[0], asked.command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], env: environment, encoding: 'utf8', maxBuffer: 1 << 26 });
    const output = `${ended.stdout || ''}${ended.stderr || ''}${ended.error ? ended.error.message : ''}\n`;
    process.stdout.write(output);
    const missing = ended.status !== 0 && asked.keep && tries < TRIES ? refused(output) : [];
    if (!missing.length) return ended.status === null ? 1 : ended.status;
    for (const name of missing) {
      gone.add(name);
      process.stdout.write(`left out, since it cannot be had: ${name}\n`);
    }
    fs.writeFileSync('package.json', lean(saved.get('package.json')));
  }
}

const environment = { ...process.env };
try {
  if (asked.keep) rewrite('package.json', lean);
  if (asked.yarn) {
    const address = registry();
    if (/^https?:\/\/\S+$/.test(address)) {
      environment.YARN_NPM_REGISTRY_SERVER = address;
      environment.YARN_REGISTRY = address;
      environment.npm_config_registry = address;
      // The first version of yarn writes whole addresses into its lock file.
      rewrite('yarn.lock', (text) => text.replace(/^( {2}resolved ")https:\/\/[^/"\s]+(\/(?:@[^/"\s]+\/)?[^/"\s]+\/-\/)/gm, `$1${address}$2`));
    }
  }
  process.exitCode = install();
} finally {
  for (const [file, text] of saved) fs.writeFileSync(file, text);
}

// Runs a package manager in a project's folder, with what is not to be installed taken out of its manifest meanwhile.
//
//     node install.cjs '{"command": [...], "keep": null | ["name"], "yarn": false, "npm": ["node", "npm-cli.js"]}'
'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');

const asked = JSON.parse(process.argv[2]);
const saved = new Map();

/** Rewrite a file until the command ended. */
function rewrite(file, change) {
  if (!fs.existsSync(file) || !fs.lstatSync(file).isFile()) return;
  const before = fs.readFileSync(file, 'utf8');
  saved.set(file, before);
  fs.writeFileSync(file, change(before));
}

/** Leave those development dependencies that are named; drop optional ones and workspaces' links stay. */
function lean(text) {
  const manifest = JSON.parse(text);
  const keep = new Set(asked.keep);
  for (const name of Object.keys(manifest.devDependencies || {})) {
    if (!keep.has(name)) {
      process.stdout.write(`left out: ${name} ${manifest.devDependencies[name]}\n`);
      delete manifest.devDependencies[name];
    }
  }
  return JSON.stringify(manifest, null, 2);
}

/** Return the registry that npm is configured with. */
function registry() {
  const asking = spawnSync(asked.npm[0], [...asked.npm.slice(1), 'config', 'get', 'registry'], { encoding: 'utf8' });
  return String(asking.stdout || '').trim().replace(/\/$/, '');
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
  const ended = spawnSync(asked.command[0], asked.command.slice(1), { stdio: ['ignore', 'inherit', 'inherit'], env: environment });
  process.exitCode = ended.status === null ? 1 : ended.status;
  if (ended.error) process.stdout.write(`${ended.error.message}\n`);
} finally {
  for (const [file, text] of saved) fs.writeFileSync(file, text);
}

// Loaded into a runner and what it starts: TypeScript's build information, which vitest wants to keep inside its own
// package, goes to the private folder for temporary files where installed packages are read-only.
'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const READ_ONLY = new Set(['EROFS', 'EACCES', 'EPERM']);

for (const name of ['openSync', 'writeFileSync']) {
  const real = fs[name];
  fs[name] = (file, ...rest) => {
    try {
      return real(file, ...rest);
    } catch (error) {
      if (typeof file !== 'string' || !file.endsWith('.tsbuildinfo') || !READ_ONLY.has(error.code)) throw error;
      return real(path.join(os.tmpdir(), path.basename(file)), ...rest);
    }
  };
}

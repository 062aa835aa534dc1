"""JavaScript and TypeScript: npm, pnpm and yarn; vitest, jest, mocha, ava, tape, jasmine and node's own runner."""

from __future__ import annotations

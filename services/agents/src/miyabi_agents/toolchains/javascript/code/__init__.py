"""What files of JavaScript and TypeScript say: imports, tests, names, and which tests a change needs."""

from __future__ import annotations

"""Rust: cargo workspaces, test binaries and doc tests."""

from __future__ import annotations

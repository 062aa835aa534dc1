"""Proves the system on a real cluster: `make test-k8s`."""

from __future__ import annotations

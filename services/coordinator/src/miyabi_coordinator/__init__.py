"""Accepts batches, decides, leases tasks, keeps the durable truth, streams events."""

from __future__ import annotations

"""Turns messages into the domain's values and back; the only place that knows both."""

from __future__ import annotations

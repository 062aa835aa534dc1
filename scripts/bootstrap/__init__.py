"""The set-up: everything that is needed, installed into the checkout."""

from __future__ import annotations

"""What would help, by a catalogue of settings: each entry with its evidence and its expected gain, or silence."""

from __future__ import annotations

from miyabi_dashboard.monitor.recommending.catalogue import Entry, read_catalogue
from miyabi_dashboard.monitor.recommending.facts import facts_of
from miyabi_dashboard.monitor.recommending.recommending import recommended

__all__ = ["Entry", "facts_of", "read_catalogue", "recommended"]

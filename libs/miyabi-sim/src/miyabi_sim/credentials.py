"""Notes which credentials were shown, never the credentials themselves."""

from __future__ import annotations

import hashlib
from collections import Counter

#: Hexadecimal digits of a digest: enough to tell a few secrets apart, too few to be of use to anybody.
DIGITS = 12


class SeenCredentials:
    """Counts uses of each credential by the first digits of its SHA-256."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def note(self, credential: str | None) -> None:
        """Count a use; none where there is no credential."""
        if credential:
            self.counts[hashlib.sha256(credential.encode()).hexdigest()[:DIGITS]] += 1

"""Notes which credentials were shown, never the credentials themselves."""

from __future__ import annotations

import hashlib
from collections import Counter

#: Hexadecimal digits of a digest: enough to tell a few secrets apart, too few to be of use to anybody.
DIGITS = 12


def digest_of(credential: str) -> str:
    """Return the first digits of a credential's SHA-256."""
    return hashlib.sha256(credential.encode()).hexdigest()[:DIGITS]


class SeenCredentials:
    """Counts uses of each credential by its digest."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def note(self, credential: str | None) -> None:
        """Count a use; none where there is no credential."""
        if credential:
            self.counts[digest_of(credential)] += 1

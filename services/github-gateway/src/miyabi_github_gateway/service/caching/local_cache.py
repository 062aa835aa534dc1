"""The process's own cache: bounded by entries and by bytes at once, what was not used for longest goes first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cachetools import LRUCache

from miyabi_github_gateway.models import Entry, Issue, Value
from miyabi_github_gateway.service.caching.metrics import BYTES, ENTRIES, EVICTIONS

#: What an entry takes beside its texts: objects, key, place in the order.
OVERHEAD_BYTES = 1500
#: What a comment takes beside its text, and what an event takes.
COMMENT_BYTES, EVENT_BYTES = 600, 400


class LocalCache:
    """A least-recently-used cache.

    An entry counts at least `max_bytes / max_entries`, so that one number bounds both.

    Args:
        max_bytes: Most bytes in all.
        max_entries: Most entries.
    """

    def __init__(self, *, max_bytes: int, max_entries: int) -> None:
        self._least = max(1, max_bytes // max_entries)
        self._max_bytes = max_bytes
        self._entries = self._empty()

    def _empty(self) -> _Counted:
        """Return an empty cache."""
        return _Counted(self._max_bytes, getsizeof=lambda entry: max(self._least, weight(entry.value)))

    def get(self, key: str) -> Entry | None:
        """Return an entry, which thereby counts as used."""
        return self._entries.get(key)

    def put(self, key: str, entry: Entry) -> None:
        """Keep an entry; one that is larger than the whole cache is not kept."""
        self.put_many({key: entry})

    def put_many(self, entries: Mapping[str, Entry]) -> None:
        """Keep entries; see `put`."""
        for key, entry in entries.items():
            try:
                self._entries[key] = entry
            except ValueError:
                self._entries.pop(key, None)
        self._show()

    def drop(self, keys: Iterable[str]) -> None:
        """Forget some."""
        for key in keys:
            self._entries.pop(key, None)
        self._show()

    def drop_repository(self, repository: str) -> None:
        """Forget everything of a repository."""
        part = f":{repository.casefold()}:"
        self.drop([key for key in self._entries if part in key])

    def clear(self) -> None:
        """Forget everything."""
        self._entries = self._empty()
        self._show()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size_bytes(self) -> int:
        """Bytes that the entries count."""
        return int(self._entries.currsize)

    def _show(self) -> None:
        """Show the sizes."""
        ENTRIES.set(len(self._entries))
        BYTES.set(self._entries.currsize)


class _Counted(LRUCache[str, Entry]):
    """Counts what makes room."""

    def popitem(self) -> tuple[str, Entry]:
        """Remove what was not used for longest."""
        EVICTIONS.inc()
        return super().popitem()


def weight(value: Value) -> int:
    """Return about how many bytes a value takes."""
    if not isinstance(value, Issue):
        return OVERHEAD_BYTES + len(getattr(value, "body", ""))
    comments = sum(COMMENT_BYTES + len(comment.body) for comment in value.comments)
    return OVERHEAD_BYTES + len(value.title) + len(value.body) + comments + EVENT_BYTES * len(value.timeline)

"""Orders files of tests by how near they are to what is touched: where time ends early, the nearest have been run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def nearest(distance: Mapping[str, int], touched: Sequence[str]) -> list[str]:
    """Return files of tests, the nearest first.

    Of those that are equally far, those that share more of their folders with a touched file come first, so that the
    tests of another package of the repository come last.

    Args:
        distance: Steps of imports by file of tests; 0: named after what is touched.
        touched: Paths that a change touches.
    """
    folders = [path.split("/")[:-1] for path in touched]
    return sorted(distance, key=lambda path: (distance[path], -_shared(path, folders), path))


def _shared(path: str, folders: Sequence[Sequence[str]]) -> int:
    """Return how many leading folders a path shares with the one that is most like it."""
    own = path.split("/")[:-1]
    best = 0
    for folder in folders:
        same = 0
        for mine, theirs in zip(own, folder, strict=False):
            if mine != theirs:
                break
            same += 1
        best = max(best, same)
    return best

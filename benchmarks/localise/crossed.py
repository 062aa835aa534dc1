"""Cross-validation by repository: each is judged by weights that were chosen on the others alone.

The weights that may be chosen are those in use and each of them halved or doubled, by the mean reciprocal rank of the
first touched file. Where the choice for a repository differs much from the weights in use, these fit the issues rather
than the task.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from miyabi_agents.localisation.index import CodeIndex
from miyabi_agents.localisation.ranking.signals import WEIGHTS, Weights

#: By how much a weight may differ from that in use.
FACTORS = (0.5, 2.0)


@dataclass(frozen=True)
class Judged:
    """The ranks of one issue by each choice of weights, in the order of `choices`.

    Args:
        repository: Of the issue.
        ranks: From 0; as many as the depth where no touched file is among the first.
    """

    repository: str
    ranks: tuple[int, ...]


def choices() -> Iterator[Weights]:
    """Yield the weights in use, then each of them halved and doubled."""
    yield WEIGHTS
    for field in fields(WEIGHTS):
        for factor in FACTORS:
            yield replace(WEIGHTS, **{field.name: factor * getattr(WEIGHTS, field.name)})


def judge(repository: str, index: CodeIndex, text: str, touched: frozenset[str], *, depth: int) -> Judged:
    """Rank one issue by each choice."""
    ranks = []
    for weights in choices():
        found = [candidate.path for candidate in index.rank(text, limit=depth, weights=weights)]
        ranks.append(next((place for place, path in enumerate(found) if path in touched), depth))
    return Judged(repository, tuple(ranks))


def held_out(judged: Sequence[Judged], *, depth: int) -> list[int]:
    """Return the rank of each issue by what is best on the issues of all other repositories."""
    chosen: Mapping[str, int] = {
        repository: _best([one for one in judged if one.repository != repository], depth)
        for repository in {one.repository for one in judged}
    }
    return [one.ranks[chosen[one.repository]] for one in judged]


def _best(judged: Sequence[Judged], depth: int) -> int:
    """Return the choice with the highest mean reciprocal rank; those in use where others are no better."""
    if not judged:
        return 0
    gains = [
        sum(1 / (1 + one.ranks[number]) for one in judged if one.ranks[number] < depth)
        for number in range(len(judged[0].ranks))
    ]
    return max(range(len(gains)), key=lambda number: (gains[number], -number))

"""Which issues of a batch ask for the same as another one: few are missed, and none is taken for one that is not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

from miyabi_coordinator.decide.likeness import Likeness, likeness_of
from miyabi_coordinator.models import IssueFacts

#: A run of words in more issues than this is the project's template or boilerplate, and tells nothing.
MOST_SHARING = 10
#: Runs of words that two issues share at least: a short quotation or a few lines of imports have fewer in common.
LEAST_SHARED = 20
#: Share of the shorter issue's runs that both have at least.
LEAST_SHARE = 0.4
#: Share of the shorter issue's runs from which on two texts are one text with parts exchanged.
SAME_TEXT = 0.8
#: Things that a title names, so that an equal title says something by itself.
LEAST_NAMED = 3
#: Runs of words below which a body says hardly more than its title.
SHORT_BODY = 8


def duplicates_of(issues: Sequence[IssueFacts], *, tied: Collection[int] = ()) -> dict[int, int]:
    """Return for each issue that asks for the same as another one which that is; that one is itself no duplicate.

    Two issues are the same where they show the same error from the same calls; or where most of the shorter one's text
    is in the other; or where their titles name the same and a text has nothing more to say. They are not where each
    title names something that the other issue nowhere mentions and they share text: so are issues that were written
    from one template for one part after the other. Different texts that show one error are, whatever their titles name.

    Args:
        issues: Those of a batch.
        tied: Issues that wait for others or that others wait for: never a duplicate, since that would change the order.

    Returns:
        By the number of the duplicate, the number of the issue that is worked on: a tied one, or the oldest.
    """
    texts = [likeness_of(issue.number, issue.title, issue.body) for issue in issues]
    texts.sort(key=lambda text: (text.number not in tied, text.number))
    telling = _telling(texts)
    known = _Known()
    found: dict[int, int] = {}
    for text in texts:
        runs = text.runs & telling
        original = None if text.number in tied else known.same_as(text, runs)
        if original is None:
            known.add(text, runs)
        else:
            found[text.number] = original
    return dict(sorted(found.items()))


def _telling(texts: Sequence[Likeness]) -> frozenset[int]:
    """Return the runs of words that tell issues apart."""
    counted = Counter(run for text in texts for run in text.runs)
    return frozenset(run for run, count in counted.items() if count <= MOST_SHARING)


class _Known:
    """The issues that are worked on, found by what they share with another."""

    def __init__(self) -> None:
        self._texts: dict[int, tuple[Likeness, frozenset[int]]] = {}
        self._by_run: defaultdict[int, list[int]] = defaultdict(list)
        self._by_error: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        self._by_name: defaultdict[frozenset[str], list[int]] = defaultdict(list)

    def add(self, text: Likeness, runs: frozenset[int]) -> None:
        """Take one that is worked on."""
        self._texts[text.number] = (text, runs)
        for run in runs:
            self._by_run[run].append(text.number)
        for error in text.errors:
            self._by_error[error].append(text.number)
        self._by_name[text.named].append(text.number)

    def same_as(self, text: Likeness, runs: frozenset[int]) -> int | None:
        """Return the one that asks for the same, the likest first; None where there is none."""
        shared = Counter(number for run in runs for number in self._by_run.get(run, ()))
        for number, count in sorted(shared.items(), key=lambda entry: (-entry[1], entry[0])):
            other, its_runs = self._texts[number]
            enough = count >= LEAST_SHARED and count >= LEAST_SHARE * min(len(runs), len(its_runs))
            if enough and not _about_different(text, other):
                return number
        if len(text.named) >= LEAST_NAMED:
            for number in self._by_name.get(text.named, ()):
                other, _ = self._texts[number]
                if min(len(text.runs), len(other.runs)) <= SHORT_BODY or text.runs == other.runs:
                    return number
        by_error = (number for error in sorted(text.errors) for number in self._by_error.get(error, ()))
        return next((number for number in by_error if not self._from_one_template(text, number)), None)

    def _from_one_template(self, text: Likeness, number: int) -> bool:
        """Tell whether issues about different things are written in the same words."""
        other, _ = self._texts[number]
        return _are_one_text(text, other) and _about_different(text, other)


def _about_different(one: Likeness, other: Likeness) -> bool:
    """Tell whether each title names something that the other issue nowhere mentions.

    Where the texts are one text, that the other title does not name it is enough on one side: a text that many issues
    share mentions something of each.
    """
    mine, its = one.named - other.words, other.named - one.words
    if _are_one_text(one, other):
        return bool((mine and other.title - one.title) or (its and one.title - other.title))
    return bool(mine and its)


def _are_one_text(one: Likeness, other: Likeness) -> bool:
    """Tell whether hardly more than single words of two texts differ."""
    return len(one.runs & other.runs) >= SAME_TEXT * max(len(one.runs), len(other.runs), 1)

"""Which issues of a batch ask for the same as another one: by their texts alone, or once a model has read both."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

from miyabi_coordinator.decide.likeness import Likeness, likeness_of
from miyabi_coordinator.models import IssueFacts, Judgement, Run, Suspect
from miyabi_core.text import exact, shortened

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
#: Runs, and their share of the shorter issue's, from which on a model is asked: two paragraphs that somebody retold.
LEAST_ALIKE = 5
LEAST_ALIKE_SHARE = 0.15
#: Share of what each title names that the other issue mentions, from which on a model is asked.
LEAST_MENTIONED = 0.6
#: A word in more titles than this says what the project is about.
MOST_NAMING = 50
#: Issues that a model compares one issue with at most: each is a call.
MOST_SUSPECTS = 2
#: Characters of a quotation in the sentence on a duplicate.
MOST_QUOTED = 200


def duplicates_of(issues: Sequence[IssueFacts], *, tied: Collection[int] = ()) -> dict[int, int]:
    """Return for each issue whose text alone says that it asks for the same as another one which that is.

    That one is itself no duplicate. Arguments are those of `suspects_of`.
    """
    found = suspects_of(issues, tied=tied)
    return {number: suspects[0].issue for number, suspects in found.items() if suspects[0].sure}


def suspects_of(
    issues: Sequence[IssueFacts], *, tied: Collection[int] = (), ours: Sequence[IssueFacts] = ()
) -> dict[int, tuple[Suspect, ...]]:
    """Return for each issue what it may be a duplicate of: one of which the text is sure, else those that are like it.

    Of two issues like one another the newer one is suspected, so there is no circle.

    Two issues are the same where they show the same error from the same calls; or where most of the shorter one's text
    is in the other; or where their titles name the same and a text has nothing more to say. They are not where each
    title names something that the other issue nowhere mentions and they share text: so are issues that were written
    from one template for one part after the other. Different texts that show one error are, whatever their titles name.

    Args:
        issues: Those of a batch.
        tied: Those that wait for others or that others wait for: never a duplicate, since that would change the order.
        ours: Issues that open pull requests of ours are for, with the page of the pull request; none of the batch.

    Returns:
        By number, likest first, at most `MOST_SUSPECTS`: issues with a pull request, tied ones, older ones.
    """
    fixed = {issue.number for issue in ours}.union(tied)
    texts = [likeness_of(issue.number, issue.title, issue.body) for issue in (*ours, *issues)]
    texts.sort(key=lambda text: (text.number not in fixed, text.number))
    telling = _telling(texts)
    known = _Known()
    found: dict[int, tuple[Suspect, ...]] = {}
    for text in texts:
        runs = text.runs & telling
        original = None if text.number in fixed else known.same_as(text, runs)
        if original is not None:
            found[text.number] = (Suspect(original, sure=True),)
            continue
        if text.number not in fixed and (like := known.like(text, runs)):
            found[text.number] = tuple(map(Suspect, like))
        known.add(text, runs)
    pages = {issue.number: (issue.url, False) for issue in issues} | {pull.number: (pull.url, True) for pull in ours}
    return {
        number: tuple(Suspect(one.issue, *pages[one.issue], one.sure) for one in found[number])
        for number in sorted(found)
    }


def original_of(run: Run, judged: Sequence[Judgement]) -> Suspect | None:
    """Return what a run is a duplicate of once its triage has ended: what a model confirmed, or nobody refused.

    Args:
        run: With its suspects.
        judged: What a model found; a suspect that is none of them was not judged, so that its text alone decides.
    """
    by_issue = {entry.issue: entry.confirmed for entry in judged}
    return next((suspect for suspect in run.suspects if by_issue.get(suspect.issue, suspect.sure)), None)


def sentence(suspect: Suspect, judged: Sequence[Judgement]) -> str:
    """Return why an issue is not worked on: the link, and what shows it where a model was asked."""
    what = f"#{suspect.issue}, which has an open pull request" if suspect.pull_request else f"#{suspect.issue}"
    quote = next((entry.quote for entry in judged if entry.issue == suspect.issue and entry.confirmed), "")
    shows = f" (a model compared both: “{shortened(exact(quote), MOST_QUOTED)}”)" if quote else ""
    return f"Asks for the same as {what}: {suspect.url}{shows}"


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
        self._by_word: defaultdict[str, list[int]] = defaultdict(list)

    def add(self, text: Likeness, runs: frozenset[int]) -> None:
        """Take one that is worked on."""
        self._texts[text.number] = (text, runs)
        for run in runs:
            self._by_run[run].append(text.number)
        for error in text.errors:
            self._by_error[error].append(text.number)
        self._by_name[text.named].append(text.number)
        for word in text.named:
            self._by_word[word].append(text.number)

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

    def like(self, text: Likeness, runs: frozenset[int]) -> tuple[int, ...]:
        """Return those that may ask for the same, the likest first: they share runs, or mention what the other names.

        Issues that were written from one template are not among them, nor are those that say nothing but their titles.
        """
        shared = Counter(number for run in runs for number in self._by_run.get(run, ()))
        naming = (self._by_word.get(word, ()) for word in text.named)
        shared.update({number: 0 for numbers in naming if len(numbers) <= MOST_NAMING for number in numbers})
        found = []
        for number, count in shared.items():
            other, its_runs = self._texts[number]
            least = min(len(runs), len(its_runs))
            alike = count >= LEAST_ALIKE and count >= LEAST_ALIKE_SHARE * least
            if (alike or _mention_each_other(text, other)) and not self._from_one_template(text, number):
                found.append((-count, number))
        return tuple(number for _, number in sorted(found)[:MOST_SUSPECTS])

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


def _mention_each_other(one: Likeness, other: Likeness) -> bool:
    """Tell whether each issue mentions most of what the other's title names, and says more than its title."""
    if min(len(one.named), len(other.named)) < LEAST_NAMED or min(len(one.runs), len(other.runs)) <= SHORT_BODY:
        return False
    return all(
        len(mine.named & its.words) >= LEAST_MENTIONED * len(mine.named) for mine, its in ((one, other), (other, one))
    )

"""Issues that are planted into batches: others' reports of the same thing, and reports that only look alike."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from miyabi_coordinator.models import IssueFacts

#: What another person says instead. Names of things stay what they are: who reports the same thing names it too.
OTHER_WORDS = {
    "crash": "fail", "crashes": "breaks", "fails": "does not work", "failing": "broken", "wrong": "incorrect",
    "incorrect": "wrong", "incorrectly": "wrongly", "raises": "throws", "raise": "throw", "error": "problem",
    "bug": "issue", "does": "will", "cannot": "can not", "when": "whenever", "after": "once", "should": "must",
    "returns": "gives", "return": "give", "using": "with", "use": "call", "get": "receive", "fix": "correct",
    "allow": "support", "support": "allow", "add": "provide", "make": "have", "doesn't": "does not",
    "expected": "wanted", "currently": "now", "example": "sample", "because": "since", "want": "need",
    "however": "but", "possible": "feasible", "seems": "appears", "following": "next", "instead": "rather",
    "code": "script", "output": "result", "change": "edit", "remove": "delete", "show": "display",
}  # fmt: skip
#: What a second reporter adds of their own.
NOISE = (
    "Same here, this has bitten our team twice this week and we had to pin the older release for now.",
    "Environment: Ubuntu 22.04 in a container, nothing exotic, the virtual environment was made from scratch today.",
    "I looked through the open tickets and found nothing, so please excuse me if somebody has reported this before.",
    "Happy to test a patch, our nightly pipeline would show within a day whether it helps at our scale.",
    "A colleague on macOS sees exactly the same thing, so it has nothing to do with the operating system.",
)
_WORD = re.compile(r"[A-Za-z']+")
_CALL = re.compile(r'File "[^"\n]+", line \d+, in ')
_LINE = re.compile(r"line (\d+)")
_HOME = re.compile(r'File "(?:/[^"/\n]+)*/(?=[^"/\n]+/[^"/\n]+")')

#: Makes another person's report: title and body.
Report = Callable[[random.Random, str, str], tuple[str, str]]


def retitled(dice: random.Random, title: str, body: str) -> tuple[str, str]:
    """The same text under another title, with a sentence of its own."""
    return _title(dice, title), f"{dice.choice(NOISE)}\n\n{body}"


def shortened(dice: random.Random, title: str, body: str) -> tuple[str, str]:
    """Two thirds of the text, between sentences of its own."""
    parts = [part for part in re.split(r"\n\s*\n", body) if part.strip()]
    kept = parts if len(parts) == 1 else _most(dice, parts)
    first, second = dice.sample(NOISE, 2)
    return _title(dice, title), "\n\n".join([first, *kept, second])


def reworded(dice: random.Random, title: str, body: str) -> tuple[str, str]:
    """The same said in other words; code is copied as it is."""
    pieces = re.split(r"(```.*?```)", body, flags=re.DOTALL)
    told = "".join(piece if piece.startswith("```") else _other_words(dice, piece, 0.5) for piece in pieces)
    return _title(dice, title), f"{told}\n\n{dice.choice(NOISE)}"


def traced(dice: random.Random, title: str, body: str) -> tuple[str, str]:
    """Another text about the same error: its trace from another machine and another release, and nothing else."""
    at = body.index("Traceback (most recent call last)")
    trace = body[at:].split("```", maxsplit=1)[0]
    moved = _LINE.sub(lambda found: f"line {int(found[1]) + dice.randint(1, 9)}", trace)
    moved = _HOME.sub('File "/srv/app/lib/', moved)
    first, second = dice.sample(NOISE, 2)
    return _title(dice, title), f"{first}\n\n```\n{moved}\n```\n{second}"


def retold(dice: random.Random, title: str, body: str) -> tuple[str, str]:
    """A third of the paragraphs in other words, between sentences of its own: too little to be sure without a model."""
    parts = [part for part in re.split(r"\n\s*\n", body) if part.strip()]
    kept = sorted(dice.sample(range(len(parts)), max(1, len(parts) // 3)))
    first, second = dice.sample(NOISE, 2)
    told = "\n\n".join(_other_words(dice, parts[index], 0.9) for index in kept)
    return _title(dice, title), f"{first}\n\n{told}\n\n{second}"


#: By what each is called.
REPORTS: dict[str, Report] = {"retitled": retitled, "shortened": shortened, "reworded": reworded, "traced": traced}


def fits(name: str, issue: IssueFacts) -> bool:
    """Tell whether an issue can be reported that way: it has a trace with calls, or enough text to cut."""
    if name == "traced":
        return len(_CALL.findall(issue.body)) > 1 and "Traceback (most recent call last)" in issue.body
    return len(issue.body) > 300


def templated(issue: IssueFacts, parts: Sequence[str]) -> list[IssueFacts]:
    """Return issues written from one text for one part after the other: each is work of its own."""
    return [
        IssueFacts(10_000 + index, f"{part}: {issue.title}", "", f"{issue.body}\n\nThis one is about {part}.")
        for index, part in enumerate(parts)
    ]


def _most(dice: random.Random, parts: list[str]) -> list[str]:
    """Return parts in their order, those that make up two thirds of the text at least."""
    kept = list(range(len(parts)))
    whole = sum(map(len, parts))
    for index in dice.sample(kept, len(kept)):
        if sum(len(parts[other]) for other in kept if other != index) * 3 >= whole * 2:
            kept.remove(index)
    return [parts[index] for index in kept]


def _title(dice: random.Random, title: str) -> str:
    """Return a title in other words, with or without what trackers put before it."""
    return dice.choice(("", "[Bug]: ", "Bug: ", "")) + _other_words(dice, title, 0.8)


def _other_words(dice: random.Random, text: str, share: float) -> str:
    """Return a text with a share of the words that have another one exchanged."""

    def other(found: re.Match[str]) -> str:
        word = OTHER_WORDS.get(found[0].lower())
        return word if word and dice.random() < share else found[0]

    return _WORD.sub(other, text)

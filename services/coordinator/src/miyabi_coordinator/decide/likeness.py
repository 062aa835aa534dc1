"""What of an issue's text is compared with that of others: what it names, its runs of words, the errors it shows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from miyabi_coordinator.models.value import Value

#: Characters of a body that are compared: more are logs, which tell nothing that their first pages do not.
MOST_CHARACTERS = 20_000
#: Words of a run that is compared. Five rarely meet by chance; three do in every second pair of issues of a project.
RUN_WORDS = 5
#: Innermost calls of an error that must be the same: one is too often that of a common library function.
FRAMES = 2

#: A word of a language with spaces, or one character of one without.
_WORD = re.compile(r"[^\W\u3040-\u30ff\u3400-\u9fff]+|[\u3040-\u30ff\u3400-\u9fff]")
#: What a template brings along: its comments, headings, boxes, answers that are none.
_TEMPLATE = re.compile(
    r"<!--(?s:.*?)-->|^[ \t]*#{1,6} .*$|^[ \t]*[-*] \[[ xX]\].*$|^[ \t]*_No response_[ \t]*$", re.MULTILINE
)
_HEADING = re.compile(r"^\s*\[[^\]]{1,20}\]:?\s*")
_PYTHON_FRAME = re.compile(r'^\s*File "[^"\n]+", line \d+, in (\S+)')
#: Calls with the line of code that Python shows below each.
_CALLS = re.compile(
    r'^[ \t]*File "[^"\n]+", line \d+, in \S+\n(?:[ \t]+(?!File ).*\n)?|^[ \t]*at [^(\n]+\(.*$', re.MULTILINE
)
_OTHER_FRAME = re.compile(r"^\s*at (?:async )?([\w$.<>]+) ?\(")
_ERROR = re.compile(
    r"^\s*(?:Uncaught |Caused by: )?((?:[\w.]*(?:Error|Exception|Panic)|panic): ?\S.*)$|^\s*Exception Value: (\S.*)$"
)
#: What ends Python's calls, whatever the error is called.
_END = re.compile(r"^([A-Za-z_][\w.]*: ?\S.*)$")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")
#: Words that say how somebody asks, or that something is wrong, but not what it is about.
_SAYS_NOTHING = """
a an the this that these those it its is are was were be been being am do does did done doing has have had having
not no nor never cannot can cant could will wont would should shall may might must dont doesnt didnt isnt wasnt
and or but if then else when while where why how what which who whose whenever once after before during until since
of in on at to from by for with without within into onto as than so such via per using use used uses user users
i we you they he she my our your their me us them there here also only just even still again already always now
some any all each every both other another same more most less least very too much many few several one two first
bug bugs issue issues problem problems error errors fail fails failed failing failure failures broken break breaks
breaking crash crashes crashed crashing wrong wrongly incorrect incorrectly invalid bad badly unexpected
unexpectedly correct correctly properly work works working worked raise raises raised raising throw throws thrown
throwing get gets got give gives given giving make makes made making need needs needed want wants allow allows
fix fixes fixed support supports supported add adds added adding new old happens happen happening occur occurs
cause causes caused causing lead leads leading result results resulting return returns returned returning
behave behaves behavior behaviour please seems seem appear appears regression request feature enhancement report
unable possible impossible instead due because about like inside
"""


class Likeness(Value, frozen=True):
    """An issue's text as it is compared.

    Args:
        number: The issue.
        named: What its title names: words that say what it is about.
        title: The words of its title as they are written.
        words: All its words.
        runs: Its runs of `RUN_WORDS` words, calls of errors aside: the outer ones of a framework are in every error.
        errors: The errors that it shows: message and innermost calls.
    """

    number: int
    named: frozenset[str]
    title: frozenset[str]
    words: frozenset[str]
    runs: frozenset[int]
    errors: frozenset[tuple[str, ...]]


def likeness_of(number: int, title: str, body: str) -> Likeness:
    """Return what is compared of an issue; what its template brings along is left out."""
    title = _HEADING.sub("", title)
    text = _TEMPLATE.sub("", body[:MOST_CHARACTERS])
    words = _stems(_CALLS.sub("", text))
    of_title = _stems(title)
    runs = (tuple(words[start : start + RUN_WORDS]) for start in range(len(words) - RUN_WORDS + 1))
    return Likeness(
        number,
        frozenset(word for word in of_title if word not in _STEMS_OF_NOTHING and (len(word) > 1 or word.isdigit())),
        frozenset(word.lower() for word in _WORD.findall(title)) - _NOTHING,
        frozenset(_stems(text)) | frozenset(of_title),
        frozenset(hash(run) for run in runs),
        frozenset(_errors(text)),
    )


def _stems(text: str) -> list[str]:
    """Return the words of a text, each without what English appends to it; a name's parts are words of their own."""
    return [_stem(part) for word in _WORD.findall(text) for part in word.lower().split("_") if part]


def _stem(word: str) -> str:
    """Return a word without a plural's, a past's or a participle's end, where enough of it stays."""
    for end in ("ing", "ed", "es", "s"):
        if word.endswith(end) and len(word) - len(end) >= 3 and not word.endswith("ss"):
            return word[: -len(end)]
    return word


_NOTHING = frozenset(_SAYS_NOTHING.split())
_STEMS_OF_NOTHING = frozenset(map(_stem, _NOTHING))


def _errors(text: str) -> Iterator[tuple[str, ...]]:
    """Yield each error that is shown with its innermost calls, in Python's order or in that of most others."""
    above: list[str] = []
    below: list[str] = []
    message = ""
    for line in text.split("\n"):
        if found := _PYTHON_FRAME.match(line):
            above.append(found[1])
        elif found := _OTHER_FRAME.match(line):
            below.append(found[1])
        elif found := _ERROR.match(line) or (_END.match(line) if above else None):
            yield from _error(message, below[:FRAMES])
            message = _ADDRESS.sub("0x", next(filter(None, found.groups())).strip())
            yield from _error(message, above[-FRAMES:])
            above, below = [], []
    yield from _error(message, below[:FRAMES])


def _error(message: str, frames: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield an error, where there is a message and enough calls to tell it from others."""
    if message and len(frames) == FRAMES:
        yield (message, *frames)

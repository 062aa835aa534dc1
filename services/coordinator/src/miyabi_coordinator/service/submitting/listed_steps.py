"""Finds the steps that an issue's own text lists: checklists, lists and headings, where they say what is to be done.

Markdown is parsed as CommonMark, so that code, comments and quotations are told from text. What counts:

- an open box of a checklist, wherever it is, unless it stands under a heading that describes the problem;
- an item of a list under a heading, or after a line, that announces tasks;
- a heading that is numbered as a task, or lies under one that announces tasks, where no list says more.

Nested items are merged into their parent's step, for the change is one anyway; those of a ticked parent count alone.
A list of fewer than two items is no decomposition, and neither is a template's list of promises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from miyabi_coordinator.models import ListedStep
from miyabi_core.text import first, shortened, split_lines

#: Most steps of an issue; a plan holds no more.
MAX_STEPS = 50
#: Longest title, in characters, as the interface allows.
MAX_TITLE = 300
#: Characters of all descriptions of an issue together: they are part of the stored run, which each commit writes.
MAX_DESCRIPTIONS = 20_000
#: Characters of a body that are read; GitHub keeps no more.
MAX_BODY = 65_536

#: ` (after 2)` at the end of a title.
_CLAUSE = re.compile(
    r"\s*[(\[](?:after|depends\s+on|blocked\s+by|needs|requires)\s[^()\[\]]*\d[)\]]\s*$", re.IGNORECASE
)
_PARSER = MarkdownIt("commonmark", {"maxNesting": 20})
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_BOX = re.compile(r"^\[([ xX])\]\s+")
#: Only a reference: an issue of its own, not a step of this one.
_REFERENCE = re.compile(r"^(?:(?:[\w.-]+/[\w.-]+)?#\d+|https?://\S+/(?:issues|pull)/\d+)(?:\s*[-\u2013:].*)?$")
_TASKS = re.compile(
    r"^(?:the\s+)?(?:(?:open|remaining|implementation|development|dev|required|proposed|planned|sub)[\s-]*)?"
    r"(?:tasks?|to[\s-]?dos?|task\s*list|subtasks|check\s?list|work\s*items?|action\s*items?|(?:work|action|implementation)\s*plan"
    r"|plan|implementation(?:\s+steps)?|roadmap|deliverables|changes(?:\s+(?:needed|required))?"
    r"|what\s+(?:needs|has)\s+to\s+be\s+(?:done|changed)|what\s+to\s+do|definition\s+of\s+done)\s*[:\uff1a]?$"
    r"|^(?:実装|対応|作業|修正|開発|残)?(?:やること|タスク(?:一覧|リスト)?|作業(?:内容|項目|一覧)|対応(?:内容|項目|事項)|実装(?:内容|項目|手順|計画)"
    r"|修正(?:内容|項目)|todo|チェックリスト|完了条件)\s*[:\uff1a]?$",
    re.IGNORECASE,
)
_INTRODUCTION = re.compile(
    r"(?:^|[.!?\s])(?:tasks?|to[\s-]?dos?|(?:we|you|this|i)\s+(?:need|have|want|should)s?\s+to(?:\s+do)?(?:\s+the\s+following)?"
    r"|(?:the\s+following|these)\s+(?:needs?|ha(?:s|ve|d)|must|should)\b.*|what\s+(?:needs|has)\s+to\s+be\s+done"
    r"|steps\s+to\s+implement|やること|タスク|対応内容|作業内容|以下(?:の作業|を(?:実装|対応|修正|行)).*)\s*[:\uff1a]$",
    re.IGNORECASE,
)
_PROBLEM = re.compile(
    r"reproduc|repro\b|environment|version|system\s*info|expected|actual|current\s+(?:behaviou?r|result)|bug\s+(?:report|summary"
    r"|description)|observed|before\s+(?:submitting|you)|prerequisit|pre-?flight|acknowledg|confirmation|code\s+of\s+conduct"
    r"|additional|context|overview|background|motivation|alternative|non-?goals|out\s+of\s+scope|question|references?$|links?$"
    r"|再現|環境|バージョン|期待|実際|現象|現状|概要|背景|目的|補足|参考|対象外|確認事項|提出前|前提",
    re.IGNORECASE,
)
#: Sentences of issue templates: who ticks them promises, and orders nothing.
_PROMISE = re.compile(
    r"\b(?:i|i've|i'm|i\u2019ve|we|we've)\s+(?:have|am|would|will|agree|understand|confirm|read|search|check|test|tried|use)"
    r"|\bsearched\b|\b(?:detailed|clear)\s+description\b|\bminimal\b.*\bexample\b|`?pip\s+list`?|operating\s+system"
    r"|code\s+of\s+conduct|existing\s+issues?|duplicate\s+issues?|willing\s+to|確認しました|検索しました|同意します|読みました",
    re.IGNORECASE,
)
_NUMBERED_TASK = re.compile(
    r"^(?:task|step|part|phase|タスク|ステップ|作業|フェーズ)\s*\d+\s*"
    r"(?:[:\uff1a.)\-\u2013\u2014]\s*)?(?P<title>\S.*)$",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"(?:\b(?:after|depends\s+on|blocked\s+by|needs|requires)\s+(?:(?:steps?|tasks?|items?)\s+)?"
    r"(?P<before>\d{1,3}(?:\s*(?:,|and|&)\s*(?:and\s+)?\d{1,3})*)(?=\s*(?:[)\].,;:]|$)))"
    r"|(?:(?:ステップ|タスク|手順)?\s*(?P<japanese>\d{1,3}(?:\s*[,、と]\s*\d{1,3})*)\s*(?:の後|のあと|の完了後|に依存))",
    re.IGNORECASE,
)


@dataclass(slots=True)
class _Found:
    """A step with the number that its list gives it, and those that it waits for."""

    group: int
    number: int
    title: str
    description: str
    after: tuple[int, ...]


@dataclass(slots=True)
class _Reader:
    """Walks through a document's blocks."""

    lines: list[str]
    items: list[_Found] = field(default_factory=list)
    headings: list[_Found] = field(default_factory=list)
    #: Groups so far, the current one, its items so far, items of all groups; ticked ones count.
    groups: int = 0
    group: int = 0
    seen: int = 0
    total: int = 0
    #: Level and kind of the headings around the current block.
    around: list[tuple[int, str]] = field(default_factory=list)
    introduction: str = ""

    def read(self, root: SyntaxTreeNode) -> None:
        """Take all blocks of the document; quotations are somebody else's words."""
        for node in root.children:
            match node.type:
                case "heading":
                    self._heading(node)
                case "paragraph":
                    self.introduction = _text(node)
                    self._describe(node)
                case "bullet_list" | "ordered_list":
                    self._list(node)
                    self._describe(node)
                    self.introduction = ""
                case _:
                    self.introduction = ""

    def _heading(self, node: SyntaxTreeNode) -> None:
        """Note what the following blocks stand under."""
        level, title = int(node.tag[1]), _text(node).strip("*_ ")
        while self.around and self.around[-1][0] >= level:
            self.around.pop()
        numbered = _NUMBERED_TASK.match(title)
        outer = self.around[-1][1] if self.around else ""
        kind = outer
        if _TASKS.match(title):
            kind = "tasks"
        elif _PROBLEM.search(title):
            kind = "problem"
        elif title and (numbered or outer == "tasks"):
            kind = "task"
            shown = numbered["title"] if numbered else title
            self.headings.append(_Found(0, len(self.headings) + 1, shown, "", _after(title)))
        self.around.append((level, kind))
        self._new_group()
        self.introduction = ""

    def _new_group(self) -> None:
        """Begin to number anew: under each heading, and in each numbered list."""
        self.groups += 1
        self.group, self.seen = self.groups, 0

    def _describe(self, node: SyntaxTreeNode) -> None:
        """Add a block to the heading that is a task of its own."""
        if self.around and self.around[-1][1] == "task" and self.headings:
            last = self.headings[-1]
            last.description = f"{last.description}\n\n{self._source(node)}".strip()
            last.after = (*last.after, *_after(self._source(node)))

    def _list(self, node: SyntaxTreeNode) -> None:
        """Take the items that are tasks."""
        kind = self.around[-1][1] if self.around else ""
        entries = [_entry(item) for item in node.children]
        if kind == "problem" or _PROBLEM.search(self.introduction) or any(_PROMISE.search(text) for _, text in entries):
            return
        boxes = any(box is not None for box, _ in entries)
        announced = kind == "tasks" or bool(_INTRODUCTION.search(self.introduction))
        if boxes or announced:
            if node.type == "ordered_list":
                self._new_group()
            for position, (item, (box, text)) in enumerate(zip(node.children, entries, strict=True)):
                self._item(node, item, position=position, text=text, wanted=box == " " or not boxes)
            self.seen += len(entries)
            self.total += len(entries)
        else:
            for item in node.children:
                self._nested(item)

    def _item(self, node: SyntaxTreeNode, item: SyntaxTreeNode, *, position: int, text: str, wanted: bool) -> None:
        """Take one item; of one that is done only what is nested in it."""
        if not wanted:
            self._nested(item)
            return
        if not text or _REFERENCE.match(text):
            return
        ordered = node.type == "ordered_list"
        number = int(node.attrs.get("start", 1)) + position if ordered else self.seen + position + 1
        after = _after(text) or ((number - 1,) if ordered and position else ())
        first, _, rest = text.partition("\n")
        nested = "\n".join(self._source(child) for child in item.children[1:])
        description = "\n".join(part for part in (first[MAX_TITLE:], rest, nested) if part)
        self.items.append(_Found(self.group, number, _CLAUSE.sub("", first) or first, description, after))

    def _nested(self, item: SyntaxTreeNode) -> None:
        """Look into the lists of an item, which are numbered for themselves."""
        outer = self.group, self.seen
        for child in item.children:
            if child.type in {"bullet_list", "ordered_list"}:
                self._new_group()
                self._list(child)
        self.group, self.seen = outer

    def _source(self, node: SyntaxTreeNode) -> str:
        """Return the text that a block was written as."""
        start, end = node.map or (0, 0)
        return "\n".join(line.rstrip() for line in self.lines[start:end]).strip("\n")


def listed_steps(body: str) -> tuple[ListedStep, ...]:
    """Return the steps that an issue's body lists, in order; none where it lists none.

    `after 2`, `depends on 1` and `(blocked by 3)` name items of the same list by number; items of a numbered list come
    after the one above where they name none. What would close a circle is left out, and the description says so.
    """
    text = plain(body)
    reader = _Reader(split_lines(text))
    reader.read(SyntaxTreeNode(_PARSER.parse(text)))
    items = reader.items if reader.total > 1 else []
    found, rest = first(items or (reader.headings if len(reader.headings) > 1 else []), MAX_STEPS)
    positions = {(entry.group, entry.number): position for position, entry in enumerate(found)}
    wanted = [
        [positions[key] for number in entry.after if (key := (entry.group, number)) in positions] for entry in found
    ]
    before, dropped = _acyclic(wanted)
    steps = list(_bounded(found, before, dropped))
    if rest:
        words = f"{steps[-1].description}\n\nThe issue lists {rest} more steps, which are beyond what a plan holds."
        steps[-1] = ListedStep(steps[-1].title, words.strip(), steps[-1].depends_on)
    return tuple(steps)


def plain(body: str) -> str:
    """Return what a reader of the issue sees, cut to what GitHub keeps."""
    return _COMMENT.sub("", body[:MAX_BODY]).expandtabs(4)


def prose(body: str) -> str:
    """Return the text of an issue without code, comments and quotations."""
    pieces: list[str] = []
    _collect(SyntaxTreeNode(_PARSER.parse(plain(body))), pieces)
    return "\n".join(pieces)


def _collect(node: SyntaxTreeNode, pieces: list[str]) -> None:
    """Append the text of all blocks but code and quotations."""
    for child in node.children:
        if child.type == "inline":
            pieces.append("".join(part.content if part.type == "text" else " " for part in _leaves(child)))
        elif child.type != "blockquote":
            _collect(child, pieces)


def _leaves(node: SyntaxTreeNode) -> Iterator[SyntaxTreeNode]:
    """Yield the pieces of a line."""
    for child in node.children:
        if child.children:
            yield from _leaves(child)
        else:
            yield child


def _text(node: SyntaxTreeNode) -> str:
    """Return the text of a heading or paragraph as it was written."""
    return node.children[0].content.strip() if node.children else ""


def _entry(item: SyntaxTreeNode) -> tuple[str | None, str]:
    """Return the box of an item (a blank, `x` or none) and its own text."""
    text = _text(item.children[0]) if item.children and item.children[0].type == "paragraph" else ""
    box = _BOX.match(text)
    return (box[1].lower(), text[box.end() :].strip()) if box else (None, text)


def _after(text: str) -> tuple[int, ...]:
    """Return the numbers of the steps that a step's own words put before it."""
    found: list[int] = []
    for match in _AFTER.finditer(text):
        found.extend(int(number) for number in re.findall(r"\d+", match["before"] or match["japanese"]))
    return tuple(found)


def _acyclic(wanted: list[list[int]]) -> tuple[list[list[int]], list[list[int]]]:
    """Return for each step what comes before it, and the wishes that were left out because they close a circle."""
    chosen: list[list[int]] = [[] for _ in wanted]
    dropped: list[list[int]] = [[] for _ in wanted]
    for position, others in enumerate(wanted):
        for other in dict.fromkeys(others):
            if other == position:
                continue
            (dropped if _reaches(chosen, other, position) else chosen)[position].append(other)
    return chosen, dropped


def _reaches(chosen: list[list[int]], start: int, goal: int) -> bool:
    """Tell whether *goal* comes before *start* already."""
    seen, ahead = {start}, [start]
    while ahead:
        for other in chosen[ahead.pop()]:
            if other == goal:
                return True
            if other not in seen:
                seen.add(other)
                ahead.append(other)
    return False


def _bounded(found: Sequence[_Found], before: list[list[int]], dropped: list[list[int]]) -> Iterator[ListedStep]:
    """Yield the steps within their limits."""
    left = MAX_DESCRIPTIONS
    for entry, others, ignored in zip(found, before, dropped, strict=True):
        description = entry.description
        if ignored:
            named = ", ".join(str(found[other].number) for other in ignored)
            description = f"{description}\n\nThe issue also puts {named} before this step, which is a circle.".strip()
        description = shortened(description, left) if left else ""
        left -= len(description)
        yield ListedStep(shortened(entry.title, MAX_TITLE), description, tuple(sorted(others)))

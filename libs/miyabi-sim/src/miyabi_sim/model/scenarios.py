"""What the simulated model says: scenarios by conversation, and a plain answer where none fits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Block = dict[str, Any]
#: Inputs ending so name a file beside the scenario; its text takes the key without the ending.
_FILE_SUFFIX = "_file"

#: How the names of tools begin that end a step.
_ENDINGS = ("finish_", "record_")

#: Answers to offered tools where no scenario fits: harmless, and clearly unsure of themselves.
_DEFAULTS: Mapping[str, Block] = {
    "record_triage": {
        "type": "bug",
        "priority": "P2",
        "severity": "Sev.3",
        "complexity": "medium",
        "size": "M",
        "area": "",
        "confidence": 0.3,
        "analysis": "The simulated model knows no scenario for this issue; these values are a placeholder.",
    },
    "record_plan": {
        "tasks": [{"title": "Make the change", "description": "No scenario: nothing is known.", "depends_on": []}],
        "files": [],
        "notes": "",
    },
    "record_order": {"order": []},
    # It quotes neither issue, so that nobody goes by it.
    "record_duplicate": {"same": False, "quote": "(no scenario)", "reason": "No scenario: nothing is known."},
    "finish_documentation": {"summary": "No scenario: nothing to document.", "nothing_to_document": True},
    "finish_tests": {"summary": "No scenario: no tests.", "tests": [], "changed_expectations": []},
    "record_review": {"summary": "No scenario: nothing to remark.", "findings": []},
}


class ScenarioError(ValueError):
    """A scenario file is not what it should be; the message names file, scenario and field."""


@dataclass(frozen=True)
class Scenario:
    """What the model says in one conversation.

    Args:
        name: For logs.
        tool: A tool that the conversation must offer; empty: any.
        contains: Texts that the system prompt or the first message must all contain.
        turns: Blocks of each answer; the first answer is turn 0. A block is `{"text": …}` or `{"tool": …, "input": …}`;
            with `written` the latter streams that text as its input. `{"stop": …}` is the answer's stop reason.
    """

    name: str
    turns: Sequence[Sequence[Block]]
    tool: str = ""
    contains: Sequence[str] = ()

    def fits(self, text: str, tools: set[str]) -> bool:
        """Tell whether the conversation is this one."""
        return (not self.tool or self.tool in tools) and all(piece in text for piece in self.contains)


@dataclass(frozen=True)
class Scenarios:
    """Scenarios in order; the first that fits is played."""

    entries: Sequence[Scenario] = field(default_factory=tuple)

    @classmethod
    def load(cls, path: Path) -> Scenarios:
        """Read a YAML file, or all of a folder in order of their names.

        Raises:
            ScenarioError: a file is no list of scenarios, or a field is missing or of the wrong kind.
            OSError: a file cannot be read.
        """
        files = sorted(path.rglob("*.yaml")) if path.is_dir() else [path]
        return cls([scenario for file in files for scenario in _read(file)])

    def answer(self, request: Mapping[str, Any]) -> Sequence[Block]:
        """Return the blocks of the next answer in the conversation of *request*."""
        tools = {tool["name"] for tool in request.get("tools", ())}
        forced = (request.get("tool_choice") or {}).get("name")
        offered = {forced} if forced else _of_this_step(tools, text_of(request["messages"][0]["content"]))
        text = _first_text(request)
        turn = sum(message["role"] == "assistant" for message in request["messages"])
        for scenario in self.entries:
            if scenario.fits(text, offered):
                return scenario.turns[turn] if turn < len(scenario.turns) else [{"text": "Nothing left to say."}]
        return _default(offered, turn)


def _default(offered: set[str], turn: int) -> Sequence[Block]:
    """Answer without a scenario."""
    for name, value in _DEFAULTS.items():
        if name in offered and turn == 0:
            return [{"tool": name, "input": value}]
    return [{"text": "The simulated model has no scenario for this conversation."}]


def _first_text(request: Mapping[str, Any]) -> str:
    """Return the system prompt and the first message as one text.

    Of the system prompt, the first block: what comes behind it is background that all conversations share.
    """
    system = request.get("system") or ""
    instructions = system if isinstance(system, str) else text_of(system[:1])
    return f"{instructions}\n{text_of(request['messages'][0]['content'])}"


def _of_this_step(tools: set[str], task: str) -> set[str]:
    """Return the tools that a model would use: of several that end a step, the one that the task names last."""
    endings = {name for name in tools if name.startswith(_ENDINGS)}
    named = {name for name in endings if name in task}
    if not named or len(endings) == 1:
        return tools
    return tools - endings | {max(named, key=task.rfind)}


def text_of(content: Any) -> str:
    """Return the text of a content, which is a string or a list of blocks."""
    if isinstance(content, str):
        return content
    return "\n".join(str(block.get("text", "")) for block in content if isinstance(block, dict))


def _read(file: Path) -> Iterable[Scenario]:
    """Read one file."""
    entries = yaml.safe_load(file.read_text(encoding="utf-8"))
    if not isinstance(entries, list):
        raise ScenarioError(f"{file}: must be a list of scenarios")
    for position, entry in enumerate(entries):
        yield _parse(entry, where=f"{file}[{position}]", folder=file.parent)


def _parse(entry: Any, *, where: str, folder: Path) -> Scenario:
    """Build a scenario from its YAML."""
    if not isinstance(entry, dict) or not isinstance(entry.get("turns"), list):
        raise ScenarioError(f"{where}: turns is missing or no list")
    when = entry.get("when") or {}
    turns = [[_block(block, where=where, folder=folder) for block in turn] for turn in entry["turns"]]
    return Scenario(
        name=str(entry.get("name", where)),
        turns=turns,
        tool=str(when.get("tool", "")),
        contains=[str(piece) for piece in when.get("contains", ())],
    )


def _block(block: Any, *, where: str, folder: Path) -> Block:
    """Check a block and load the files that it names."""
    if not isinstance(block, dict) or not ({"text", "tool", "stop"} & set(block)):
        raise ScenarioError(f"{where}: a block needs text, tool or stop")
    for key in ("stop", "text"):
        if key in block:
            return {key: str(block[key])}
    given = block.get("input") or {}
    loaded = {
        key.removesuffix(_FILE_SUFFIX) if key.endswith(_FILE_SUFFIX) else key: (
            (folder / value).read_text(encoding="utf-8") if key.endswith(_FILE_SUFFIX) else value
        )
        for key, value in given.items()
    }
    written = {"written": str(block["written"])} if "written" in block else {}
    return {"tool": str(block["tool"]), "input": loaded, **written}

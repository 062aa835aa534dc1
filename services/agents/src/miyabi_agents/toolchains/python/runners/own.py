"""Finds the tests that a change adds, edits or removes in one file, by its syntax tree."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

from miyabi_agents.toolchains.port import OwnTests
from miyabi_core.text import shortened, split_lines

#: Longest program that is parsed; the longest known test files have some ten thousand lines.
MAX_BYTES = 1 << 20
#: Deepest nesting of brackets; deeper ones are written against parsers.
MAX_NESTING = 90
#: Longest source of one test that is shown.
MAX_SHOWN = 4_000
#: Classes whose tests another one inherits, one after another.
_MAX_BASES = 50
#: Filters of warnings belong to the process: one thread at a time changes them.
_PARSING = Lock()

_Function = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass
class _Tests:
    """The tests of a file: what each is, by name below the file."""

    code: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, ast.stmt] = field(default_factory=dict)
    bases: dict[str, list[str]] = field(default_factory=dict)

    def of(self, owner: str) -> list[str]:
        """Return the names of the tests that stand in a class itself."""
        return [name for name in self.nodes if name.rpartition("::")[0] == owner]


def own_tests(path: str, before: bytes | None, after: bytes | None) -> OwnTests:
    """Return the groups that a change adds, edits or removes in one file of tests.

    Only a test's own code counts, with its decorators and the constants that these name: an edit of a helper, a fixture
    or a `setUp` marks no test, so that what it does to tests is judged strictly.

    Args:
        path: The file, from the repository's root.
        before: Its content on base; None where it is not there.
        after: Its content with the change; None where it is deleted.
    """
    try:
        old, new = _digests(path, before), _digests(path, after)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return OwnTests() if before == after else _whole(path, before, after)
    return OwnTests(
        added=frozenset(f"{path}::{name}" for name in new.keys() - old.keys()),
        edited=frozenset(f"{path}::{name}" for name in new.keys() & old.keys() if new[name] != old[name]),
        removed=frozenset(f"{path}::{name}" for name in old.keys() - new.keys()),
    )


def _whole(path: str, before: bytes | None, after: bytes | None) -> OwnTests:
    """Return the file itself, where nothing is known of what it holds: every test of it may be edited."""
    one = frozenset({path})
    if path.endswith(".py"):
        return OwnTests(edited=one)
    return OwnTests(added=one) if before is None else OwnTests(removed=one) if after is None else OwnTests(edited=one)


def code_of(content: bytes | None, group: str) -> str:
    """Return the source of one test, with its decorators, at most 4,000 characters; empty where it is not found."""
    try:
        tests = _tests(parsed(content or b""))
        node = _nodes(tests).get(group.partition("::")[2])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    if node is None:
        return ""
    first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
    lines = split_lines(content or b"")[first - 1 : node.end_lineno]
    return shortened(b"\n".join(lines).decode("utf-8", "replace"), MAX_SHOWN)


def parsed(content: bytes) -> ast.Module:
    """Parse a program of strangers, within bounds.

    Raises:
        SyntaxError: it is none.
        ValueError: it is too long, too deep, or holds NUL.
        RecursionError, MemoryError: the parser's own bounds.
    """
    if len(content) > MAX_BYTES or _depth(content) > MAX_NESTING:
        raise ValueError("too long or too deep")
    with _PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(content)


def _depth(content: bytes) -> int:
    """Return how deep brackets are nested; those in strings count, which errs on the safe side."""
    deepest = depth = 0
    for bracket in re.findall(rb"[(\[{)\]}]", content):
        depth = depth + 1 if bracket in b"([{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest


def _digests(path: str, content: bytes | None) -> Mapping[str, str]:
    """Return what each test of a file is; two texts are equal where the code is.

    Raises:
        ValueError: it is no program.
    """
    if content is None:
        return {}
    if not path.endswith(".py"):
        raise ValueError("no Python")
    tests = _tests(parsed(content))
    found = dict(tests.code)
    for owner in tests.bases:
        for name, origin in _inherited(tests, owner):
            found.setdefault(name, tests.code[origin])
    return found


def _nodes(tests: _Tests) -> Mapping[str, ast.stmt]:
    """Return the statement of each test, inherited ones too."""
    found = dict(tests.nodes)
    for owner in tests.bases:
        for name, origin in _inherited(tests, owner):
            found.setdefault(name, tests.nodes[origin])
    return found


def _inherited(tests: _Tests, owner: str) -> Iterator[tuple[str, str]]:
    """Yield the tests that a class has from classes of the same file: the name it has here, and there."""
    waiting, seen = list(tests.bases[owner]), {owner}
    while waiting and len(seen) < _MAX_BASES:
        base = waiting.pop(0)
        if base in seen or base not in tests.bases:
            continue
        seen.add(base)
        waiting += tests.bases[base]
        for name in tests.of(base):
            yield f"{owner}::{name.rpartition('::')[2]}", name


def _tests(module: ast.Module) -> _Tests:
    """Find the tests of a module: functions, methods, and names that are assigned."""
    tests = _Tests()
    constants = {name: ast.dump(value) for name, value in _assigned(module.body) if not name.startswith("test")}
    waiting: list[tuple[str, Sequence[ast.stmt], str]] = [("", module.body, "")]
    while waiting:
        prefix, body, around = waiting.pop()
        for node in _flat(body):
            if isinstance(node, ast.ClassDef):
                tests.bases[prefix + node.name] = [base.id for base in node.bases if isinstance(base, ast.Name)]
                waiting.append((f"{prefix}{node.name}::", node.body, around + _decoration(node, constants)))
            elif isinstance(node, _Function) and node.name.startswith("test"):
                tests.code[prefix + node.name] = ast.dump(node) + around + _decoration(node, constants)
                tests.nodes[prefix + node.name] = node
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                for name, value in _assigned([node]):
                    if name.startswith("test"):
                        tests.code[prefix + name] = ast.dump(value) + around
                        tests.nodes[prefix + name] = node
    return tests


def _flat(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a body, with those of branches, `try` and `with` in it."""
    waiting = list(reversed(body))
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            inner = [*node.body, *getattr(node, "orelse", ()), *getattr(node, "finalbody", ())]
            inner += [one for handler in getattr(node, "handlers", ()) for one in handler.body]
            waiting += reversed(inner)


def _assigned(body: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that statements assign, with the values."""
    for node in body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        for target in targets:
            if isinstance(target, ast.Name) and value is not None:
                yield target.id, value


def _decoration(node: ast.stmt, constants: Mapping[str, str]) -> str:
    """Return what decorators say, with the constants of the module that they name."""
    found = [ast.dump(one) for one in getattr(node, "decorator_list", ())]
    names = {
        inner.id
        for one in getattr(node, "decorator_list", ())
        for inner in ast.walk(one)
        if isinstance(inner, ast.Name)
    }
    return "".join([*found, *(constants[name] for name in sorted(names) if name in constants)])

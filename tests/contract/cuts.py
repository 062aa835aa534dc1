"""Finds where our code takes a part of a text or a list by a limit: slices up to a number or a named limit."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Fewest items of a limit: below are the parts of a name, a version, a pair.
LEAST = 3
#: Digits by which people name a commit, everywhere.
COMMIT = 12
#: Names of limits beside those in capital letters.
WORDS = ("most", "limit", "budget", "cap", "maximum", "longest")
#: Methods whose result is no text of anybody: digests, random names, groups of an expression.
NO_TEXT = frozenset({"hexdigest", "digest", "groups", "hex", "to_bytes"})
#: Calls that take a part as a slice does.
CALLS = frozenset({"islice", "shorten", "most_common", "nlargest", "nsmallest"})


def sources() -> list[Path]:
    """Return the modules of all services, the command and the libraries; generated ones are none of ours."""
    folders = [
        *ROOT.glob("services/*/src"),
        ROOT / "cli/src",
        ROOT / "libs/miyabi-core/src",
        ROOT / "libs/miyabi-sim/src",
    ]
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def cuts() -> dict[str, list[str]]:
    """Return the cuts of each function, by `path of the module below src:Class.function`."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in sources():
        name = path.as_posix().rpartition("/src/")[2]
        for function, cut in _in_module(ast.parse(path.read_text("utf-8"))):
            found[f"{name}:{function}"].append(cut)
    return dict(found)


def _in_module(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield each cut with the name of its function."""
    waiting: list[tuple[ast.AST, str]] = [(tree, "")]
    while waiting:
        node, inside = waiting.pop()
        for child in ast.iter_child_nodes(node):
            named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            waiting.append((child, f"{inside}.{child.name}".lstrip(".") if named else inside))  # type: ignore[attr-defined]
            if is_cut(child):
                yield inside or "(module)", ast.unparse(child)


def is_cut(node: ast.AST) -> bool:
    """Tell whether an expression takes a part by a limit."""
    if isinstance(node, ast.Call):
        return _name(node.func) in CALLS
    if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Slice):
        return False
    if isinstance(node.value, ast.Call) and _name(node.value.func) in NO_TEXT:
        return False
    if isinstance(node.value, ast.Attribute) and node.value.attr in NO_TEXT:
        return False
    lower, upper = node.slice.lower, node.slice.upper
    if upper is None:
        return isinstance(lower, ast.UnaryOp) and _is_limit(lower.operand)
    return lower is None and _is_limit(upper)


def _is_limit(node: ast.expr) -> bool:
    """Tell whether a bound is a limit; what stands behind a minus takes an end away, and is none."""
    match node:
        case ast.Constant(value=int(value)):
            return value >= LEAST and value != COMMIT
        case ast.Name(id=name) | ast.Attribute(attr=name):
            bare = name.lstrip("_")
            return bare.isupper() or bare in WORDS or bare.startswith(("max_", "most_")) or bare.endswith("_limit")
        case ast.BinOp(left=left, right=right):
            return any(_is_limit(side) for side in (left, right) if not isinstance(side, ast.Constant))
        case _:
            return False


def _name(node: ast.expr) -> str:
    """Return the last part of what is called."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")

"""Reads what `setup.cfg` and `setup.py` say plainly, without running them: a second best to building the metadata."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence

from miyabi_agents.toolchains.python.manifests.names import normal
from miyabi_agents.toolchains.python.manifests.requirement import parse
from miyabi_agents.toolchains.python.manifests.task_runners import path_in
from miyabi_agents.toolchains.python.manifests.tree import Tree
from miyabi_core.text import split_lines

#: How deep a name is followed to the list that it stands for.
_MAX_DEPTH = 10
#: Parts that are evaluated in all: names that stand for lists of names multiply.
_MAX_PARTS = 20_000


class StaticSetup:
    """What can be read of `setup.cfg` and `setup.py`.

    Args:
        tree: Base's files.
        project: Folder of the project.
    """

    def __init__(self, tree: Tree, project: str) -> None:
        self._cfg = tree.ini(path_in(project, "setup.cfg"))
        self._module = tree.module(path_in(project, "setup.py"))
        self._left = _MAX_PARTS
        self.text = tree.text(path_in(project, "setup.py")) or ""

    @property
    def there(self) -> bool:
        """One of both describes a distribution."""
        return bool(self.text) or "name" in self._cfg.get("metadata", {})

    @property
    def name(self) -> str:
        """The distribution's name; empty where it cannot be read."""
        value = self._cfg.get("metadata", {}).get("name") or self._argument("name")
        return normal(value) if isinstance(value, str) else ""

    @property
    def requires_python(self) -> str:
        """Versions of Python; empty where it cannot be read."""
        value = self._cfg.get("options", {}).get("python_requires") or self._argument("python_requires")
        return value if isinstance(value, str) else ""

    @property
    def classifiers(self) -> Sequence[str]:
        """Classifiers; empty where they cannot be read."""
        value = self._argument("classifiers")
        listed = split_lines(self._cfg.get("metadata", {}).get("classifiers", ""))
        return [*listed, *(item for item in value if isinstance(item, str))] if isinstance(value, list) else listed

    @property
    def dependencies(self) -> Sequence[str]:
        """What the project itself needs, as far as it can be read."""
        lines = split_lines(self._cfg.get("options", {}).get("install_requires", ""))
        return _valid([*lines, *_list(self._argument("install_requires"))])

    @property
    def extras(self) -> Mapping[str, Sequence[str]]:
        """Extras with their requirements, by normal name, as far as they can be read."""
        found = {
            normal(name): _valid(split_lines(value))
            for name, value in self._cfg.get("options.extras_require", {}).items()
        }
        extras = self._argument("extras_require")
        if isinstance(extras, dict):
            found.update({normal(str(name)): _valid(_list(value)) for name, value in extras.items()})
        return found

    @property
    def tests_require(self) -> Sequence[str]:
        """The old list of what tests need."""
        lines = split_lines(self._cfg.get("options", {}).get("tests_require", ""))
        return _valid([*lines, *_list(self._argument("tests_require"))])

    @property
    def package_root(self) -> str:
        """The folder that packages lie in, where it is not the project's."""
        directory = self._argument("package_dir")
        if isinstance(directory, dict) and isinstance(directory.get(""), str):
            return str(directory[""])
        found = re.search(r"^\s*=\s*([\w./-]+)", self._cfg.get("options", {}).get("package_dir", ""), re.MULTILINE)
        return found[1] if found else ""

    def _argument(self, name: str) -> object:
        """Return the plain value of an argument of `setup(...)`; None where it is no plain value."""
        for node in ast.walk(self._module) if self._module else ():
            if isinstance(node, ast.Call) and _called(node.func) == "setup":
                for keyword in node.keywords:
                    if keyword.arg == name:
                        return self._value(keyword.value, 0)
        return None

    def _value(self, node: ast.expr, depth: int) -> object:
        """Evaluate constants, lists, tables, their sums and names of the module that stand for such."""
        self._left -= 1
        if depth > _MAX_DEPTH or self._left < 0:
            return None
        value: object = None
        if isinstance(node, ast.Constant):
            value = node.value
        elif isinstance(node, ast.List | ast.Tuple):
            value = [self._value(item, depth + 1) for item in node.elts]
        elif isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            value = {str(key.value): self._value(one, depth + 1) for key, one in pairs if isinstance(key, ast.Constant)}
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self._value(node.left, depth + 1), self._value(node.right, depth + 1)
            value = [*left, *right] if isinstance(left, list) and isinstance(right, list) else None
        elif isinstance(node, ast.Name):
            value = self._named(node.id, depth)
        return value

    def _named(self, name: str, depth: int) -> object:
        """Return the plain value that the module gives a name."""
        for statement in self._module.body if self._module else ():
            if isinstance(statement, ast.Assign) and any(_called(target) == name for target in statement.targets):
                return self._value(statement.value, depth + 1)
        return None


def _called(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _list(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _valid(texts: Sequence[str]) -> list[str]:
    return [text.strip() for text in texts if text.strip() and parse(text.strip())]

"""Reads what a person gives a command as a file: one object of JSON or YAML, bounded and without surprises."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from miyabi_cli.errors import CliError

#: Stands for standard input.
STANDARD_INPUT = "-"
#: Largest file: ten thousand issue numbers take a tenth of it, a mistake much more.
MAX_BYTES = 1 << 20


def parsed_file(file: str) -> dict[str, Any]:
    """Read an object of JSON or YAML.

    Args:
        file: Path, or `-` for standard input.

    Raises:
        CliError: the file cannot be read, is neither or holds no fields.
    """
    value = _parsed(_content(file), file)
    if not isinstance(value, dict):
        raise CliError(f"{file}: holds no fields, but {type(value).__name__}")
    _check_texts(value, file)
    return value


def _content(file: str) -> str:
    """Return a file's text.

    Raises:
        CliError: it cannot be read, is too large or is no UTF-8.
    """
    try:
        raw = sys.stdin.buffer.read(MAX_BYTES + 1) if file == STANDARD_INPUT else _bytes_of(Path(file))
        if len(raw) > MAX_BYTES:
            raise CliError(f"{file}: is larger than {MAX_BYTES} bytes")
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise CliError(f"{file}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise CliError(f"{file}: is no UTF-8 at byte {error.start}") from error


def _bytes_of(path: Path) -> bytes:
    """Return the begin of a file, one byte more than it may have."""
    with path.open("rb") as stream:
        return stream.read(MAX_BYTES + 1)


class _OnceLoader(yaml.SafeLoader):
    """Refuses a name that comes twice, of which YAML drops one in silence, and aliases, which can explode."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node that is no alias."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases are not taken", None)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Construct a mapping whose names differ."""
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                problem = f"{key.value!r} is there twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _parsed(text: str, file: str) -> Any:
    """Return what the text says.

    Raises:
        CliError: it is neither JSON nor YAML.
    """
    try:
        return yaml.load(text, Loader=_OnceLoader)  # noqa: S506 - it is a SafeLoader that takes less
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise CliError(f"{file}{where}: is neither JSON nor YAML: {problem}") from error


def _check_texts(value: dict[Any, Any], file: str) -> None:
    """Refuse names that are no text, which YAML makes of `on` or `1`.

    Raises:
        CliError: there is one.
    """
    for name, held in value.items():
        if not isinstance(name, str):
            raise CliError(f"{file}: {name!r} is no name of a field")
        if isinstance(held, dict):
            _check_texts(held, file)

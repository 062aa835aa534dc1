"""Turns Poetry's way of writing requirements into PEP 508's."""

from __future__ import annotations

import re
from collections.abc import Sequence

from miyabi_agents.toolchains.python.manifests.tree import Table, strings, table, text_of

#: A version with up to four numbers, and what follows.
_VERSION = re.compile(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:\.(\d+))?([\w.+-]*)")
#: Longest constraint that is turned.
_MAX_LENGTH = 200


def requirements(dependencies: Table) -> Sequence[str]:
    """Return a table of Poetry's dependencies as requirements (PEP 508), without Python and what is optional."""
    found: list[str] = []
    for name, value in dependencies.items():
        if name.lower() == "python":
            continue
        for entry in value if isinstance(value, list) else [value]:
            text = requirement(name, entry)
            if text:
                found.append(text)
    return found


def requirement(name: str, value: object) -> str:
    """Return one requirement; what comes from an address is written as `name @ address`, and nothing for a folder."""
    if isinstance(value, str):
        return f"{name}{specifier(value)}"
    if not isinstance(value, dict):
        return ""
    if "path" in value:
        return ""
    for key in ("git", "url", "file"):
        if key in value:
            return f"{name} @ {text_of(value[key]) or key}"
    extras = ",".join(strings(value.get("extras")))
    markers = [
        f"({text})" for text in (text_of(value.get("markers")), python_marker(text_of(value.get("python")))) if text
    ]
    bracket = f"[{extras}]" if extras else ""
    version = specifier(text_of(value.get("version")))
    return f"{name}{bracket}{version}" + (f" ; {' and '.join(markers)}" if markers else "")


def python_marker(constraint: str) -> str:
    """Return a constraint on Python's version as a marker; empty where there is none, or alternatives of it."""
    parts = [
        re.fullmatch(r"(===|[<>=!~]=|[<>])\s*([\w.*]+)", part) for part in specifier(constraint).split(",") if part
    ]
    return " and ".join(f'python_version {part[1]} "{part[2]}"' for part in parts if part)


def specifier(constraint: str) -> str:
    """Return a constraint as PEP 440 writes it; nothing where it has alternatives or cannot be read."""
    if len(constraint) > _MAX_LENGTH or "|" in constraint:
        return ""
    parts = [_part(part) for part in re.split(r"\s*,\s*|(?<=[\w*])\s+(?=[<>=!~^\d])", constraint.strip()) if part]
    return ",".join(part for part in parts if part)


def _part(part: str) -> str:
    """Turn one part of a constraint."""
    sign, version = re.match(r"\s*([<>=!~^]*)\s*", part), re.sub(r"^[\s<>=!~^]*", "", part).strip()
    operator = sign[1] if sign else ""
    if version in ("", "*"):
        return ""
    parsed = _VERSION.fullmatch(version)
    if operator == "^" and parsed:
        return f">={version},<{_caret(parsed)}"
    if operator == "~" and parsed:
        minor = parsed[2]
        return f">={version},<" + (f"{parsed[1]}.{int(minor) + 1}" if minor else f"{int(parsed[1]) + 1}")
    if operator in ("", "="):
        return f"=={version}"
    return f"{operator}{version}" if operator in ("==", "!=", ">=", "<=", ">", "<", "~=", "===") else ""


def _caret(version: re.Match[str]) -> str:
    """Return the first version that `^version` leaves out: the leftmost number that is not zero grows."""
    numbers = [int(number) for number in version.groups()[:3] if number is not None]
    for place, number in enumerate(numbers):
        if number or place == len(numbers) - 1:
            return ".".join(map(str, [*numbers[:place], number + 1]))
    return "1"


def python_of(dependencies: Table) -> str:
    """Return Poetry's constraint on Python as PEP 440 writes it."""
    value = dependencies.get("python")
    return specifier(text_of(value) or text_of(table(value).get("version")))


def folders(dependencies: Table) -> Sequence[str]:
    """Return the folders that a table of Poetry's dependencies names, relative to the project."""
    return [text_of(table(value).get("path")) for value in dependencies.values() if text_of(table(value).get("path"))]

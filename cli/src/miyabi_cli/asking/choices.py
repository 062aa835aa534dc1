"""Reads names of a proto's enumeration as people type them: small letters, dashes or underscores, no prefix."""

from __future__ import annotations

from typing import Any

from miyabi_cli.errors import CliError


def names_of(kinds: Any) -> dict[str, int]:
    """Return the values of an enumeration by their names as people type them; the one that is never sent is left out.

    Args:
        kinds: What protoc made of the enumeration, for example `BatchState`.
    """
    numbers: dict[str, int] = dict(kinds.items())
    unset = next(name for name, number in numbers.items() if number == 0)
    prefix = unset.removesuffix("UNSPECIFIED")
    return {name.removeprefix(prefix).lower().replace("_", "-"): number for name, number in numbers.items() if number}


def chosen(kinds: Any, text: str, *, option: str) -> int:
    """Return the value that a person typed.

    Args:
        kinds: What protoc made of the enumeration.
        text: As typed.
        option: Names the option in the error.

    Raises:
        CliError: there is none of that name.
    """
    names = names_of(kinds)
    found = names.get(text.lower().replace("_", "-"))
    if found is None:
        raise CliError(f"{option}: {text!r} is none of {', '.join(names)}")
    return found

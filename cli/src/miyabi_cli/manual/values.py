"""Reads values of the command line that are plainly right without the library that typer reads values by.

That library (pydantic) takes a third of the time of a short command. What is not plainly right is left to typer, so
that people see its errors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from typer._coercion import RuntimeParam, build_runtime_param
from typer.core import TyperArgument, TyperOption

#: Types whose values are taken as they are.
_PLAIN = frozenset({str, int, float, bool})
#: How numbers look that are plain; longer ones, signs and exponents are left to typer.
_NUMBERS = {int: re.compile(r"[0-9]{1,18}", re.ASCII), float: re.compile(r"[0-9]{1,15}([.][0-9]{1,15})?", re.ASCII)}


@dataclass(frozen=True)
class PlainValue(RuntimeParam):
    """Takes what has its type already, and plain text and numbers; asks typer about the rest."""

    def _coerce_value(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the value as its type has it."""
        kind = _kind_of(self.annotation)
        if kind is list and all(isinstance(part, str) for part in value):
            return list(value)
        if kind in _NUMBERS and isinstance(value, str) and _NUMBERS[kind].fullmatch(value):
            value = kind(value)
        if type(value) is kind and kind in _PLAIN and self._is_within(value):
            return value
        return build_runtime_param(param.type_descriptor).coerce(value, param=param, ctx=ctx)

    def _is_within(self, value: Any) -> bool:
        """Tell whether a value is neither below the least nor above the most; of what is no number it is true."""
        least, most = self.parameter_info.min, self.parameter_info.max
        number = value if isinstance(value, int | float) else 0
        return (least is None or number >= least) and (most is None or number <= most)


def _kind_of(annotation: Any) -> Any:
    """Return the one type that values have beside None; `list` for a list of texts, None where there are several."""
    members = get_args(annotation) if get_origin(annotation) in {Union, UnionType} else (annotation,)
    kinds = [member for member in members if member is not NoneType]
    if len(kinds) != 1:
        return None
    return list if kinds[0] == list[str] else kinds[0]


def read_plainly(params: list[Any]) -> list[Any]:
    """Let parameters take plain values as they are; returns them."""
    for param in params:
        if isinstance(param, TyperArgument | TyperOption) and not isinstance(param._runtime_param, PlainValue):  # noqa: SLF001 - see ADR 49
            described = param.type_descriptor
            param._runtime_param = PlainValue(described.parameter_info, described.annotation)  # noqa: SLF001
    return params

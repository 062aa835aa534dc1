"""What stands before the command on the command line: settings that come before the environment's."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

#: Settings by their field's name.
GIVEN: ContextVar[Mapping[str, Any]] = ContextVar("miyabi_given", default=MappingProxyType({}))

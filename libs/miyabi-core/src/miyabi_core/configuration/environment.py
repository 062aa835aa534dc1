"""Reads settings from the environment: durations as people write them, JSON, URLs and addresses that are some."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from miyabi_core.configuration.bad_settings import REDIS_URLS, problems_of, types_of
from miyabi_core.configuration.durations import parse_duration
from miyabi_core.store.address import Address

#: Numbers whose unit is in the setting's name, with the seconds of one: a duration with its own unit is taken too.
_UNITS = {"_seconds": timedelta(seconds=1), "_ms": timedelta(milliseconds=1)}
_NUMBER = re.compile(r"\s*[-+]?[0-9.eE_+-]+\s*")
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]*):[0-9]{1,5}")
_Settings = TypeVar("_Settings", bound=BaseSettings)


class EnvironmentSettings(BaseSettings):
    """Base of everything that is read from the environment."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True, enable_decoding=False)

    @field_validator("*", mode="before")
    @classmethod
    def _read_text(cls, value: Any, info: ValidationInfo) -> Any:
        """Read what pydantic does not, and refuse what would fail only later.

        Raises:
            ValueError: the text is none of the forms that the setting's type has.
        """
        name = str(info.field_name)
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not isinstance(plain, str):
            return value
        return _read(plain, name, types_of(cls.model_fields[name]), given=value)


def _read(text: str, name: str, types: frozenset[Any], *, given: Any) -> Any:
    """Return a setting's text as pydantic goes on with it."""
    if timedelta in types:
        found = parse_duration(text)
        return text.strip() if found is None else found
    unit = next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), None)
    if unit is not None and types & {int, float}:
        found = None if _NUMBER.fullmatch(text) else parse_duration(text)
        return text if found is None else found / unit
    if types & {dict, list}:
        return _json(text)
    if text and name.endswith("_url"):
        _check_url(text, name)
    elif text and (name == "address" or name.endswith("_address")):
        _check_address(text)
    return given


def _json(text: str) -> Any:
    """Read JSON.

    Raises:
        ValueError: it is none.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
        raise ValueError(f"it is no JSON{where}") from error


def _check_url(text: str, name: str) -> None:
    """Refuse what is no URL of the kind that a setting asks for."""
    if name in REDIS_URLS:
        Address.parse(text)
        return
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or re.search(r"\s", text):
        raise ValueError("it is no URL of a web server")
    _ = parts.port


def _check_address(text: str) -> None:
    """Refuse what is no host:port."""
    if not _ADDRESS.fullmatch(text) or int(text.rpartition(":")[2]) > 65535:
        raise ValueError("it is no host:port")


def read_settings(kind: type[_Settings], *, service: str) -> _Settings:
    """Read a process's settings; where they cannot be used, end with a line in the log for each.

    Args:
        kind: Which settings.
        service: Name of the process in its log.

    Raises:
        SystemExit: with EXIT_REFUSED; a setting cannot be used.
    """
    try:
        return kind()
    except ValidationError as error:
        from miyabi_core.lifecycle import EXIT_REFUSED  # noqa: PLC0415 - a command reads settings too, and logs nothing
        from miyabi_core.logging import configure_logging, get_logger  # noqa: PLC0415

        configure_logging(service=service)
        for problem in problems_of(kind, error):
            get_logger(__name__).error("service.refused", problem=problem)
        raise SystemExit(EXIT_REFUSED) from None

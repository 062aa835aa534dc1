"""Settings of calls: those that are read plainly are those that the command's settings have."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import pytest
from test_commands import miyabi

from miyabi_cli.caller import VARIABLES, Caller, caller_of, read_caller
from miyabi_cli.errors import SettingsError
from miyabi_cli.settings import CliSettings
from miyabi_core.configuration.bad_settings import variables_of


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process has no variable of ours."""
    for name in os.environ:
        if name.upper().startswith(("MIYABI_", "DASHBOARD_")):
            monkeypatch.delenv(name)


def seen(caller: Caller) -> dict[str, object]:
    """Return what a caller has; a token by what it is."""
    found = {field.name: getattr(caller, field.name) for field in fields(caller)}
    return {**found, "token": caller.token() if caller.token is not None else None}


def test_each_setting_has_the_variables_that_the_commands_settings_have() -> None:
    """Names and their order are one thing in two places."""
    assert {name: tuple(variables_of(CliSettings, name)) for name in VARIABLES} == dict(VARIABLES)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"MIYABI_COORDINATOR": "a.example:1", "MIYABI_DASHBOARD": "b.example:2", "MIYABI_TOKEN": "secret"},
        {"MIYABI_TLS_CA_FILE": "system", "MIYABI_TLS_CERT_FILE": "/c.pem", "MIYABI_TLS_KEY_FILE": "/k.pem"},
        {"MIYABI_TLS_CA_FILE": "/ca.pem", "MIYABI_TOKEN_FILE": "/token", "MIYABI_ALLOW_PLAINTEXT": "True"},
        {"miyabi_coordinator": "small.example:1", "MIYABI_ALLOW_PLAINTEXT": "0"},
        {"DASHBOARD_SERVER_URL": "http://old.example:3001"},
        {"DASHBOARD_SERVER_URL": "http://old.example:3001", "MIYABI_DASHBOARD_URL": "https://new.example/x"},
        {"MIYABI_DASHBOARD_URL": "http://[::1]:3001", "MIYABI_ALLOW_PLAINTEXT": "yes"},
        {"MIYABI_TOKEN_FILE": "", "MIYABI_TOKEN": ""},
    ],
)
def test_what_is_read_plainly_is_what_the_commands_settings_read(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    """Whichever reads them, the values are the same."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert seen(read_caller(dict(os.environ), {})) == seen(caller_of(CliSettings.read({})))


def test_the_command_line_comes_before_the_environment() -> None:
    """As with all settings."""
    found = read_caller({"MIYABI_TOKEN_FILE": "/of/the/environment"}, {"identity_token_file": Path("/given")})
    assert found.identity_token_file == Path("/given")


@pytest.mark.parametrize(
    ("variable", "value"),
    [("MIYABI_ALLOW_PLAINTEXT", "soonish"), ("MIYABI_DASHBOARD_URL", "nowhere"), ("MIYABI_DASHBOARD_URL", "http://a:99999")],
)  # fmt: skip
def test_a_value_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    """With the words of the command's settings."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"^{variable}='{value}' cannot be used"):
        read_caller(dict(os.environ), {})


async def test_each_bad_setting_has_its_line() -> None:
    """Two that cannot be used are said in two lines, before anything is asked."""
    code, output, errors = await miyabi("batches", MIYABI_ALLOW_PLAINTEXT="soonish", MIYABI_DASHBOARD_URL="nowhere")
    assert (code, output) == (2, "")
    assert sorted(line.split("=")[0] for line in errors.splitlines()) == [
        "error: MIYABI_ALLOW_PLAINTEXT",
        "error: MIYABI_DASHBOARD_URL",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("batches", "--limit", "0"), "greater than or equal to 1"),
        (("batches", "--limit", "many"), "a valid integer"),
        (("batches", "--every", "0.1"), "greater than or equal to 0.2"),
    ],
)
async def test_a_bad_value_has_the_parsers_words(arguments: tuple[str, ...], said: str) -> None:
    """What is not plainly right is looked at by the parser, whose errors people see."""
    code, output, errors = await miyabi(*arguments)
    assert (code, output) == (2, "")
    assert said in errors

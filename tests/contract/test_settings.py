"""Every setting of every process takes the values that it says it takes, and names itself where it gets another."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings

from miyabi_agents.settings import AgentsSettings, SandboxSettings
from miyabi_cli.settings import CliSettings
from miyabi_coordinator.settings import CoordinatorSettings
from miyabi_core.configuration.bad_settings import problems_of, types_of
from miyabi_core.configuration.environment import EnvironmentSettings
from miyabi_core.store.cluster_keeper import KeeperSettings
from miyabi_core.telemetry.settings import OtlpSettings
from miyabi_dashboard.settings import DashboardSettings
from miyabi_github_gateway.settings import GatewaySettings

#: Settings of each process.
KINDS = (
    AgentsSettings, SandboxSettings, CliSettings, CoordinatorSettings, KeeperSettings, DashboardSettings, GatewaySettings,
    OtlpSettings,
)  # fmt: skip
#: A duration as people write it.
DURATIONS = {
    "20": 20, "20s": 20, "20 s": 20, "PT20S": 20, "15 min": 900, "1h30m": 5400, "30 days": 2592000, "P30D": 2592000,
}  # fmt: skip
#: What is required where nothing else is set.
REQUIRED = {KeeperSettings: {"MIYABI_CLUSTER_KEEPER_SERVERS": "redis://a,b,c/0?cluster=true"}}
#: What else has to be set so that a value is allowed.
TOGETHER = {
    "pacing_scale": {"MIYABI_GITHUB_GATEWAY_SIMULATED": "1"},
    "time_scale": {"MIYABI_GITHUB_GATEWAY_SIMULATED": "1"},
}


def variable_of(kind, name):
    """Return the variable of a setting."""
    alias = kind.model_fields[name].validation_alias
    first = alias if isinstance(alias, str) else alias.choices[0] if alias else None
    return first or f"{kind.model_config['env_prefix']}{name}".upper()


def cases():
    """Return each setting whose values have a form, with a good value and a bad one."""
    found = []
    for kind in KINDS:
        for name, field in kind.model_fields.items():
            if values := _values(name, types_of(field), field):
                found.append(pytest.param(kind, name, *values, id=f"{kind.__name__}.{name}"))
    return found


#: A good value and a bad one by type.
OF_TYPE = {timedelta: ("15 min", "soon"), bool: ("true", "perhaps"), dict: ('{"PLAN": 3}', '{"PLAN": ')}
#: The same by the end of a setting's name.
OF_NAME = {
    "redis_url": ("redis://127.0.0.1:6379/3", "http://127.0.0.1:6379"),
    "cache_url": ("redis://127.0.0.1:6379/3", "http://127.0.0.1:6379"),
    "_endpoint": ("http://127.0.0.1:4318", "nowhere"),
    "_url": ("https://example.test/base", "example.test"),
    "address": ("127.0.0.1:5000", "nowhere"),
    "log_level": ("WARNING", "loud"),
    "agent_id": ("agent-1", "no agent id"),
}


def _values(name, types, field):
    """Return a good value and a bad one of a setting; None where any text will do."""
    if types & {int, float} and bool not in types:
        lowest = next((entry.ge for entry in field.metadata if getattr(entry, "ge", None) is not None), 1)
        return str(max(lowest, 1)), "many"
    of_type = next((values for kind, values in OF_TYPE.items() if kind in types), None)
    return of_type or next((values for end, values in OF_NAME.items() if name.endswith(end)), None)


@pytest.fixture
def environment(monkeypatch):
    """Sets variables of the process, which has none of ours otherwise."""
    for name in os.environ:
        if name.upper().startswith(("MIYABI_", "GRAPH_", "GITHUB_", "GH_", "ANTHROPIC_", "DASHBOARD_", "OTEL_")):
            monkeypatch.delenv(name)

    def given(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return given


@pytest.mark.parametrize(("kind", "name", "good", "bad"), cases())
def test_setting_takes_a_good_value_and_names_a_bad_one(environment, kind, name, good, bad):
    """A good value is read; a bad one is said in one line with its variable, unless secret its value, and what it may be."""
    variable = variable_of(kind, name)
    environment(**REQUIRED.get(kind, {}), **TOGETHER.get(name, {}), **{variable: good})
    assert getattr(kind(), name) is not None
    environment(**{variable: bad})
    with pytest.raises(ValidationError) as caught:
        kind()
    said = [line for line in problems_of(kind, caught.value) if line.startswith(f"{variable}=")]
    secret = SecretStr in types_of(kind.model_fields[name])
    assert len(said) == 1
    assert said[0].startswith(f"{variable}={'(not shown)' if secret else repr(bad)} cannot be used")
    assert "it may be " in said[0]
    assert not secret or bad not in said[0]
    assert "\n" not in said[0]


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in KINDS for name, field in kind.model_fields.items() if timedelta in types_of(field)],
)
@pytest.mark.parametrize("text", DURATIONS)
def test_duration_is_read_as_people_write_it(environment, kind, name, text):
    """Each setting that is a duration takes each of the forms that the README shows."""
    environment(**REQUIRED.get(kind, {}), **{variable_of(kind, name): text})
    assert getattr(kind(), name) == timedelta(seconds=DURATIONS[text])


@pytest.mark.parametrize(
    ("kind", "name", "text", "value"),
    [
        (GatewaySettings, "answer_seconds", "20 s", 20.0),
        (GatewaySettings, "answer_seconds", "2.5", 2.5),
        (GatewaySettings, "webhook_replay_seconds", "1h30m", 5400),
        (GatewaySettings, "cache_ttl_ms", "5 min", 300_000),
        (DashboardSettings, "graph_cache_ttl_ms", "2 s", 2000),
    ],
)
def test_number_whose_unit_is_in_its_name_takes_a_duration_too(environment, kind, name, text, value):
    """A value that brings its own unit is counted in the setting's."""
    environment(**{variable_of(kind, name): text})
    assert getattr(kind(), name) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"PLAN": 0}', "PLAN: a limit is at least 1"),
        ('{"COOK": 1}', "COOK is no kind of task"),
        ('{"PLAN": "x"}', "KIND_LIMITS['PLAN']='x'"),
        ("[1]", "KIND_LIMITS='[1]'"),
        ("[" * 100_000, "it is no JSON"),
        ("-" * 500, "…' cannot be used"),
    ],
)
def test_json_names_what_is_wrong_in_it(environment, text, said):
    """What is no JSON, or JSON of another shape, is said where it is."""
    environment(MIYABI_COORDINATOR_KIND_LIMITS=text)
    with pytest.raises(ValidationError) as caught:
        CoordinatorSettings()
    (line,) = problems_of(CoordinatorSettings, caught.value)
    assert said in line
    assert len(line) < 500


def test_variable_is_named_by_the_name_that_is_set(environment):
    """Of several names of one setting, the line has the one that the environment has."""
    environment(GRAPH_CACHE_TTL="often")
    with pytest.raises(ValidationError) as caught:
        GatewaySettings()
    assert [line.split("=")[0] for line in problems_of(GatewaySettings, caught.value)] == ["GRAPH_CACHE_TTL"]


def test_rule_on_several_settings_shows_no_value(environment):
    """What two settings break together is said without what they hold, which may be secret."""
    environment(MIYABI_GITHUB_GATEWAY_APP_ID="1", MIYABI_GITHUB_GATEWAY_TOKEN="hunter2-hunter2")
    with pytest.raises(ValidationError) as caught:
        GatewaySettings()
    assert problems_of(GatewaySettings, caught.value) == [
        "MIYABI_GITHUB_GATEWAY_…: app_id and app_key (or app_key_file) belong together"
    ]


def _subclasses(kind):
    """Return all subclasses of a class."""
    return {found for direct in kind.__subclasses__() for found in (direct, *_subclasses(direct))}


def test_every_class_of_settings_is_tested_here():
    """Whatever is read from an environment has the one base, and those that a process reads are in the list above."""
    ours = {kind for kind in _subclasses(BaseSettings) if kind.__module__.startswith("miyabi")}
    assert ours - {EnvironmentSettings} == {kind for kind in ours if issubclass(kind, EnvironmentSettings)} - {
        EnvironmentSettings
    }
    with_prefix = {kind for kind in ours if kind.model_config.get("env_prefix")}
    # One that reads the same as another and only answers otherwise is tested with that one.
    same = {kind for kind in with_prefix for base in KINDS if kind in _subclasses(base) and not _adds(kind, base)}
    assert with_prefix - same == set(KINDS)


def _adds(kind, base):
    """Return the settings that a class has beside those of another."""
    return kind.model_fields.keys() - base.model_fields.keys()


@pytest.mark.parametrize(
    ("module", "variable"),
    [
        ("miyabi_coordinator", "MIYABI_COORDINATOR_RETENTION"),
        ("miyabi_github_gateway", "MIYABI_GITHUB_GATEWAY_DRAIN_DELAY"),
        ("miyabi_dashboard", "MIYABI_DASHBOARD_DRAIN_DELAY"),
        ("miyabi_agents", "MIYABI_AGENTS_DRAIN"),
        ("miyabi_agents.sandbox", "MIYABI_SANDBOX_DRAIN_DELAY"),
        ("miyabi_core.store.cluster_keeper", "MIYABI_CLUSTER_KEEPER_INTERVAL"),
        ("miyabi_cli", "MIYABI_ALLOW_PLAINTEXT"),
    ],
)
def test_process_with_a_bad_setting_ends_with_one_line_and_code_2(module, variable):
    """No trace, no second line for the same thing: the variable, its value, what it may be, exit code 2."""
    required = REQUIRED[KeeperSettings]
    words = ["batches"] if module == "miyabi_cli" else []
    done = subprocess.run(  # the interpreter that runs the tests
        [sys.executable, "-m", module, *words],
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **required, variable: "soonish"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    assert (done.returncode, len([line for line in lines if variable in line])) == (2, 1)
    assert "Traceback" not in done.stderr
    assert "soonish" in done.stderr
    assert "it may be " in " ".join(lines)

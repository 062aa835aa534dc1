"""The reference has whatever the sources have, and no more: it is made from them each time that the site is built."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool

import miyabi.common.v1.errors_pb2
import miyabi.coordinator.v1.coordinator_service_pb2
import miyabi.coordinator.v1.dispatch_service_pb2
import miyabi.dashboard.v1.telemetry_service_pb2
import miyabi.github_gateway.v1.github_gateway_service_pb2
import miyabi.keda.v1.external_scaler_pb2  # noqa: F401 - the pool knows what was imported
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi_agents.verification.config import RepositoryConfig, TargetRule
from miyabi_cli.manual.words import WORDS
from miyabi_core.configuration.bad_settings import variables_of
from scripts.docs.reference import write_reference
from scripts.docs.reference.comments import field_comments
from scripts.docs.reference.described import described
from scripts.docs.reference.http import served
from scripts.docs.reference.metrics import rows_of
from scripts.docs.reference.settings import PROCESSES
from scripts.docs.tree import ROOT, WRITTEN
from tests.contract.test_settings import KINDS


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The pages by their place, made as a build makes them."""
    folder = tmp_path_factory.mktemp("reference")
    write_reference(folder)
    return {
        path.relative_to(folder / "reference").as_posix(): path.read_text(encoding="utf-8")
        for path in (folder / "reference").rglob("*.*")
    }


def first_cells(text):
    """Return the names that the rows of a page's tables begin with."""
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def test_every_interface_is_there_with_every_field(reference) -> None:
    """By the descriptors of the stubs that run: services with their RPCs, messages with their fields, enums."""
    pool = descriptor_pool.Default()
    for file in described():
        known = pool.FindFileByName(file.name)
        assert sorted(service.name for service in file.services) == sorted(
            service.full_name for service in known.services_by_name.values()
        )
        for service in file.services:
            methods = pool.FindServiceByName(service.name).methods_by_name
            assert [method.name for method in service.methods] == list(methods)
            listed = reference["rpcs.md"].partition(f"## {service.name}\n")[2].partition("\n## ")[0]
            assert [name for name in methods if f"| [{name}](" not in listed] == []
        for message in file.messages:
            kind = (
                pool.FindEnumTypeByName(message.name) if message.is_enum else pool.FindMessageTypeByName(message.name)
            )
            there = list(kind.values_by_name) if message.is_enum else [field.name for field in kind.fields]
            assert [field.name for field in message.fields] == there
    text = "".join(page for place, page in reference.items() if place.startswith("interfaces/"))
    anchors = re.findall(r"\{ #([\w.]+) \}", text)
    assert sorted(set(anchors)) == sorted(anchors)
    assert {message.name for file in described() for message in file.messages} <= set(anchors)


def test_every_rpc_and_field_says_what_it_is() -> None:
    """No cell of the reference is empty for want of a comment in the protos."""
    undocumented = [
        f"{message.name}.{field.name}"
        for file in described()
        for message in file.messages
        for field in message.fields
        if not field.comment and not field.name.endswith("_UNSPECIFIED")
    ]
    assert undocumented == []
    assert [
        method.name for file in described() for one in file.services for method in one.methods if not method.comment
    ] == []


def test_every_event_is_listed(reference) -> None:
    """Each field of the payload, and beside them each that every event has."""
    payload = [field.name for field in BatchEvent.DESCRIPTOR.oneofs_by_name["payload"].fields]
    cells = first_cells(reference["events.md"])
    assert [name for name in cells if name in payload] == payload
    assert sorted(cells) == sorted(field.name for field in BatchEvent.DESCRIPTOR.fields)


def test_every_setting_is_listed_with_what_it_means(reference) -> None:
    """Each variable of each process that reads settings, with its comment and what it may be."""
    assert {kind for _, kind in PROCESSES} == set(KINDS)
    text = reference["settings.md"]
    for name, kind in PROCESSES:
        section = text.partition(f"## {name}\n")[2].partition("\n## ")[0]
        comments = field_comments(kind)
        assert [field for field in kind.model_fields if not comments.get(field)] == []
        for field in kind.model_fields:
            row = "| " + ", ".join(f"`{variable}`" for variable in variables_of(kind, field)) + " | "
            assert row in section, row


def test_the_settings_tell_nothing_of_the_machine(reference) -> None:
    """A default that depends on whose home it is says `~`."""
    assert "`~/.local/share/miyabi`" in reference["settings.md"] or "Application Support" in reference["settings.md"]
    assert [place for place, text in reference.items() if f"{Path.home()}/" in text or str(ROOT) in text] == []


def test_every_field_of_the_repository_file_is_listed(reference) -> None:
    """Each section with its fields and their comments."""
    text = reference["repository-file.md"]
    sections = {name: field.annotation for name, field in RepositoryConfig.model_fields.items()}
    for name, kind in {**sections, "Entries of test.targets": TargetRule}.items():
        section = text.partition(f"## {name}\n")[2].partition("\n## ")[0]
        assert first_cells(section) == list(kind.model_fields)
        assert field_comments(kind).keys() == kind.model_fields.keys()


def test_every_word_of_the_command_is_listed_with_its_own_help(reference) -> None:
    """As `miyabi WORD --help` prints it."""
    text = reference["command.md"]
    assert sorted(re.findall(r"^### miyabi (\S+)$", text, re.MULTILINE)) == sorted(word.name for word in WORDS)
    for word in WORDS:
        section = text.partition(f"### miyabi {word.name}\n")[2].partition("\n### ")[0]
        assert f"Usage: miyabi {word.name}" in section
        assert [example.line for example in word.examples if example.line not in section] == []


def test_every_metric_is_listed(reference) -> None:
    """Each row of the page that people write, once, by name."""
    rows = rows_of((WRITTEN / "telemetry.md").read_text(encoding="utf-8"))
    cells = first_cells(reference["metrics.md"])
    assert cells == sorted(name for name, *_ in rows)
    assert "miyabi_queue_tasks" in cells


async def test_every_path_of_http_is_listed(reference, tmp_path) -> None:
    """As a dashboard describes itself, with each parameter; the description lies beside the page."""
    description = await served(tmp_path)
    headings = re.findall(r"^## (.+)$", reference["http.md"], re.MULTILINE)
    assert headings == [
        f"{method.upper()} {path}" for path, methods in description["paths"].items() for method in methods
    ]
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            section = reference["http.md"].partition(f"## {method.upper()} {path}\n")[2].partition("\n## ")[0]
            assert [entry["name"] for entry in operation["parameters"] if f"| `{entry['name']}` |" not in section] == []
    assert '"openapi"' in reference["openapi.json"]

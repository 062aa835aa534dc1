"""The command with tokens: how it shows one, what it says where it may not, the audit, and new tokens."""

from __future__ import annotations

import json
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from identity_files import entry, new_token, write_identities
from scripted_coordinator import BATCH, NAME, ScriptedCoordinator, story
from test_commands import miyabi

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import add_CoordinatorServiceServicer_to_server
from miyabi_coordinator.policy import POLICY
from miyabi_core.access.identities import Identities
from miyabi_core.access.security import ServerSecurity
from miyabi_core.testing import running_server


class AuditedCoordinator(ScriptedCoordinator):
    """Has three audit entries, in pages of two."""

    asked: list[pb.ListAuditEntriesRequest]

    async def ListAuditEntries(  # noqa: N802 - the proto's name
        self, request: pb.ListAuditEntriesRequest, context: Any
    ) -> pb.ListAuditEntriesResponse:
        """Answer a page."""
        self.asked = [*getattr(self, "asked", []), request]
        entries = [
            pb.AuditEntry(actor="olga", method="CancelBatch", resource=BATCH, code="OK"),
            pb.AuditEntry(actor="", method="DrainAgent", resource="agents/a", code="UNAUTHENTICATED"),
            pb.AuditEntry(actor="sam", method="SubmitBatch", resource=BATCH, code="OK"),
        ]
        start = int(request.page_token or 0)
        page = entries[start : start + min(2, request.page_size)]
        end = start + len(page)
        return pb.ListAuditEntriesResponse(entries=page, next_page_token=str(end) if end < len(entries) else "")


@asynccontextmanager
async def guarded(folder: Path) -> AsyncIterator[tuple[str, AuditedCoordinator, dict[str, Path]]]:
    """Serve a coordinator that knows an operator and a viewer; yields their token files."""
    tokens = {name: new_token() for name in ("operator", "viewer")}
    files = {}
    for name, token in tokens.items():
        files[name] = folder / f"{name}.token"
        files[name].write_text(f"{token}\n")
    path = write_identities(folder / "identities.yaml", *(entry(name, name, token=tokens[name]) for name in tokens))
    servicer = AuditedCoordinator(story())
    registration = (add_CoordinatorServiceServicer_to_server, servicer, NAME)
    security = ServerSecurity(identities=Identities(path))
    async with running_server(registration, security=security, policy=POLICY) as target:
        yield target, servicer, files


@pytest.mark.parametrize("way", ["option", "file", "variable"])
async def test_token_comes_from_a_file_or_the_environment(way: str, tmp_path: Path) -> None:
    """The option, the file of the environment and the variable itself all let the command in."""
    async with guarded(tmp_path) as (target, _, files):
        token = files["viewer"].read_text().strip()
        options = ["--token-file", str(files["viewer"])] if way == "option" else []
        variables = {"file": {"MIYABI_TOKEN_FILE": str(files["viewer"])}, "variable": {"MIYABI_TOKEN": token}}
        code, output, errors = await miyabi(*options, "batches", target=target, **variables.get(way, {}))
    assert code == 0, errors
    assert token not in output + errors


@pytest.mark.parametrize(
    ("name", "target", "words"),
    [
        ("", "", "MIYABI_TOKEN_FILE"), ("viewer", "", "lacks the role submitter"), ("none", "", "none.token"),
        ("viewer", "coordinator.example:50051", "MIYABI_TLS_CA_FILE"),
    ],
)  # fmt: skip
async def test_refusals_say_what_to_do(name: str, target: str, words: str, tmp_path: Path) -> None:
    """The setting or the role that is missing is named, in words of one line, and nothing is submitted."""
    async with guarded(tmp_path) as (address, servicer, _):
        options = ["--token-file", str(tmp_path / f"{name}.token")] if name else []
        code, _, errors = await miyabi(*options, "submit", "a/b", "--issues", "7", target=target or address)
        assert servicer.submitted == []
    assert code == 2
    assert words in errors
    assert "Traceback" not in errors


async def test_audit_is_a_table_or_lines(tmp_path: Path) -> None:
    """Every entry within the limit is shown, through pages; filters are passed on."""
    async with guarded(tmp_path) as (target, servicer, files):
        operator = ("--token-file", str(files["operator"]))
        code, output, errors = await miyabi(*operator, "audit", target=target)
        assert code == 0, errors
        for cell in ("olga", "CancelBatch", "(not known)", "UNAUTHENTICATED", "SubmitBatch", BATCH):
            assert cell in output
        code, output, _ = await miyabi(
            *operator, "audit", "--json", "--limit", "2", "--actor", "olga", "--batch", BATCH, target=target
        )
        lines = [json.loads(line) for line in output.splitlines()]
        assert (code, [line["method"] for line in lines]) == (0, ["CancelBatch", "DrainAgent"])
        asked = servicer.asked[-1]
        assert (asked.actor, asked.resource, asked.page_size) == ("olga", BATCH, 2)


async def test_audit_takes_an_operator(tmp_path: Path) -> None:
    """A viewer learns which role it takes."""
    async with guarded(tmp_path) as (target, _, files):
        code, _, errors = await miyabi("--token-file", str(files["viewer"]), "audit", target=target)
    assert (code, "operator" in errors) == (2, True)


async def test_new_token_opens_what_its_entry_says(tmp_path: Path) -> None:
    """The entry goes to the output, the token to a file of one's own that is not overwritten."""
    out = tmp_path / "olga.token"
    code, output, errors = await miyabi("token", "olga", "--role", "operator", "--out", str(out))
    assert code == 0, errors
    path = tmp_path / "identities.yaml"
    path.write_text(yaml.safe_dump({"identities": yaml.safe_load(output)}))
    token = out.read_text().strip()
    assert Identities(path).by_token(token).identity.name == "olga"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert token not in output + errors


@pytest.mark.parametrize(("role", "words"), [("operator", "exists already"), ("god", "submitter")])
async def test_token_is_not_made_twice_nor_for_a_role_that_is_none(role: str, words: str, tmp_path: Path) -> None:
    """A file that is there stays as it is, and a wrong role is answered with the right ones."""
    out = tmp_path / "olga.token"
    out.write_text("precious")
    code, output, errors = await miyabi("token", "olga", "--role", role, "--out", str(out))
    assert (code, output, out.read_text()) == (2, "", "precious")
    assert words in errors

"""Grants: what is signed is what is read, nothing else is believed, and nothing beyond it is covered."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from echo_service import NAME, EchoService, add_to_server
from grant_samples import TASK, grant_of, new_key, signed
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_core.access.identity import LOCAL, Identity, Role
from miyabi_core.channel import open_channel
from miyabi_core.errors import FailedPreconditionError, MiyabiError, PermissionDeniedError
from miyabi_core.grants import (
    GRANT_HEADER,
    SKEW,
    Grant,
    GrantChecker,
    GrantKeys,
    GrantKeySettings,
    Wanted,
    Write,
    bind_grant,
    branch_of,
    read,
    sign,
)
from miyabi_core.grants import tokens as grant_tokens
from miyabi_core.logging import redact_text
from miyabi_core.testing import running_server

KEY = new_key()
SECONDS = st.integers(0, 4_000_000_000).map(lambda number: datetime.fromtimestamp(number, UTC))
NAMES = st.text(min_size=1, max_size=60)
GRANTS = st.builds(
    Grant, task=NAMES, fencing_token=st.integers(1, 2**63 - 1), agent=NAMES, repository=NAMES,
    issue=st.integers(1, 2**31 - 1), writes=st.frozensets(st.sampled_from(Write)), branch=NAMES, base_branch=NAMES,
    not_before=SECONDS, expires=SECONDS,
)  # fmt: skip
#: Everything that a grant of `grant_of` covers.
COVERED = Wanted(Write.PULL_REQUEST, "acme/toy", issue=7, branch=branch_of(TASK), base_branch="main")


def reason_of(act: Callable[[], object]) -> str:
    """Return why something is refused; "" where it is not."""
    try:
        act()
    except MiyabiError as error:
        return error.reason
    return ""


@given(GRANTS)
def test_what_is_signed_is_what_is_read(grant: Grant) -> None:
    """Every grant comes back whole, whatever stands in its names."""
    assert read(sign(grant, KEY.encode()), [KEY.encode()]) == grant


@given(st.data())
def test_changed_anywhere_it_is_worth_nothing(data: st.DataObject) -> None:
    """One character that is another, one more or one fewer: refused, the last bits of the signature too."""
    text = signed(KEY)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(max_codepoint=0x2FF).filter(lambda one: one != text[place]))
    changed = data.draw(
        st.sampled_from(
            [
                text[:place] + other + text[place + 1 :],
                text[:place] + other + text[place:],
                text[:place] + text[place + 1 :],
                text[: place + 1],
            ]
        ).filter(lambda one: one != text)
    )
    assert reason_of(lambda: read(changed, [KEY.encode()])) == "GRANT_INVALID"


def test_every_spelling_of_the_last_character_but_one_is_refused() -> None:
    """A decoder would take four spellings of the signature's end for the same bytes; one is taken here."""
    text = signed(KEY)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    taken = [one for one in alphabet if not reason_of(lambda one=one: read(text[:-1] + one, [KEY.encode()]))]
    assert taken == [text[-1]]


@given(st.text(max_size=300) | st.text(alphabet="eyJhbGciO.-_=", max_size=5000))
def test_nonsense_is_refused_with_one_error(text: str) -> None:
    """Whatever a stranger sends, the answer is the same."""
    assert reason_of(lambda: read(text, [KEY.encode()])) == "GRANT_INVALID"


def claims_of(text: str) -> dict[str, Any]:
    """Return what a grant says, unchecked."""
    return jwt.decode(text, options={"verify_signature": False})


@pytest.mark.parametrize(
    "forge",
    [
        lambda claims: jwt.encode(claims, "", algorithm="none", headers={"typ": grant_tokens.TYPE}),
        lambda claims: jwt.encode(claims, new_key(), algorithm="HS256", headers={"typ": grant_tokens.TYPE}),
        lambda claims: jwt.encode(claims, KEY, algorithm="HS256"),
        lambda claims: jwt.encode(claims, KEY * 2, algorithm="HS512", headers={"typ": grant_tokens.TYPE}),
        lambda claims: jwt.encode({**claims, "aud": "another"}, KEY, headers={"typ": grant_tokens.TYPE}),
        lambda claims: jwt.encode({**claims, "iss": "another"}, KEY, headers={"typ": grant_tokens.TYPE}),
        lambda claims: jwt.encode({**claims, "writes": ["all"]}, KEY, headers={"typ": grant_tokens.TYPE}),
        lambda claims: jwt.encode({**claims, "exp": 1e300}, KEY, headers={"typ": grant_tokens.TYPE}),
        lambda claims: jwt.encode(
            {name: value for name, value in claims.items() if name != "exp"}, KEY, headers={"typ": grant_tokens.TYPE}
        ),
    ],
    ids=["none", "another key", "another kind", "another algorithm", "audience", "issuer", "writes", "time", "endless"],
)
def test_other_signed_tokens_are_no_grants(forge: Callable[[dict[str, Any]], str]) -> None:
    """Without signature, under another key, of another kind, for another reader, or incomplete: none is believed."""
    assert reason_of(lambda: read(forge(claims_of(signed(KEY))), [KEY.encode()])) == "GRANT_INVALID"


@pytest.mark.parametrize(
    ("wanted", "caller", "what"),
    [
        (COVERED, LOCAL, ""),
        (replace(COVERED, repository="ACME/Toy"), LOCAL, ""),
        (COVERED, Identity("agent-1", frozenset({Role.AGENT}), ("agent-1", "agent-1-*")), ""),
        (COVERED, Identity("agent-2", frozenset({Role.AGENT}), ("agent-2",)), "agent"),
        (replace(COVERED, repository="acme/other"), LOCAL, "repository"),
        (replace(COVERED, write=Write.ISSUE), LOCAL, "kind of write"),
        (replace(COVERED, issue=8), LOCAL, "issue"),
        (replace(COVERED, branch="miyabi/issue-8"), LOCAL, "branch"),
        (replace(COVERED, branch=""), LOCAL, "branch"),
        (replace(COVERED, base_branch="release"), LOCAL, "base branch"),
    ],
)
def test_nothing_beyond_it_is_covered(wanted: Wanted, caller: Identity, what: str) -> None:
    """Another agent, repository, kind, issue or branch is refused, and the refusal says which."""
    checker = GrantChecker(GrantKeys(KEY))
    text = signed(KEY, writes=frozenset(Write) - {Write.ISSUE})
    if not what:
        assert checker.check(text, wanted, caller=caller).task == TASK
        return
    with pytest.raises(PermissionDeniedError) as caught:
        checker.check(text, wanted, caller=caller)
    assert (caught.value.reason, caught.value.metadata) == ("GRANT_TOO_NARROW", {"task": TASK, "what": what})


def test_it_holds_for_its_time_and_the_skew_of_clocks() -> None:
    """From its beginning to its end, give or take the skew; not a second beyond."""
    grant = grant_of()
    second = timedelta(seconds=1)
    moments = {
        grant.not_before - SKEW - second: "GRANT_EXPIRED",
        grant.not_before - SKEW: "",
        grant.expires + SKEW - second: "",
        grant.expires + SKEW: "GRANT_EXPIRED",
    }
    text = sign(grant, KEY.encode())
    found = {
        moment: reason_of(
            lambda moment=moment: GrantChecker(GrantKeys(KEY), clock=lambda: moment).check(text, COVERED, caller=LOCAL)
        )
        for moment in moments
    }
    assert found == moments


def test_no_grant_is_said_to_be_missing() -> None:
    """Who shows none hears that one is needed."""
    assert reason_of(lambda: GrantChecker(GrantKeys(KEY)).check("", COVERED, caller=LOCAL)) == "GRANT_MISSING"


def test_keys_are_exchanged_while_both_serve(tmp_path: Path) -> None:
    """Through the steps of a rotation grants of the old key hold until it is gone, and those of the new one from the first."""
    old, new, path = new_key(), new_key(), tmp_path / "keys"
    path.write_text(old)
    keys = GrantKeys(path=path)
    texts = {"old": signed(old), "new": signed(new)}

    def holding() -> list[str]:
        return [name for name, text in texts.items() if not reason_of(lambda text=text: read(text, keys.all()))]

    steps = []
    for content in (old, f"{old}\n{new}\n", f"{new}\n{old}\n", f"{new}\n"):
        path.write_text(content)
        steps.append((keys.all()[0] == old.encode(), holding()))
    assert steps == [(True, ["old"]), (True, ["old", "new"]), (False, ["old", "new"]), (False, ["new"])]


def test_a_file_that_holds_no_key_later_on_changes_nothing(tmp_path: Path) -> None:
    """Half a rotation does not lock everyone out: the keys that were there stay, and the log says so."""
    path = tmp_path / "keys"
    path.write_text(KEY)
    keys = GrantKeys(path=path)
    for content in ("", "short", " ".join(new_key() for _ in range(5))):
        path.write_text(content)
        assert keys.all() == (KEY.encode(),)
    path.unlink()
    assert keys.all() == (KEY.encode(),)


@pytest.mark.parametrize("text", ["", "   ", "k" * 31, f"{'k' * 43} short", " ".join("k" * 43 for _ in range(5))])
def test_a_key_that_is_none_is_refused_at_the_start(text: str, tmp_path: Path) -> None:
    """No key, a short one or too many: the process does not start, whether they came by file or not."""
    path = tmp_path / "keys"
    path.write_text(text)
    for make in (lambda: GrantKeys(text), lambda: GrantKeys(path=path), lambda: GrantKeys(path=tmp_path / "none")):
        with pytest.raises(FailedPreconditionError):
            make()


def test_settings_name_one_key_or_none(tmp_path: Path) -> None:
    """The value, the file, neither, but not both."""
    path = tmp_path / "keys"
    path.write_text(KEY)
    by_value = GrantKeys.of(GrantKeySettings(grant_key=SecretStr(KEY)))
    by_file = GrantKeys.of(GrantKeySettings(grant_key_file=path))
    assert by_value is not None
    assert by_file is not None
    assert by_value.all() == by_file.all() == (KEY.encode(),)
    assert GrantKeys.of(GrantKeySettings()) is None
    with pytest.raises(FailedPreconditionError):
        GrantKeys.of(GrantKeySettings(grant_key=SecretStr(KEY), grant_key_file=path))


def test_neither_key_nor_grant_is_shown() -> None:
    """Logs that quote a grant, and whoever prints the keys, show none of it."""
    text = signed(KEY)
    assert redact_text(f"pushed with {text}, refused") == "pushed with [redacted], refused"
    assert KEY not in repr(GrantKeys(KEY))


def test_redaction_of_text_made_to_be_slow_takes_no_time() -> None:
    """Half a megabyte of beginnings of signed tokens is read through in under a second."""
    before = time.process_time()
    redact_text("eyJ" * 170_000)
    redact_text("eyJaaaaaaaa." * 40_000)
    assert time.process_time() - before < 1


async def test_each_task_carries_its_own_grant() -> None:
    """Calls of two tasks side by side carry the grant of their own, of a task without one none, and only where asked."""
    seen: dict[str, str] = {}

    def note(context: Any) -> None:
        metadata = dict(context.invocation_metadata())
        seen[metadata["who"]] = metadata.get(GRANT_HEADER, "")

    async def work(channel: Any, who: str, grant: str, barrier: asyncio.Barrier) -> None:
        bind_grant(grant)
        await barrier.wait()
        method = channel.unary_unary(
            f"/{NAME}/UnaryUnary",
            request_serializer=pb.GetBatchRequest.SerializeToString,
            response_deserializer=pb.GetBatchRequest.FromString,
        )
        await method(pb.GetBatchRequest(name=f"batches/{TASK.split('/')[1]}"), metadata=(("who", who),))

    barrier = asyncio.Barrier(4)
    grants = {"one": secrets.token_hex(8), "two": secrets.token_hex(8), "none": ""}
    async with (
        running_server((add_to_server, EchoService(note), NAME)) as target,
        open_channel(target, service=NAME, carries_grants=True) as carrying,
        open_channel(target, service=NAME) as plain,
        asyncio.TaskGroup() as tasks,
    ):
        for who, grant in grants.items():
            tasks.create_task(work(carrying, who, grant, barrier))
        tasks.create_task(work(plain, "elsewhere", "a grant", barrier))
    assert seen == {**grants, "elsewhere": ""}

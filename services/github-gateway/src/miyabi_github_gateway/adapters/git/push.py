"""What a push asks for, what of it is refused, and how git is told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from miyabi_core.text import shortened
from miyabi_github_gateway.adapters.git.pktline import (
    FLUSH,
    MalformedPktLineError,
    band,
    encode,
    joined_band,
    line_at,
    lines,
)

#: Where agents may push.
ALLOWED_REFS = "refs/heads/miyabi/"
#: Ref names that are passed on: a part of what git allows (git-check-ref-format), without anything to quote.
_REF = re.compile(r"(?!.*(?:\.\.|//|/\.|\.lock(?:/|$)|@\{))refs/heads/miyabi/[A-Za-z0-9._/@+-]{1,200}(?<![./])")
_OID = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")
#: Names longer than that are cut in answers.
_SHOWN = 200


class PushRefusedError(Exception):
    """A push cannot be understood, so that there is no ref to answer for."""


@dataclass(frozen=True)
class RefUpdate:
    """One ref that a push moves from *old* to *new*; an id of zeros means that there is none."""

    old: str
    new: str
    ref: str

    @property
    def creates(self) -> bool:
        """Whether the ref is not there yet."""
        return not self.old.strip("0")

    @property
    def deletes(self) -> bool:
        """Whether the ref is to go."""
        return not self.new.strip("0")


@dataclass(frozen=True)
class PushHead:
    """The list of ref updates at the head of a push, and what else had arrived with it."""

    updates: tuple[RefUpdate, ...]
    capabilities: frozenset[str]
    raw: bytes

    @property
    def is_probe(self) -> bool:
        """Whether it is git's empty request before a large push, which asks whether a push would be let in at all."""
        return not self.updates


class HeadReader:
    """Reads the ref updates at the head of a push as they arrive; in however many pieces, each byte is read once.

    Args:
        most_bytes: Of the list.

    Source: gitprotocol-pack, reference update request.
    """

    def __init__(self, *, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._data = bytearray()
        self._position = 0
        self._updates: list[RefUpdate] = []
        self._capabilities: frozenset[str] = frozenset()

    def feed(self, piece: bytes) -> PushHead | None:
        """Take a piece; None where the list has not arrived whole.

        Raises:
            PushRefusedError: it cannot be understood, is signed, or is too long.
        """
        self._data += piece
        try:
            while (line := line_at(self._data, self._position)) is not None:
                self._position += len(line.raw)
                if self._position > self._most_bytes:
                    break
                if line.data is None:
                    if line.raw != FLUSH:
                        raise PushRefusedError("the push cannot be understood")
                    return PushHead(tuple(self._updates), self._capabilities, bytes(self._data))
                self._take(line.data)
        except MalformedPktLineError as error:
            raise PushRefusedError("the push cannot be understood") from error
        if len(self._data) > self._most_bytes:
            raise PushRefusedError("the push lists too many refs")
        return None

    def _take(self, data: bytes) -> None:
        """Take one line."""
        command, nul, more = data.partition(b"\0")
        if nul:
            self._capabilities = frozenset(more.decode("utf-8", "replace").split())
        if not command.startswith(b"shallow "):
            self._updates.append(_update(command.rstrip(b"\n")))


def _update(command: bytes) -> RefUpdate:
    """Read one `old new ref` line."""
    if command.startswith(b"push-cert"):
        raise PushRefusedError("signed pushes are not taken")
    parts = command.split(b" ", 2)
    if len(parts) != 3 or not _OID.fullmatch(parts[0]) or not _OID.fullmatch(parts[1]):
        raise PushRefusedError("the push cannot be understood")
    return RefUpdate(parts[0].decode(), parts[1].decode(), parts[2].decode("utf-8", "replace"))


def refusal(update: RefUpdate) -> str:
    """Return why an update is refused whatever the branch's history; empty where it is not."""
    if not update.ref.startswith(ALLOWED_REFS):
        return f"agents push below {ALLOWED_REFS} only"
    if _REF.fullmatch(update.ref) is None:
        return "the gateway does not pass such a name on"
    if update.deletes:
        return "agents delete no branch"
    return ""


def report(head: PushHead, reasons: Mapping[str, str]) -> bytes:
    """Return the answer that git shows for a refused push: `! [remote rejected] … (reason)` for each ref.

    Args:
        head: What was pushed.
        reasons: Ref to reason; the other refs of the push were refused with them.

    Source: gitprotocol-pack, report status.
    """
    status = encode(b"unpack ok\n")
    for update in head.updates:
        reason = reasons.get(update.ref, "refused together with another ref of the same push")
        status += encode(f"ng {shortened(update.ref, _SHOWN)} {reason}\n".encode())
    status += FLUSH
    if not {"report-status", "report-status-v2"} & head.capabilities:
        return b""
    if "side-band-64k" not in head.capabilities:
        return status
    said = "".join(f"miyabi: {shortened(ref, _SHOWN)}: {reason}\n" for ref, reason in reasons.items())
    return band(2, said.encode()) + band(1, status) + FLUSH


def accepted(head: PushHead, answer: bytes) -> list[RefUpdate]:
    """Return the updates that GitHub's answer to a push says are done."""
    try:
        status = joined_band(answer, 1) if "side-band-64k" in head.capabilities else answer
        done = {line.data.split()[1] for line in lines(status) if line.data and line.data.startswith(b"ok ")}
    except (MalformedPktLineError, IndexError):
        return []
    return [update for update in head.updates if update.ref.encode() in done]


def all_refused(updates: Iterable[RefUpdate], reason: str) -> dict[str, str]:
    """Return the same reason for each ref."""
    return {update.ref: reason for update in updates}

"""How values lie in the store: a header that scripts compare, a format version, and MessagePack."""

from __future__ import annotations

import struct
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from miyabi_coordinator.adapters.redis_store.unknown import unknown_of, with_unknown
from miyabi_coordinator.models import AgentInfo, Run, Spec
from miyabi_coordinator.models.pacing import PaceTable

#: Of the layout after the header; readers refuse another one.
FORMAT = b"\x01"
#: Version and fencing token, each eight bytes, most significant first.
_HEADER = struct.Struct(">QQ")
_ENCODER = msgspec.msgpack.Encoder()
_RUNS = msgspec.msgpack.Decoder(Run)
_SPECS = msgspec.msgpack.Decoder(Spec)
_AGENTS = msgspec.msgpack.Decoder(AgentInfo)
#: What is read, changed and written again: what a newer version put in it stays.
_Kept = TypeVar("_Kept", Run, PaceTable)


def pack(value: Any) -> bytes:
    """Encode texts and numbers for a script; the server's Lua reads MessagePack without its binary type."""
    return _ENCODER.encode(value)


def encode(value: Run | PaceTable) -> bytes:
    """Return the stored form of a value behind its format, with what a newer writer had in it."""
    known = _ENCODER.encode(replace(value, unknown=b"") if value.unknown else value)
    return FORMAT + with_unknown(known, value.unknown)


def decoded(decoder: msgspec.msgpack.Decoder[_Kept], stored: bytes) -> _Kept:
    """Return the value of a stored form without its format; what only a newer version knows stays with it."""
    value = decoder.decode(stored)
    unknown = unknown_of(stored, _ENCODER.encode(value))
    return replace(value, unknown=unknown) if unknown else value


def version_bytes(version: int) -> bytes:
    """Return a version as it begins a stored run."""
    return version.to_bytes(8, "big")


def encode_run(run: Run) -> bytes:
    """Return the stored form of a run, with what a newer writer had in it."""
    return _HEADER.pack(run.version, run.fence) + encode(run)


def decode_run(value: bytes) -> Run:
    """Return the run of its stored form; fields that an older writer did not know have their defaults.

    Those that only a newer one knows are kept for when it is written again.

    Raises:
        ValueError: another format wrote it.
    """
    start = _HEADER.size + len(FORMAT)
    if value[_HEADER.size : start] != FORMAT:
        raise ValueError(f"unknown format {value[_HEADER.size : start]!r} of a stored run")
    return decoded(_RUNS, value[start:])


def encode_spec(spec: Spec) -> bytes:
    """Return the stored form of a spec."""
    return FORMAT + _ENCODER.encode(spec)


def decode_spec(value: bytes) -> Spec:
    """Return the spec of its stored form."""
    return _SPECS.decode(value[len(FORMAT) :])


def encode_agent(agent: AgentInfo) -> bytes:
    """Return the stored form of an agent."""
    return FORMAT + _ENCODER.encode(agent)


def decode_agent(value: bytes) -> AgentInfo:
    """Return the agent of its stored form."""
    return _AGENTS.decode(value[len(FORMAT) :])

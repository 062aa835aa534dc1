"""How values lie in the store: a header that scripts compare, a format version, and MessagePack."""

from __future__ import annotations

import struct
from typing import Any

import msgspec

from miyabi_coordinator.models import AgentInfo, Run, Spec

#: Of the layout after the header; readers refuse another one.
FORMAT = b"\x01"
#: Version and fencing token, each eight bytes, most significant first.
_HEADER = struct.Struct(">QQ")
_ENCODER = msgspec.msgpack.Encoder()
_RUNS = msgspec.msgpack.Decoder(Run)
_SPECS = msgspec.msgpack.Decoder(Spec)
_AGENTS = msgspec.msgpack.Decoder(AgentInfo)


def pack(value: Any) -> bytes:
    """Encode texts and numbers for a script; the server's Lua reads MessagePack without its binary type."""
    return _ENCODER.encode(value)


def version_bytes(version: int) -> bytes:
    """Return a version as it begins a stored run."""
    return version.to_bytes(8, "big")


def encode_run(run: Run) -> bytes:
    """Return the stored form of a run."""
    return _HEADER.pack(run.version, run.fence) + FORMAT + _ENCODER.encode(run)


def decode_run(value: bytes) -> Run:
    """Return the run of its stored form; fields that an older writer did not know have their defaults.

    Raises:
        ValueError: another format wrote it.
    """
    start = _HEADER.size + len(FORMAT)
    if value[_HEADER.size : start] != FORMAT:
        raise ValueError(f"unknown format {value[_HEADER.size : start]!r} of a stored run")
    return _RUNS.decode(value[start:])


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

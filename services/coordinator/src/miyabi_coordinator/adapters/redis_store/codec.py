"""How values lie in the store: a header that scripts compare, a format version, and MessagePack."""

from __future__ import annotations

import struct
from typing import Any

import msgspec

from miyabi_coordinator.models import AgentInfo, Run, Spec
from miyabi_coordinator.translate.values import varint

#: Of the layout after the header; readers refuse another one.
FORMAT = b"\x01"
#: Version and fencing token, each eight bytes, most significant first.
_HEADER = struct.Struct(">QQ")
_ENCODER = msgspec.msgpack.Encoder()
_RUNS = msgspec.msgpack.Decoder(Run)
_SPECS = msgspec.msgpack.Decoder(Spec)
_AGENTS = msgspec.msgpack.Decoder(AgentInfo)


def pack(value: Any) -> bytes:
    """Encode arguments of a script in old MessagePack: the server's Lua knows strings of bytes, and no binary type."""
    out = bytearray()
    _append(out, value)
    return bytes(out)


def _append(out: bytearray, value: Any) -> None:
    """Append one value."""
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        size = len(value)
        out += bytes((0xA0 | size,)) if size < 32 else struct.pack(">BI", 0xDB, size)
        out += value
    elif isinstance(value, (list, tuple)):
        size = len(value)
        out += bytes((0x90 | size,)) if size < 16 else struct.pack(">BI", 0xDD, size)
        for entry in value:
            _append(out, entry)
    else:
        out += _ENCODER.encode(value)


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


def with_sequence(event: bytes, sequence: int) -> bytes:
    """Return a serialised BatchEvent with field 2 added: in protobuf, appending a field sets it."""
    return event + b"\x10" + varint(sequence)

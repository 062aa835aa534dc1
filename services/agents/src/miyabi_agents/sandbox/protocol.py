"""How the agent and the sandbox in the container beside it talk: a connection a command, a JSON line each way."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from miyabi_agents.errors import SandboxError
from miyabi_agents.ports import Network, SandboxJob, SandboxLimits, SandboxResult
from miyabi_core.text import shortened

#: Longest request: a command with thousands of targets fits.
MAX_REQUEST_BYTES = 1 << 20
#: Longest answer: the output's limit, escaped, and a report of 64 MiB in base64.
MAX_ANSWER_BYTES = 160 << 20

#: Nothing runs for longer than a day.
_LONGEST_SECONDS = 86_400


def encode_request(job: SandboxJob) -> bytes:
    """Return the request's line."""
    limits = asdict(job.limits)
    body = {
        "command": list(job.command),
        "cwd": str(job.cwd),
        "writable": [str(path) for path in job.writable],
        "readable": [str(path) for path in job.readable],
        "environment": dict(job.environment),
        "limits": {name: _seconds(value) for name, value in limits.items()},
        "network": job.network.value,
        "proxy_port": job.proxy_port,
        "keep": [str(path) for path in job.keep],
    }
    return json.dumps(body).encode() + b"\n"


def decode_request(line: bytes) -> SandboxJob:
    """Read a request's line.

    Raises:
        SandboxError: it is no request (`BAD_REQUEST`).
    """
    try:
        body = json.loads(line)
        limits = dict(body["limits"])
        spans = {name: _span(limits.pop(name)) for name in ("wall", "cpu")}
        numbers = {name: int(value) for name, value in limits.items()}
        return SandboxJob(
            command=_texts(body["command"]),
            cwd=Path(body["cwd"]),
            writable=tuple(map(Path, _texts(body["writable"]))),
            readable=tuple(map(Path, _texts(body["readable"]))),
            environment={str(name): str(value) for name, value in body["environment"].items()},
            limits=SandboxLimits(**spans, **numbers),  # type: ignore[arg-type]
            network=Network(body["network"]),
            proxy_port=int(body["proxy_port"]),
            keep=tuple(map(Path, _texts(body["keep"]))),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise SandboxError(f"this is no request: {type(error).__name__}", code="BAD_REQUEST") from error


def encode_result(result: SandboxResult) -> bytes:
    """Return the answer's line."""
    body = {name: _seconds(value) for name, value in asdict(result).items()}
    body["report"] = {name: base64.b64encode(content).decode() for name, content in result.report.items()}
    return json.dumps({"result": body}).encode() + b"\n"


def encode_error(error: SandboxError) -> bytes:
    """Return the line that says why there is no result."""
    return json.dumps({"error": {"code": error.code, "message": str(error)}}).encode() + b"\n"


def decode_answer(line: bytes) -> SandboxResult:
    """Read an answer's line.

    Raises:
        SandboxError: the sandbox refused or failed, with its code, or the line is no answer (`AWAY`).
    """
    try:
        body = json.loads(line)
        if "error" in body:
            raise SandboxError(shortened(str(body["error"]["message"]), 500), code=str(body["error"]["code"]))
        fields = dict(body["result"])
        fields["duration"] = timedelta(seconds=float(fields["duration"]))
        fields["layers"] = _texts(fields["layers"])
        fields["missing_layers"] = _texts(fields["missing_layers"])
        fields["report"] = {str(name): base64.b64decode(text) for name, text in fields["report"].items()}
        return SandboxResult(**fields)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise SandboxError(f"the sandbox gave no answer: {type(error).__name__}", code="AWAY") from error


def _seconds(value: Any) -> Any:
    """Return spans of time as seconds, everything else as it is."""
    return value.total_seconds() if isinstance(value, timedelta) else value


def _span(seconds: object) -> timedelta:
    """Return a number of seconds as a span.

    Raises:
        ValueError: it is no finite number from 0 to a day.
    """
    number = float(seconds)  # type: ignore[arg-type]
    if not math.isfinite(number) or not 0 <= number <= _LONGEST_SECONDS:
        raise ValueError("no span")
    return timedelta(seconds=number)


def _texts(values: Sequence[object]) -> tuple[str, ...]:
    """Return a list of texts.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError("not a list of texts")
    return tuple(str(value) for value in values)

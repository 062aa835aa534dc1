"""The dials: how slow, how strict and how broken the simulated GitHub is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

#: What a fault does instead of answering, or to the answer.
FAULT_KINDS = (
    "status",  # a status with GitHub's JSON body, or with `body`; `retry_after` adds the header
    "drop",  # the connection is cut before an answer
    "malformed",  # 200 with JSON that ends in the middle
    "timeout",  # no answer for `seconds`, then the connection is cut
    "reset",  # headers and half a body, then the connection is reset
    "html",  # a status with a page of HTML, as proxies before GitHub answer
    "secondary",  # 403 for a secondary limit while all headers look healthy
    "graphql_limit",  # 200 with an error RATE_LIMITED
    "content_type",  # 200 with the right body that claims to be HTML
    "drip",  # the right answer, byte by byte, over `seconds`
)


@dataclass(slots=True)
class Fault:
    """Something that goes wrong `count` times for the requests that match.

    It goes wrong before anything has happened; with `after_handling` the write is done and only its answer is lost or
    spoiled. Empty matchers match everything; `path` is a regular expression searched in the path.
    """

    kind: str = "status"
    status: int = 502
    count: int = 1
    method: str = ""
    path: str = ""
    operation: str = ""
    after_handling: bool = False
    retry_after: int = 0
    seconds: float = 0.0
    body: dict[str, Any] = field(default_factory=dict)  #: of a status, in whatever form GitHub gives its errors

    def __post_init__(self) -> None:
        if self.kind not in FAULT_KINDS:
            raise ValueError(f"fault kind {self.kind!r} is none of {', '.join(FAULT_KINDS)}")
        re.compile(self.path)

    def matches(self, method: str, path: str, *, operation: str) -> bool:
        """Return whether the fault has something left for this request."""
        return (
            self.count > 0
            and self.method.upper() in ("", method)
            and self.operation in ("", operation)
            and re.search(self.path, path) is not None
        )


@dataclass(slots=True)
class LimitNumbers:
    """GitHub's published limits."""

    rest_per_hour: int = 5000
    graphql_points_per_hour: int = 5000
    concurrent_requests: int = 100
    rest_points_per_minute: int = 900
    graphql_points_per_minute: int = 2000
    busy_seconds_per_minute: int = 90  #: of GitHub's processors, taken from the answers' times as it advises
    graphql_busy_seconds_per_minute: int = 60  #: of these for GraphQL
    content_per_minute: int = 80
    content_per_hour: int = 500
    write_gap: float = 0.0  #: seconds that GitHub asks for between writes; 0: not looked at
    notify_gap: float = 0.0  #: seconds between writes that notify people; 0: not looked at


@dataclass(slots=True)
class Dials:
    """Everything about the server that may be turned while it runs; times are in seconds.

    Args:
        latency: From a request to its answer. The simulator's own work on a read is part of it; a write acts after it.
        latency_per_issue: The same on top for each issue that a GraphQL query names.
        enforce_limits: Refuse what GitHub's limits refuse.
        limits: Their numbers.
        faults: What goes wrong.
        scopes: Of the one token, as a classic one tells them in a header; empty: it tells none, as others do not.
        workflows: Whether the credential may change workflow files; a classic token needs the scope `workflow` too.
    """

    latency: float = 0.0
    latency_per_issue: float = 0.0
    enforce_limits: bool = False
    limits: LimitNumbers = field(default_factory=LimitNumbers)
    faults: list[Fault] = field(default_factory=list)
    scopes: str = "repo, workflow"
    workflows: bool = True

    @property
    def may_change_workflows(self) -> bool:
        """Return whether a push that changes workflow files is taken."""
        scopes = [scope.strip() for scope in self.scopes.split(",")]
        return self.workflows and (not self.scopes or "workflow" in scopes)

    def take_fault(self, method: str, path: str, *, operation: str) -> Fault | None:
        """Return the first fault for a request and use it up by one."""
        for fault in self.faults:
            if fault.matches(method, path, operation=operation):
                fault.count -= 1
                return fault
        return None

    def to_json(self) -> dict[str, Any]:
        """Return all dials."""
        return asdict(self)

    def update(self, raw: Mapping[str, Any]) -> None:
        """Turn the dials that are named and leave the others; nothing is turned where one is refused.

        Raises:
            ValueError: if a name is unknown or a value is of the wrong kind.
        """
        turned = _checked(Dials, raw)
        if "limits" in turned:
            numbers = asdict(self.limits) | _checked(LimitNumbers, turned["limits"])
            turned["limits"] = LimitNumbers(**numbers)
        if "faults" in turned:
            turned["faults"] = [Fault(**_checked(Fault, fault)) for fault in turned["faults"]]
        for name, value in turned.items():
            setattr(self, name, value)


def _checked(kind: type[Any], raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values after comparing each with the type of the default in `kind`."""
    if not isinstance(raw, Mapping):
        raise ValueError(f"{kind.__name__} must be an object")  # noqa: TRY004 - one error for any bad input
    pattern = kind()
    known = {entry.name: getattr(pattern, entry.name) for entry in fields(kind)}
    for name, value in raw.items():
        if name not in known:
            raise ValueError(f"{kind.__name__} has no dial {name!r}")
        _check_value(name, value, known[name])
    return dict(raw)


def _check_value(name: str, value: object, default: object) -> None:
    match default:
        case bool():
            good = isinstance(value, bool)
        case int() | float():
            allowed = int if isinstance(default, int) else (int, float)
            good = isinstance(value, allowed) and not isinstance(value, bool) and value >= 0
        case str():
            good = isinstance(value, str)
        case list():
            good = isinstance(value, list)
        case _:
            good = isinstance(value, Mapping)
    if not good:
        raise ValueError(f"{name} cannot be {value!r}")

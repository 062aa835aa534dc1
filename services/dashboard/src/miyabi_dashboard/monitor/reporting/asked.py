"""What a request asks for, once it is known that all of it can be obeyed."""

from __future__ import annotations

from typing import NamedTuple

from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi_core.errors import FieldViolation, InvalidArgumentError
from miyabi_dashboard.monitor.measuring import CountKey, Family, SeriesKey


class Asked(NamedTuple):
    """Which measurements are told; empty fields choose none."""

    repository: str = ""
    model: str = ""
    agent: str = ""

    @property
    def is_partial(self) -> bool:
        """True where only a part of what batches did is asked for: no advice on whole batches belongs there."""
        return bool(self.agent or self.model)

    def wants(self, key: SeriesKey) -> bool:
        """Tell whether a series is told: each duration is in one by agent and in one by repository and model."""
        if key.agent != self.agent or self.repository not in {"", key.repository}:
            return False
        return not self.model or (key.family is Family.MODEL and key.subject == self.model)

    def counts(self, key: CountKey) -> bool:
        """Tell whether a count is told: none by agent and model together, by which nothing is counted."""
        if self.agent and self.model:
            return False
        if key.agent != self.agent or (not self.agent and key.model != self.model):
            return False
        return self.repository in {"", key.repository}


def checked(request: pb.GetPerformanceReportRequest) -> Asked:
    """Return what a request asks for.

    Raises:
        InvalidArgumentError: a field cannot be obeyed beside the others; it is named.
    """
    wrong = [FieldViolation(field, why) for field, why in _refusals(request)]
    if wrong:
        message = "; ".join(f"{violation.field}: {violation.description}" for violation in wrong)
        raise InvalidArgumentError(message, reason="INVALID_REQUEST", violations=wrong)
    return Asked(request.repository, request.model, request.agent)


def _refusals(request: pb.GetPerformanceReportRequest) -> list[tuple[str, str]]:
    """Return the fields that cannot be obeyed, with the reason."""
    found = []
    timed = request.HasField("start_time") or request.HasField("end_time")
    if request.batch:
        if request.HasField("start_time"):
            found.append(("start_time", "not with batch: a batch's report is whole"))
        if request.HasField("end_time"):
            found.append(("end_time", "not with batch: a batch's report is whole"))
        if request.repository:
            found.append(("repository", "not with batch, which has one"))
    elif request.issue_number:
        found.append(("issue_number", "only with batch"))
    elif request.agent and (request.repository or request.model):
        found.append(("agent", "not with repository or model: a period is kept by agent, or by repository and model"))
    if timed and not request.batch and request.HasField("start_time") and request.HasField("end_time"):
        start, end = request.start_time, request.end_time
        if (end.seconds, end.nanos) <= (start.seconds, start.nanos):
            found.append(("end_time", "must be after start_time"))
    return found

"""Reads the verdict on each test from a runner's output."""

from __future__ import annotations

import re

from miyabi.coordinator.v1.result_pb2 import TestVerdict

PASSED, FAILED = TestVerdict.TEST_VERDICT_PASSED, TestVerdict.TEST_VERDICT_FAILED
SKIPPED, BLOCKED = TestVerdict.TEST_VERDICT_SKIPPED, TestVerdict.TEST_VERDICT_BLOCKED

Verdicts = dict[str, TestVerdict.ValueType]

#: `test_x (package.Class)` or, since Python 3.11, `test_x (package.Class.test_x)`; a docstring may follow on its line.
_START = re.compile(r"^(?P<method>\w+) \((?P<owner>[\w.<>]+)\)(?P<rest>.*)$")
_END = re.compile(r"\.\.\. .*?(?P<word>ok|FAIL|ERROR|skipped|expected failure|unexpected success)( .*)?$")
_WORD_AT_START = re.compile(r"^(?P<word>ok|FAIL|ERROR|skipped .*|expected failure|unexpected success)$")
_SECTION = re.compile(r"^(?P<word>FAIL|ERROR): (?P<method>[\w.]+) \((?P<owner>[\w.<>]+)\)")
_IMPORT = re.compile(r"(?:unittest\.loader\._FailedTest\.)?(?P<module>[\w.]+)")
_PYTEST = re.compile(r"^(?P<id>\S+::\S.*?) (?P<word>PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)\b")
#: What a test says that needed a socket.
_SOCKET = re.compile(r"PermissionError: \[Errno (1|13)\][^\n]*")
_SOCKET_CALL = re.compile(r"socket\.(py|socket)|create_server|\bbind\(|\blisten\(|_socket\.socket|socketserver")

_WORDS = {
    "ok": PASSED, "expected failure": PASSED, "FAIL": FAILED, "ERROR": FAILED, "unexpected success": FAILED,
    "skipped": SKIPPED, "PASSED": PASSED, "XFAIL": PASSED, "XPASS": PASSED, "FAILED": FAILED, "SKIPPED": SKIPPED,
}  # fmt: skip


def parse(output: str, *, style: str) -> Verdicts:
    """Return the verdict on each test that the output names.

    Args:
        output: What the runner printed, at its verbose level.
        style: `unittest`, `django` or `pytest`.
    """
    return _pytest(output) if style == "pytest" else _unittest(output)


def name_of(method: str, owner: str) -> str:
    """Return a test's name: its class's and its own, once."""
    return owner if owner.endswith(f".{method}") else f"{owner}.{method}"


def _unittest(output: str) -> Verdicts:
    """Read unittest's verbose output; tests print between its lines, so each start waits for its word."""
    verdicts: Verdicts = {}
    current = ""
    for line in output.splitlines():
        start = _START.match(line)
        if start:
            current = name_of(start["method"], start["owner"])
        if not current:
            continue
        end = _END.search(line) or _WORD_AT_START.match(line)
        if end:
            verdicts[current] = _WORDS[end["word"].split(" '")[0] if end["word"].startswith("skipped") else end["word"]]
            current = ""
    verdicts.update(_sections(output))
    return verdicts


def _sections(output: str) -> Verdicts:
    """Read the reports at the end: subtests, failed set-ups and imports appear only there."""
    verdicts: Verdicts = {}
    blocks = re.split(r"^={20,}$", output, flags=re.MULTILINE)[1:]
    for block in blocks:
        head = _SECTION.match(block.strip())
        if head is None:
            continue
        name = name_of(head["method"], head["owner"])
        blocked = _SOCKET.search(block) is not None and _SOCKET_CALL.search(block) is not None
        verdicts[name] = BLOCKED if blocked else FAILED
    return verdicts


def _pytest(output: str) -> Verdicts:
    """Read pytest's verbose output."""
    verdicts: Verdicts = {}
    for line in output.splitlines():
        match = _PYTEST.match(line)
        if match:
            verdicts[match["id"]] = _WORDS.get(match["word"], FAILED)
    for name, verdict in verdicts.items():
        if verdict == FAILED and _is_blocked(output, name):
            verdicts[name] = BLOCKED
    return verdicts


def _is_blocked(output: str, name: str) -> bool:
    """Tell whether a pytest failure's report shows a refused socket."""
    title = name.rpartition("::")[2]
    report = re.search(
        rf"^_{{3,}} .*{re.escape(title)} _{{3,}}$(.*?)(?=^_{{3,}} |^=)", output, re.MULTILINE | re.DOTALL
    )
    return report is not None and _SOCKET.search(report[1]) is not None and _SOCKET_CALL.search(report[1]) is not None

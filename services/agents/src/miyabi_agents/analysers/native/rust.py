"""The analyser of Rust: clippy, where it lies beside cargo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from miyabi_agents.analysers.base import HIGH, MEDIUM, AnalyserError, RawFinding
from miyabi_agents.analysers.native.linter import Lint, Said, in_repository, keys_of
from miyabi_agents.analysers.reports import json_lines_of
from miyabi_agents.toolchains.port import Environment, Project

#: Points by level: code that does not compile or is wrong, and everything else (docs/review-score.md).
_WEIGHTS = {"error": (HIGH, 20), "warning": (MEDIUM, 10)}


class Clippy:
    """Lints of clippy and of the compiler; what the change allows itself counts all the same."""

    name = "clippy"
    toolchain = "rust"
    suffixes = frozenset({".rs"})
    #: An attribute that has lost its meaning is no Rust any more: `--force-warn` takes its effect away.
    reads_quieted = False

    def lint(self, project: Project, environment: Environment, files: Sequence[str]) -> Lint | str:
        """Return the command for the workspace; cargo knows no smaller part by a file's name."""
        del project, files
        cargo = keys_of(environment).get("cargo", "cargo")
        if not Path(cargo).with_name("cargo-clippy").exists():
            return "clippy is not on this machine beside cargo"
        options = ["--offline", "--workspace", "--all-targets", "--message-format=json", "--quiet"]
        command = [cargo, "clippy", *options, "--", "--force-warn", "clippy::all"]
        return Lint(command, [cargo, "clippy", "--version"])

    def read(self, said: Said) -> list[RawFinding]:
        """Read its report: one JSON object a line, those of the compiler among cargo's own."""
        lines = "\n".join(line for line in said.output.split("\n") if line.startswith("{"))
        found = []
        for entry in json_lines_of(lines, self.name):
            message = entry.get("message") if entry.get("reason") == "compiler-message" else None
            place = next((span for span in message["spans"] if span["is_primary"]), None) if message else None
            if message is None or place is None or message["level"] not in _WEIGHTS:
                continue
            severity, points = _WEIGHTS[message["level"]]
            rule = (message["code"] or {}).get("code") or "compile"
            path = in_repository(place["file_name"], said)
            found.append(RawFinding(rule, path, place["line_start"], severity, points, message["message"]))
        if said.exit_code and not any(entry.severity == HIGH for entry in found):
            raise AnalyserError(f"clippy ended with {said.exit_code}: {said.output.strip()[-300:]}")
        return list(dict.fromkeys(found))

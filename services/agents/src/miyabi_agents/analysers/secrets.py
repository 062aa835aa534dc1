"""Secrets in any changed file."""

from __future__ import annotations

from collections.abc import Sequence

from miyabi_agents.analysers.base import CRITICAL, AnalyserError, RawFinding, Report, Subject, ToolRunner, relative
from miyabi_agents.analysers.known import installed
from miyabi_agents.analysers.reports import json_of
from miyabi_core.text import ending

#: Comments that allow a secret have no say: what the change adds is a finding, and the line is looked at all the same.
_NO_ALLOWLIST = "detect_secrets.filters.allowlist.is_line_allowlisted"


class DetectSecrets:
    """What has the shape of a secret; nothing is sent anywhere to verify it."""

    name = "detect-secrets"
    judges_code = False

    def applies(self, path: str) -> bool:
        """Look at every file."""
        return bool(path)

    def version(self) -> str:
        """Return the installed version."""
        return installed(self.name)

    async def analyse(self, subject: Subject, files: Sequence[str], runner: ToolRunner) -> Report:
        """Look through the changed files."""
        arguments = ("scan", "--no-verify", "--force-use-all-plugins", "--disable-filter", _NO_ALLOWLIST)
        said = await runner.module("detect_secrets", *arguments, files=files, cwd=subject.root)
        if said.exit_code:
            raise AnalyserError(f"detect-secrets ended with {said.exit_code}: {ending(said.output.strip(), 300)}")
        found = [
            RawFinding(
                entry["type"].replace(" ", "-").lower(),
                relative(path, subject.root),
                entry["line_number"],
                CRITICAL,
                40,
                f"looks like a secret: {entry['type']}",
                security=True,
            )
            for path, entries in json_of(said.output, self.name)["results"].items()
            for entry in entries
        ]
        return Report(found)

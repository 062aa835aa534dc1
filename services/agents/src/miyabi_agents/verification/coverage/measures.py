"""The measures there are, by the name of the toolchain. A new one is one line here."""

from __future__ import annotations

from miyabi_agents.toolchains.go.measuring import GoMeasure
from miyabi_agents.toolchains.javascript.measuring import JavaScriptMeasure
from miyabi_agents.toolchains.python.measuring import PythonMeasure
from miyabi_agents.verification.coverage.port import Measure

MEASURES: dict[str, Measure] = {
    "python": PythonMeasure(),
    "javascript": JavaScriptMeasure(),
    "go": GoMeasure(),
}
#: Endings of code that is named though nothing measures it, with the reason.
UNMEASURED = {".rs": "Rust takes a build of its own with instruments of LLVM, which is not made"}

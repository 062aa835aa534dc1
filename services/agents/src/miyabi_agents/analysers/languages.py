"""Which files are code, by their names: what some analyser reads, and what none does."""

from __future__ import annotations

from pathlib import PurePosixPath

#: Endings of Python code.
PYTHON = frozenset({".py", ".pyi"})
#: Endings that ast-grep's grammars of the four languages read.
PATTERNS = frozenset({".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".go", ".rs"})
#: Endings of code that no analyser reads; a change of such a file is not reviewed, and says so.
UNKNOWN = frozenset({
    ".java", ".kt", ".kts", ".scala", ".groovy", ".rb", ".php", ".c", ".h", ".cc", ".cpp", ".hpp", ".cxx", ".cs", ".fs",
    ".swift", ".m", ".mm", ".pl", ".pm", ".lua", ".r", ".jl", ".ex", ".exs", ".erl", ".hs", ".ml", ".clj", ".dart",
    ".zig", ".nim", ".sh", ".bash", ".ps1", ".bat", ".vue", ".svelte", ".pyx", ".pxd", ".sol", ".tf",
})  # fmt: skip


def suffix_of(path: str) -> str:
    """Return the ending of a name, as analysers tell languages by it."""
    return PurePosixPath(path).suffix


def is_code(path: str) -> bool:
    """Tell whether a file is code that should be looked at, beyond its text."""
    return suffix_of(path) in PYTHON | PATTERNS | UNKNOWN

"""Which files are read, and in which language each is."""

from __future__ import annotations

from enum import Enum


class Language(Enum):
    """A language whose definitions are known; `OTHER` is code of which only the words are."""

    PYTHON = "python"
    JAVASCRIPT = "javascript"
    TYPESCRIPT = "typescript"
    TSX = "tsx"
    GO = "go"
    RUST = "rust"
    OTHER = "other"


_BY_SUFFIX = {
    ".py": Language.PYTHON,
    ".pyi": Language.PYTHON,
    ".pyx": Language.PYTHON,
    ".js": Language.JAVASCRIPT,
    ".jsx": Language.JAVASCRIPT,
    ".mjs": Language.JAVASCRIPT,
    ".cjs": Language.JAVASCRIPT,
    ".ts": Language.TYPESCRIPT,
    ".mts": Language.TYPESCRIPT,
    ".cts": Language.TYPESCRIPT,
    ".tsx": Language.TSX,
    ".go": Language.GO,
    ".rs": Language.RUST,
    **dict.fromkeys(
        (".svelte", ".vue", ".java", ".kt", ".rb", ".php", ".cs", ".swift", ".c", ".h", ".cc", ".cpp", ".hpp"),
        Language.OTHER,
    ),
}
#: Endings of the files that are read, without the point.
SUFFIXES = tuple(suffix[1:] for suffix in _BY_SUFFIX)


def language_of(path: str) -> Language | None:
    """Return the language of a file by its name; None where it is no code that is read."""
    return _BY_SUFFIX.get(path[path.rfind(".") :] if "." in path else "")

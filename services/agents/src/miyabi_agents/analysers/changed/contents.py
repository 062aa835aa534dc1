"""Whether the content of a changed file can be looked at, and as which text."""

from __future__ import annotations

import codecs
import io
import tokenize

from miyabi_agents.analysers.languages import PYTHON, suffix_of
from miyabi_core.text import split_lines

#: Longest file that is looked at: parsers hold some hundred times as much, and no person reads more.
MAX_FILE_BYTES = 4 << 20
#: Most lines of such a file; more are data.
MAX_LINES = 200_000
#: git and GitHub take a file with a NUL in its first bytes for binary (buffer_is_binary in xdiff-interface.c).
BINARY_BYTES = 8000
#: How a file begins that stands for one in Git LFS (its specification, version 1).
LFS = b"version https://git-lfs.github.com/spec/v1\n"

TOO_LARGE = f"larger than {MAX_FILE_BYTES >> 20} MiB or longer than {MAX_LINES:,} lines"
BINARY = "binary"
IN_LFS = "in Git LFS: the repository holds a pointer to it only"


def obstacle(content: bytes) -> str:
    """Return why a content is not looked at; empty where it is."""
    if b"\0" in content[:BINARY_BYTES]:
        return BINARY
    if content.startswith(LFS):
        return IN_LFS
    if len(content) > MAX_FILE_BYTES or content.count(b"\n") + content.count(b"\r") > MAX_LINES:
        return TOO_LARGE
    return ""


def as_utf8(path: str, content: bytes) -> tuple[bytes, str]:
    """Return a content as UTF-8, which is all that analysers read, and the encoding that it had where that is another.

    What says of itself no encoding that is known is read as Latin-1, which knows every byte. Lines stay as they are.
    """
    try:
        content.decode()
    except UnicodeDecodeError:
        encoding = _declared(content) if suffix_of(path) in PYTHON else ""
        for name in filter(None, (encoding, "latin-1")):
            try:
                text = content.decode(name)
            except (UnicodeDecodeError, LookupError):
                continue
            if len(split_lines(text.encode())) == len(split_lines(content)):
                return text.encode(), name
    return content, ""


def _declared(content: bytes) -> str:
    """Return the encoding that Python code says of itself (PEP 263); empty where it says none."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        return codecs.lookup(encoding).name
    except (SyntaxError, LookupError):
        return ""

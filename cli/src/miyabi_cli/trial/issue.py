"""The issue of a trial: from a file or from what was typed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from miyabi_cli.errors import CliError
from miyabi_core.text import shortened

#: Longest issue: GitHub takes 65,536 characters.
MAX_CHARACTERS = 65_536
#: Longest title that GitHub takes.
MAX_TITLE = 256
#: Longest name of a file; what is longer was typed.
_LONGEST_NAME = 1024


@dataclass(frozen=True)
class TrialIssue:
    """What is to be done."""

    title: str
    body: str


def read_issue(given: str, title: str) -> TrialIssue:
    """Read a file where there is one of that name, else take the words themselves.

    Args:
        given: Name of a file, or the issue's text.
        title: Empty: the first line, without the marks of a heading.

    Raises:
        CliError: it is empty, too long or no text.
    """
    text = _text(given)
    if not text.strip():
        raise CliError("--issue: there is nothing in it")
    if len(text) > MAX_CHARACTERS:
        raise CliError(f"--issue: it is longer than {MAX_CHARACTERS} characters, which GitHub would not take")
    if title:
        return TrialIssue(shortened(title, MAX_TITLE), text)
    first, _, rest = text.strip().partition("\n")
    return TrialIssue(shortened(first.lstrip("# ").strip(), MAX_TITLE) or "Issue", rest.strip() or text.strip())


def _text(given: str) -> str:
    """Return the text.

    Raises:
        CliError: the file cannot be read.
    """
    path = Path(given)
    try:
        if len(given) > _LONGEST_NAME or "\n" in given or not path.is_file():
            return given
        with path.open(encoding="utf-8") as file:
            return file.read(MAX_CHARACTERS + 1)
    except UnicodeDecodeError as error:
        raise CliError(f"--issue: {given} is no UTF-8 text") from error
    except (OSError, ValueError) as error:
        raise CliError(f"--issue: {given} cannot be read: {error}") from error

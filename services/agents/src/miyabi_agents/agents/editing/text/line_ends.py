"""Which line ends a new file gets."""

from __future__ import annotations

from miyabi_agents.agents.editing.text.encodings import Declared

#: Ends of lines by EditorConfig's names.
_ENDS = {"lf": "\n", "crlf": "\r\n", "cr": "\r"}


def end_for(text: str, declared: Declared) -> str:
    r"""Return what ends the lines of a new file.

    Where git turns line ends (`text`, `eol`), it stores `\n` and makes checkouts' own ends of them; else what
    EditorConfig says holds; else the text keeps its ends where they are all alike.

    Args:
        text: As the model wrote it.
        declared: What is said of the file.

    Source: gitattributes(5), End-of-line conversion.
    """
    attributes = declared.attributes
    if attributes.get("text") in {"set", "auto"} or "eol" in attributes:
        return "\n"
    said = _ENDS.get(declared.properties.get("end_of_line", ""))
    if said is not None:
        return said
    windows = text.count("\r\n")
    return "\r\n" if windows and windows == text.count("\n") == text.count("\r") else "\n"

"""Writes the reference from the sources: interfaces, settings, files, metrics, HTTP, the command."""

from __future__ import annotations

from pathlib import Path

from scripts.docs.reference import command, events, files, http, interfaces, metrics, settings

#: Said at the end of each page; before its heading it would hide that from the navigation.
MADE = "\n<!-- Made from the sources when the site is built; never edited. -->\n"
#: What the first page of the reference says of each of the others.
CONTENTS = (
    ("The command", "command.md", "every word with its options, as `miyabi WORD --help` prints them"),
    ("RPCs", "rpcs.md", "every service, method, message and error, from the comments of the protos"),
    ("Events", "events.md", "what a batch's log holds"),
    ("HTTP", "http.md", "reads, actions and the intake of events, from the OpenAPI description that is served"),
    ("Settings", "settings.md", "every variable of every process, with its default and what it may hold"),
    (".miyabi.yaml", "repository-file.md", "every field of the file of a repository"),
    ("Metrics", "metrics.md", "every metric, by name"),
)

__all__ = ["CONTENTS", "MADE", "write_reference"]


def write_reference(folder: Path) -> list[str]:
    """Write the pages of the reference below a folder.

    Args:
        folder: Of all pages; the reference is below `reference/`.

    Returns:
        The pages, relative to it.
    """
    index = "".join(f"- [{name}]({page}): {what}.\n" for name, page, what in CONTENTS)
    pages = {
        "index.md": f"# Reference\n\nMade from the sources, so that it cannot differ from them.\n\n{index}",
        "command.md": command.page(),
        "events.md": events.page(),
        "settings.md": settings.page(),
        "repository-file.md": files.page(),
        "metrics.md": metrics.page(),
        **http.pages(),
        **interfaces.pages(),
    }
    for name, text in pages.items():
        path = folder / "reference" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + MADE if name.endswith(".md") else text, encoding="utf-8")
    return [f"reference/{name}" for name in pages if name.endswith(".md")]

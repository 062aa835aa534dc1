"""Parameters that several paths have."""

from __future__ import annotations

from typing import Any

from miyabi_dashboard.serving.query import Parameter

#: A ULID in upper case, as batches' names have it.
ULID_PATTERN = "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"
#: As GitHub names repositories.
REPOSITORY_PATTERN = "^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}$"
#: Largest number of 63 bits.
_MOST = 2**63 - 1
#: Numbers of issues have 32 bits.
MOST_NUMBER = 2**31 - 1


def text(name: str, description: str, *, required: bool = False, **schema: Any) -> Parameter:
    """Return a parameter that is a text."""
    return Parameter(name, {"type": "string", **schema}, description, required=required)


def whole(name: str, description: str, lowest: int, highest: int, *, default: int | None = None) -> Parameter:
    """Return a parameter that is a whole number."""
    schema: dict[str, Any] = {"type": "integer", "minimum": lowest, "maximum": highest}
    return Parameter(name, schema if default is None else {**schema, "default": default}, description)


BATCH = text("batch", "ULID of the batch.", pattern=ULID_PATTERN)
#: Where a batch is named in a query.
NAMED_BATCH = text("batch", "ULID of the batch, or batches/ULID.", pattern=f"^(batches/)?{ULID_PATTERN.strip('^')}")
NUMBER = whole("number", "Number of the issue.", 1, MOST_NUMBER)
AGENT = text("agent", "Id of the agent.", pattern="^[A-Za-z0-9._-]{1,128}$")
REPOSITORY = text("repository", "Only of this owner/name.", pattern=REPOSITORY_PATTERN)
PAGE_TOKEN = text("pageToken", "nextPageToken of the page before.", maxLength=500)
AFTER = whole("after", "Only events behind this sequence.", 0, _MOST, default=0)


def page_size(most: int, default: int) -> Parameter:
    """Return the parameter that says how long a page is."""
    return whole("pageSize", "Entries of a page, at most.", 1, most, default=default)


def array_of(item: Any) -> dict[str, Any]:
    """Return the schema of a list."""
    return {"type": "array", "items": item}


def object_of(**properties: Any) -> dict[str, Any]:
    """Return the schema of an object that always has these, and no other."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}

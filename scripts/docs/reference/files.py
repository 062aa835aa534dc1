"""The page of `.miyabi.yaml`: every field of the file of a repository."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from miyabi_agents.verification.config import RepositoryConfig, TargetRule
from scripts.docs.reference.comments import field_comments
from scripts.docs.reference.markdown import cell, code, table

#: Words of JSON Schema for bounds, as a reader has them.
_BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "maxItems": "at most {} entries",
    "minItems": "at least {} entries",
    "maxLength": "at most {} characters",
    "pattern": "that matches `{}`",
}
#: How the page begins.
_HEAD = (
    "# .miyabi.yaml\n\nAt the root of the base branch, or an operator's file of the same form; a key that there is not "
    "is an error. Examples for each ecosystem: [the repository file](../repository-file.md).\n"
)


def page() -> str:
    """Return the page."""
    schema = RepositoryConfig.model_json_schema()
    parts = [_HEAD]
    for name, field in RepositoryConfig.model_fields.items():
        section = field.annotation
        assert isinstance(section, type)
        assert issubclass(section, BaseModel)
        parts.append(f"## {name}\n\n{section.__doc__}\n\n{_fields(section, schema)}")
    parts.append(f"## Entries of test.targets\n\n{TargetRule.__doc__}\n\n{_fields(TargetRule, schema)}")
    return "\n".join(parts)


def _fields(section: type[BaseModel], schema: dict[str, Any]) -> str:
    """Return the table of a section."""
    comments = field_comments(section)
    described = schema["$defs"][section.__name__]["properties"]
    rows = (
        (code(name), cell(comments.get(name, "")), _default(field), cell(_may_be(described[name])))
        for name, field in section.model_fields.items()
    )
    return table(("field", "meaning", "default", "may be"), rows)


def _default(field: FieldInfo) -> str:
    """Return a default as one would write it."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if get_origin(field.annotation) is list or list in get_args(field.annotation):
        return code("[]" if not value else str(value))
    return code(str(value).lower() if isinstance(value, bool) else str(value))


def _may_be(schema: dict[str, Any]) -> str:
    """Return what a field may hold, in words."""
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    kind = {"array": "a list", "boolean": "`true` or `false`", "integer": "a whole number"}.get(
        schema["type"], "a text"
    )
    bounds = [words.format(schema[name]) for name, words in _BOUNDS.items() if name in schema]
    inner = schema.get("items", {})
    if "type" in inner:
        bounds += [f"each {words.format(inner[name])}" for name, words in _BOUNDS.items() if name in inner]
    return ", ".join([kind, *bounds])

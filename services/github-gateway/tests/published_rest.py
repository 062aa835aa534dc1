"""GitHub's published description of its REST API, and what of an exchange is not in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jsonschema import Draft4Validator, ValidationError, validators
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

#: The description's name in references.
_NAME = "urn:github"
#: What `make setup-dev` fetches.
FOLDER = Path(__file__).parents[3] / "build/github"


@dataclass(frozen=True)
class Exchange:
    """A request with its answer, bodies as JSON; None where there is none."""

    method: str
    path: str
    parameters: dict[str, str]
    sent: Any
    status: int
    got: Any


class Published:
    """The description, with its operations by path."""

    def __init__(self) -> None:
        path = FOLDER / "openapi.json"
        assert path.exists(), "run `make setup-dev`"
        self._document = json.loads(path.read_text())
        resource = Resource(contents=self._document, specification=DRAFT4)
        self._registry: Registry[Any] = Registry().with_resource(_NAME, resource)
        self._paths = [(_pattern(template), template) for template in self._document["paths"]]

    def operation(self, method: str, path: str) -> tuple[str, dict[str, Any]] | None:
        """Return an operation's template and description; a template with fewer parameters is the better match."""
        matching = [template for pattern, template in self._paths if pattern.fullmatch(path)]
        for template in sorted(matching, key=lambda one: one.count("{")):
            found = self._document["paths"][template].get(method.lower())
            if found is not None:
                return template, found
        return None

    def problems(self, exchange: Exchange) -> list[str]:
        """Return what of an exchange is not published; empty where it all is."""
        found = self.operation(exchange.method, exchange.path)
        where = f"{exchange.method} {exchange.path}"
        if found is None:
            return [f"{where}: no such operation"]
        template, operation = found
        known = {self._resolved(entry)["name"] for entry in operation.get("parameters", [])}
        problems = [f"{where}: no parameter {name}" for name in exchange.parameters if name not in known]
        place = ("paths", template, exchange.method.lower())
        body = ("content", "application/json", "schema")
        if exchange.sent is not None:
            problems += [
                f"{where} sent: {text}" for text in self._wrong((*place, "requestBody", *body), exchange.sent, _SENT)
            ]
        if str(exchange.status) not in operation["responses"]:
            common = {401, 403, 404, 422}
            return problems + ([] if exchange.status in common else [f"{where}: no answer {exchange.status}"])
        answer = (*place, "responses", str(exchange.status))
        if exchange.got is not None and "content" in self._walk(answer)[1]:
            problems += [f"{where} got: {text}" for text in self._wrong((*answer, *body), exchange.got, _GOT)]
        return problems

    def _resolved(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Follow a reference."""
        while "$ref" in entry:
            here: Any = self._document
            for step in entry["$ref"].removeprefix("#/").split("/"):
                here = here[step.replace("~1", "/").replace("~0", "~")]
            entry = here
        return entry

    def _walk(self, steps: tuple[str, ...]) -> tuple[str, Any]:
        """Return the pointer to what stands at the end of some steps, and that; references on the way are followed."""
        pointer, here = "", self._document
        for step in steps:
            pointer, here = f"{pointer}/{step.replace('~', '~0').replace('/', '~1')}", here[step]
            if isinstance(here, dict) and "$ref" in here:
                pointer, here = here["$ref"].removeprefix("#"), self._resolved(here)
        return pointer, here

    def _wrong(self, steps: tuple[str, ...], value: Any, kind: Any) -> list[str]:
        """Return what of a value the schema at the end of some steps does not know."""
        pointer, _ = self._walk(steps)
        checked = kind({"$ref": f"{_NAME}#{quote(pointer)}"}, registry=self._registry)
        return [f"{error.json_path}: {error.message[:200]}" for error in checked.iter_errors(value)]


def _pattern(template: str) -> re.Pattern[str]:
    """Return what the paths of a template look like."""
    parts = [
        ".+" if part in {"{path}", "{branch}"} else "[^/]+" if part.startswith("{") else re.escape(part)
        for part in template.split("/")
    ]
    return re.compile("/".join(parts))


def _type(validator: Any, types: Any, instance: Any, schema: dict[str, Any]) -> Iterator[ValidationError]:
    """Take OpenAPI's `nullable` into account."""
    if not (instance is None and schema.get("nullable")):
        yield from Draft4Validator.VALIDATORS["type"](validator, types, instance, schema)


def _enum(validator: Any, values: Any, instance: Any, schema: dict[str, Any]) -> Iterator[ValidationError]:
    if not (instance is None and schema.get("nullable")):
        yield from Draft4Validator.VALIDATORS["enum"](validator, values, instance, schema)


def _combined(keyword: str) -> Any:
    """Return a check of alternatives that takes `nullable` into account."""

    def check(validator: Any, options: Any, instance: Any, schema: dict[str, Any]) -> Iterator[ValidationError]:
        if not (instance is None and schema.get("nullable")):
            yield from Draft4Validator.VALIDATORS[keyword](validator, options, instance, schema)

    return check


def _all_of(
    validator: Any, options: list[dict[str, Any]], instance: Any, schema: dict[str, Any]
) -> Iterator[ValidationError]:
    """Check against each part; a field that any part has is published."""
    if instance is None and schema.get("nullable"):
        return
    found = [list(validator.descend(instance, option, schema_path=index)) for index, option in enumerate(options)]
    unknown = [{error.message for error in errors if _is_unknown(error)} for errors in found]
    nowhere = set.intersection(*unknown) if unknown else set()
    for errors in found:
        yield from (error for error in errors if not _is_unknown(error) or error.message in nowhere)


def _is_unknown(error: ValidationError) -> bool:
    """Tell whether an error says that a field of the value itself is not published."""
    return not error.path and error.message.endswith(" is not published")


def _properties(
    validator: Any, known: dict[str, Any], instance: Any, schema: dict[str, Any]
) -> Iterator[ValidationError]:
    """Find fields that are not published."""
    yield from Draft4Validator.VALIDATORS["properties"](validator, known, instance, schema)
    if isinstance(instance, dict) and not schema.get("additionalProperties"):
        for name in instance.keys() - known.keys():
            yield ValidationError(f"{name} is not published")


def _nothing(*_: Any) -> Iterator[ValidationError]:
    yield from ()


_COMMON = {
    "type": _type,
    "enum": _enum,
    "anyOf": _combined("anyOf"),
    "allOf": _all_of,
    "properties": _properties,
}
#: What we send: everything that is required is there, and nothing that is not published.
_SENT = validators.extend(Draft4Validator, {**_COMMON, "oneOf": _combined("anyOf")})
#: What we get and read: the simulated GitHub serves less than the real one, and nothing that is not published.
_GOT = validators.extend(
    Draft4Validator, {**_COMMON, "oneOf": _combined("anyOf"), "required": _nothing, "format": _nothing}
)

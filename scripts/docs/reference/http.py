"""The page of the HTTP interface, from the OpenAPI description that a dashboard serves."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import SecretStr

from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_dashboard.app import running
from miyabi_dashboard.settings import DashboardSettings
from scripts.docs.reference.interfaces import page_of
from scripts.docs.reference.markdown import cell, code, table

#: What a reference within the description begins with.
_REFERENCE = "#/components/schemas/"
#: How the page begins.
_HEAD = (
    "# HTTP\n\nThe dashboard serves this at `MIYABI_DASHBOARD_HTTP_ADDRESS`, and describes it at `/api/openapi.json` "
    "([as of this page](openapi.json)). Where identity is on, a token comes as `authorization: Bearer …`; each call "
    "names the roles of which one is needed.\n"
)


def pages() -> dict[str, str]:
    """Return the page, and the description itself for programs."""
    with tempfile.TemporaryDirectory() as folder:
        description = asyncio.run(served(Path(folder)))
    return {"http.md": _page(description), "openapi.json": json.dumps(description, indent=1, ensure_ascii=False)}


async def served(folder: Path) -> dict[str, Any]:
    """Return what a dashboard serves at `/api/openapi.json`; it runs for that long.

    Args:
        folder: Its store may write here.
    """
    async with EmbeddedValkey(folder, appendfsync="no") as valkey:
        settings = DashboardSettings(
            address="127.0.0.1:0", http_address="127.0.0.1:0", coordinator="127.0.0.1:1", gateway="127.0.0.1:1",
            redis_url=SecretStr(valkey.url),
        )  # fmt: skip
        async with (
            running(settings) as dashboard,
            aiohttp.ClientSession(f"http://127.0.0.1:{dashboard.http_port}") as http,
            http.get("/api/openapi.json") as answer,
        ):
            answer.raise_for_status()
            description: dict[str, Any] = await answer.json()
            return description


def _page(description: dict[str, Any]) -> str:
    """Return the page."""
    parts = [_HEAD, f"{description['info']['description']}\n"]
    for path, methods in description["paths"].items():
        parts += [_operation(method.upper(), path, operation) for method, operation in methods.items()]
    return "\n".join(parts)


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    """Return one method of one path."""
    rows = (
        (code(entry["name"]), entry["in"], cell(entry["description"]), cell(_words(entry["schema"])))
        for entry in operation["parameters"]
    )
    parts = [f"## {method} {path}\n", f"{cell(operation['summary'])} {cell(operation['description'])}\n"]
    parts.append(table(("parameter", "in", "meaning", "may be"), rows))
    if "requestBody" in operation:
        parts.append(_contents("Body", operation["requestBody"]["content"]))
    good = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
    parts.append(_contents("Answer", good["content"]))
    return "\n".join(parts)


def _contents(what: str, contents: dict[str, Any]) -> str:
    """Return what a body or an answer is; a schema of its own is shown whole."""
    kinds = ", ".join(map(code, contents))
    schema = next(iter(contents.values()))["schema"]
    if "$ref" in schema:
        return f"{what}: {kinds}, {_linked(schema['$ref'])}.\n"
    if schema.keys() <= {"type"}:
        return f"{what}: {kinds}.\n"
    text = json.dumps(_told(schema), indent=2, ensure_ascii=False).replace("\n", "\n    ")
    return f'??? note "{what}: {", ".join(contents)}"\n\n    ```json\n    {text}\n    ```\n'


def _told(schema: Any) -> Any:
    """Return a schema without the names that it refuses."""
    if isinstance(schema, dict):
        return {key: _told(value) for key, value in schema.items() if value is not False}
    return [_told(entry) for entry in schema] if isinstance(schema, list) else schema


def _linked(reference: str) -> str:
    """Return a link to a message that the description names."""
    name = reference.removeprefix(_REFERENCE)
    return f"[{name}]({page_of(name)})" if name.startswith("miyabi.") else code(name)


def _words(schema: dict[str, Any]) -> str:
    """Return what a parameter may be."""
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    bounds = {"minimum": "at least", "maximum": "at most", "maxLength": "characters at most", "default": "default"}
    said = [f"{words} {schema[name]}" for name, words in bounds.items() if name in schema]
    return ", ".join([str(schema.get("type", "any")), *said])

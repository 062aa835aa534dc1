"""The pages of the interfaces: a list of all RPCs, and a page for each proto file."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from functools import cache

from scripts.docs.reference.described import Field, File, Message, Method, Service, described
from scripts.docs.reference.markdown import cell, code, prose, table

#: How the list of all RPCs begins.
_HEAD = (
    "# RPCs\n\nReflection is on: grpcurl needs no file. Errors carry a canonical code and one `ErrorInfo` whose "
    "`reason` never changes; what is wrong with a request comes back by field.\n"
)


def pages() -> dict[str, str]:
    """Return the pages, by their place below `reference/`."""
    return {"rpcs.md": _rpcs(), **{_place(file): _file(file) for file in described()}}


def page_of(name: str, *, here: str = "rpcs.md") -> str:
    """Return the address of a message, an enum or a service.

    Args:
        name: Its full name, one of ours.
        here: Page that the link stands on, below `reference/`.
    """
    relative = posixpath.relpath(_places()[name], posixpath.dirname(here) or ".")
    return f"{relative}#{name}"


@cache
def _places() -> dict[str, str]:
    """Return the page of each message, enum and service."""
    messages = {message.name: _place(file) for file in described() for message in file.messages}
    return messages | {service.name: _place(file) for file in described() for service in file.services}


def _place(file: File) -> str:
    """Return the page of a file."""
    package, _, name = file.name.removeprefix("miyabi/").removesuffix(".proto").rpartition("/")
    return f"interfaces/{package.replace('/', '-')}-{name.replace('_', '-')}.md"


def _rpcs() -> str:
    """Return the list of all RPCs."""
    parts = [_HEAD]
    for file in described():
        for service in file.services:
            rows = (
                (f"[{method.name}]({_place(file)}#{service.name}.{method.name})", _first(method.comment))
                for method in service.methods
            )
            parts.append(f"## {service.name}\n\n{prose(service.comment)}\n\n{table(('RPC', 'what it does'), rows)}")
    return "\n".join(parts)


def _first(comment: str) -> str:
    """Return a comment's first paragraph."""
    return cell(comment.strip().partition("\n\n")[0])


def _file(file: File) -> str:
    """Return the page of a proto file."""
    here = _place(file)
    parts = [f"# {file.name.removeprefix('miyabi/')}\n"]
    for service in file.services:
        parts.append(_heading(2, service.name, service.name) + f"\n{prose(service.comment)}\n")
        parts += [_method(service, method, here) for method in service.methods]
    parts += [_message(message, here) for message in file.messages]
    return "\n".join(parts)


def _heading(level: int, text: str, anchor: str) -> str:
    """Return a heading that is found by a full name."""
    return f"{'#' * level} {text} {{ #{anchor} }}\n"


def _method(service: Service, method: Method, here: str) -> str:
    """Return an RPC."""
    request = ("stream " if method.request_streams else "") + _linked(method.request, here)
    response = ("stream " if method.response_streams else "") + _linked(method.response, here)
    heading = _heading(3, method.name, f"{service.name}.{method.name}")
    return f"{heading}\n{request} → {response}\n\n{prose(method.comment)}\n"


def _message(message: Message, here: str) -> str:
    """Return a message or an enum."""
    if message.is_enum:
        fields = table(("value", "meaning"), ((code(value.name), value.comment) for value in message.fields))
    else:
        fields = fields_table(message.fields, here=here)
    return f"{_heading(2, _short(message.name), message.name)}\n{prose(message.comment)}\n\n{fields}"


def fields_table(fields: Iterable[Field], *, here: str) -> str:
    """Return the table of some fields.

    Args:
        fields: They.
        here: Page that it stands on, below `reference/`.
    """
    rows = ((code(field.name), _type(field, here), field.comment, cell(code(field.rule))) for field in fields)
    return table(("field", "type", "meaning", "has to be"), rows)


def _type(field: Field, here: str) -> str:
    """Return a field's type, which leads to what it holds."""
    shown = cell(field.kind)
    return f"[{shown}]({page_of(field.type_name, here=here)})" if field.type_name in _places() else shown


def _linked(name: str, here: str) -> str:
    """Return a link to a message; one that is not ours is named."""
    return f"[{_short(name)}]({page_of(name, here=here)})" if name in _places() else code(name)


def _short(name: str) -> str:
    """Return a name without its package."""
    return ".".join(part for part in name.split(".") if part[:1].isupper())

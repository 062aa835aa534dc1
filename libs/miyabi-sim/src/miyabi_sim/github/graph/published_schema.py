"""GitHub's published GraphQL schema, and the proof that a smaller schema is a part of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    is_required_argument,
    is_required_input_field,
    is_specified_scalar_type,
)


def load(path: Path) -> GraphQLSchema:
    """Return the schema that a file in GraphQL's schema language describes.

    Raises:
        OSError: if the file cannot be read.
        GraphQLError: if it is no schema.
    """
    return build_schema(path.read_text("utf-8"), assume_valid=True)


def differences(part: GraphQLSchema, whole: GraphQLSchema) -> list[str]:
    """Return what `part` has that `whole` has not, or has otherwise; empty where it is a strict part."""
    found: list[str] = []
    for name, kind in part.type_map.items():
        if name.startswith("__") or is_specified_scalar_type(kind):
            continue
        published = whole.get_type(name)
        if published is None or type(published) is not type(kind):
            found.append(f"{name} is not published")
        else:
            found += _type_differences(kind, published)
    return found


def _type_differences(kind: GraphQLNamedType, published: GraphQLNamedType) -> Iterator[str]:
    match kind, published:
        case GraphQLUnionType(), GraphQLUnionType():
            yield from _missing(kind.name, [t.name for t in kind.types], [t.name for t in published.types])
        case GraphQLEnumType(), GraphQLEnumType():
            yield from _missing(kind.name, list(kind.values), list(published.values))
        case GraphQLInputObjectType(), GraphQLInputObjectType():
            yield from _input_differences(kind, published)
        case (GraphQLObjectType() | GraphQLInterfaceType(), GraphQLObjectType() | GraphQLInterfaceType()):
            mine, theirs = kind.interfaces, published.interfaces
            yield from _missing(kind.name, [i.name for i in mine], [i.name for i in theirs])
            yield from _field_differences(kind, published)


def _field_differences(
    kind: GraphQLObjectType | GraphQLInterfaceType, published: GraphQLObjectType | GraphQLInterfaceType
) -> Iterator[str]:
    for name, mine in kind.fields.items():
        place = f"{kind.name}.{name}"
        theirs = published.fields.get(name)
        if theirs is None:
            yield f"{place} is not published"
            continue
        if str(mine.type) != str(theirs.type):
            yield f"{place} is {mine.type}, published is {theirs.type}"
        for argument, definition in mine.args.items():
            other = theirs.args.get(argument)
            if other is None or str(other.type) != str(definition.type):
                yield f"{place}({argument}: {definition.type}) is not published"
        for argument, other in theirs.args.items():
            if argument not in mine.args and is_required_argument(other):
                yield f"{place} lacks the required argument {argument}"


def _input_differences(kind: GraphQLInputObjectType, published: GraphQLInputObjectType) -> Iterator[str]:
    mine = [f"{name}: {field.type}" for name, field in kind.fields.items()]
    yield from _missing(kind.name, mine, [f"{name}: {field.type}" for name, field in published.fields.items()])
    for name, field in published.fields.items():
        if name not in kind.fields and is_required_input_field(field):
            yield f"{kind.name} lacks the required field {name}"


def _missing(place: str, mine: list[str], theirs: list[str]) -> Iterator[str]:
    for name in mine:
        if name not in theirs:
            yield f"{place} has {name}, which is not published"

"""The GraphQL schema of the simulated GitHub, a strict part of the published one."""

from __future__ import annotations

from importlib.resources import files

from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema, GraphQLUnionType, build_schema

from miyabi_sim.github.graph.mutations import MUTATIONS
from miyabi_sim.github.graph.resolvers import RESOLVERS, TYPES
from miyabi_sim.github.graph.timelines import TIMELINE


def load_schema() -> GraphQLSchema:
    """Return the schema with every resolver attached."""
    schema = build_schema(files("miyabi_sim.github.graph").joinpath("schema.graphql").read_text("utf-8"))
    for type_name, resolvers in (RESOLVERS | MUTATIONS | TIMELINE).items():
        kind = schema.type_map[type_name]
        assert isinstance(kind, GraphQLObjectType)
        for field_name, resolve in resolvers.items():
            kind.fields[field_name].resolve = resolve
    for type_name, resolve_type in TYPES.items():
        kind = schema.type_map[type_name]
        assert isinstance(kind, GraphQLInterfaceType | GraphQLUnionType)
        kind.resolve_type = resolve_type
    return schema

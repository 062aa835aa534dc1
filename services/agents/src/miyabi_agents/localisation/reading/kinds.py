"""Which nodes of each grammar are definitions, and of which kind."""

from __future__ import annotations

from collections.abc import Mapping

from miyabi_agents.localisation.reading.languages import Language

_JAVASCRIPT = {
    "class_declaration": "class",
    "abstract_class_declaration": "class",
    "function_declaration": "function",
    "generator_function_declaration": "function",
    "function_signature": "function",
    "method_definition": "method",
    "interface_declaration": "interface",
    "type_alias_declaration": "type",
    "enum_declaration": "enum",
    "internal_module": "namespace",
}
#: Kind of a definition by the type of its node; its name is the field `name`, or `type` of an `impl`.
KINDS: Mapping[Language, Mapping[str, str]] = {
    Language.JAVASCRIPT: _JAVASCRIPT,
    Language.TYPESCRIPT: _JAVASCRIPT,
    Language.TSX: _JAVASCRIPT,
    Language.GO: {
        "function_declaration": "function",
        "method_declaration": "method",
        "type_spec": "type",
        "type_alias": "type",
    },
    Language.RUST: {
        "function_item": "function",
        "function_signature_item": "function",
        "struct_item": "struct",
        "union_item": "struct",
        "enum_item": "enum",
        "trait_item": "trait",
        "type_item": "type",
        "impl_item": "impl",
        "mod_item": "module",
        "macro_definition": "macro",
    },
}
#: Nodes that define what their value is, with the fields of name and value.
VALUED: Mapping[str, tuple[str, str]] = {
    "variable_declarator": ("name", "value"),
    "assignment_expression": ("left", "right"),
    "pair": ("key", "value"),
    "field_definition": ("property", "value"),
    "public_field_definition": ("name", "value"),
}
#: Kind of a valued definition by the type of the value.
VALUES: Mapping[str, str] = {
    "arrow_function": "function",
    "function_expression": "function",
    "generator_function": "function",
    "class": "class",
}
#: Nodes that bring in a module, with the field that names it.
IMPORTS: Mapping[str, str] = {
    "import_statement": "source",
    "export_statement": "source",
    "import_spec": "path",
    "use_declaration": "argument",
}
#: Functions that bring in the module that is their first argument.
LOADERS = frozenset({"require", "import"})
#: Kinds in which further definitions are looked for; what lies in another belongs to it.
OPEN = frozenset({"class", "interface", "namespace", "trait", "impl", "module"})
#: Kinds whose functions are methods.
TYPES = frozenset({"class", "interface", "trait", "impl"})

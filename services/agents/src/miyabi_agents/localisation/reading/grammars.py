"""Reads what a file of JavaScript, TypeScript, Go or Rust defines and imports, by tree-sitter."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from functools import cache

import tree_sitter
import tree_sitter_go
import tree_sitter_javascript
import tree_sitter_rust
import tree_sitter_typescript

from miyabi_agents.localisation.reading.definitions import Definition, Import, Structure, bounded
from miyabi_agents.localisation.reading.kinds import IMPORTS, KINDS, LOADERS, OPEN, TYPES, VALUED, VALUES
from miyabi_agents.localisation.reading.languages import Language

#: Seconds of CPU that one file may take to parse; of one that takes more, written for it, only the words are kept.
MAX_SECONDS = 0.5
#: Nodes of one file that are looked at: some tenths of a second.
MAX_NODES = 300_000
#: Definitions inside one another that are followed.
MAX_DEPTH = 20
#: Longest name of a module that is kept.
MAX_MODULE = 300
#: Bytes that the parser is given at a time; it reports its progress only where it asks for them.
_CHUNK = 1 << 16
#: Depth of `export const a = …` below the file: what is exported there is a definition whatever its value.
_EXPORTED_DEPTH = 3

_GRAMMARS = {
    Language.JAVASCRIPT: tree_sitter_javascript.language,
    Language.TYPESCRIPT: tree_sitter_typescript.language_typescript,
    Language.TSX: tree_sitter_typescript.language_tsx,
    Language.GO: tree_sitter_go.language,
    Language.RUST: tree_sitter_rust.language,
}
#: The type that a method of Go, or an `impl` of Rust, belongs to.
_TYPE_NAME = re.compile(r"([A-Za-z_]\w*)\s*(?:[\[<].*)?\)?$", re.DOTALL)


def read_by_grammar(text: str, language: Language) -> Structure:
    """Return what a file defines and imports; functions inside functions belong to the outer one.

    Args:
        text: Its text.
        language: One of those that have a grammar.
    """
    content = text.encode("utf-8", "surrogatepass")
    parser = _parser(language)
    limit = time.process_time() + MAX_SECONDS
    try:
        tree = parser.parse(
            lambda at, _point: content[at : at + _CHUNK],
            progress_callback=lambda _at, _has_error: time.process_time() > limit,
        )
    except ValueError:
        # It took too long; the parser would go on where it stopped.
        parser.reset()
        return Structure()
    reader = _Reader(content, language)
    reader.walk(tree.walk())
    places = _places(text, content)
    found = (Definition(places[at] if places else at, kind, name) for at, kind, name in reader.found)
    return Structure(bounded(found), tuple(reader.imports))


@cache
def _parser(language: Language) -> tree_sitter.Parser:
    """Return the parser of a language, made once."""
    return tree_sitter.Parser(tree_sitter.Language(_GRAMMARS[language]()))


def _places(text: str, content: bytes) -> list[int] | None:
    """Return the character at which each byte's letter stands; None where both are counted alike."""
    if len(text) == len(content):
        return None
    places: list[int] = []
    for place, letter in enumerate(text):
        places += [place] * len(letter.encode("utf-8", "surrogatepass"))
    return places


class _Reader:
    """Walks a tree, but for the insides of functions.

    Args:
        content: The text in bytes.
        language: Of the tree.
    """

    def __init__(self, content: bytes, language: Language) -> None:
        self._content, self._kinds = content, KINDS[language]
        self.found: list[tuple[int, str, str]] = []
        self.imports: list[Import] = []
        #: End, kind and full name of what is open.
        self._around: list[tuple[int, str, str]] = []

    def walk(self, cursor: tree_sitter.TreeCursor) -> None:
        """Look at every node, within bounds."""
        for _ in range(MAX_NODES):
            node = cursor.node
            if node is None:
                return
            inside = self._look_at(node, cursor.depth)
            if (inside and cursor.goto_first_child()) or cursor.goto_next_sibling():
                continue
            while cursor.goto_parent():
                if cursor.goto_next_sibling():
                    break
            else:
                return

    def _look_at(self, node: tree_sitter.Node, depth: int) -> bool:
        """Note what a node defines or brings in; returns whether to look inside."""
        while self._around and self._around[-1][0] <= node.start_byte:
            self._around.pop()
        kind = node.type
        if kind in IMPORTS or kind == "call_expression":
            self.imports += self._modules(node, kind)
        if kind in self._kinds:
            return self._define(node, self._kinds[kind], self._name(node, kind))
        if kind in VALUED:
            return self._valued(node, kind, depth)
        return True

    def _valued(self, node: tree_sitter.Node, kind: str, depth: int) -> bool:
        """Note what is defined by its value, or is exported."""
        named, valued = (node.child_by_field_name(field) for field in VALUED[kind])
        if named is None:
            return True
        found = VALUES.get(valued.type, "") if valued is not None else ""
        exported = depth == _EXPORTED_DEPTH and kind == "variable_declarator" and _is_exported(node)
        if exported and found != "class":
            found = "constant"
        if not found:
            return True
        name = self._text(named).rpartition(".")[2] if kind == "assignment_expression" else self._text(named)
        in_class = kind in {"pair", "field_definition", "public_field_definition"}
        return self._define(node, "method" if in_class and found == "function" else found, name)

    def _define(self, node: tree_sitter.Node, kind: str, name: str) -> bool:
        """Note a definition; returns whether to look inside."""
        if kind == "module" and node.child_by_field_name("body") is None:
            self.imports.append(Import(name[:MAX_MODULE]))
            return False
        if not name or "\n" in name or len(self._around) >= MAX_DEPTH:
            return kind in OPEN
        if kind == "function" and self._around and self._around[-1][1] in TYPES:
            kind = "method"
        full = f"{self._around[-1][2]}.{name}" if self._around else name
        self.found.append((node.start_byte, kind, full))
        if kind in OPEN:
            self._around.append((node.end_byte, kind, full))
        return kind in OPEN

    def _name(self, node: tree_sitter.Node, kind: str) -> str:
        """Return the name of what a node defines; a method of Go comes after its type."""
        named = node.child_by_field_name("type" if kind == "impl_item" else "name")
        name = self._text(named) if named is not None else ""
        if kind == "impl_item":
            return _type_name(name)
        receiver = node.child_by_field_name("receiver") if kind == "method_declaration" else None
        owner = _type_name(self._text(receiver)) if receiver is not None else ""
        return f"{owner}.{name}" if owner else name

    def _modules(self, node: tree_sitter.Node, kind: str) -> Iterator[Import]:
        """Yield what a node brings in."""
        if kind in IMPORTS:
            named = node.child_by_field_name(IMPORTS[kind])
        else:
            called, given = node.child_by_field_name("function"), node.child_by_field_name("arguments")
            if called is None or given is None or self._text(called) not in LOADERS:
                return
            named = next((child for child in given.named_children[:1] if child.type == "string"), None)
        if named is not None:
            yield Import(self._text(named).strip("\"'`")[:MAX_MODULE])

    def _text(self, node: tree_sitter.Node) -> str:
        """Return the first characters of a node's text."""
        return self._content[node.start_byte : min(node.end_byte, node.start_byte + MAX_MODULE)].decode(
            "utf-8", "replace"
        )


def _is_exported(node: tree_sitter.Node) -> bool:
    """Tell whether a declarator stands in an export."""
    around = node.parent
    outer = around.parent if around is not None else None
    return outer is not None and outer.type == "export_statement"


def _type_name(text: str) -> str:
    """Return the name of a type without what it is made for: of `(m *Map[K, V])` it is `Map`."""
    found = _TYPE_NAME.search(text)
    return found[1] if found else ""

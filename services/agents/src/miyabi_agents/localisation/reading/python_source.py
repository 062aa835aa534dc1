"""Reads what a Python file defines and imports by one pass of a regular expression, well-formed or not.

A parser would refuse files of another version of Python, and takes ten times as long for a whole repository.
"""

from __future__ import annotations

import re

from miyabi_agents.localisation.reading.definitions import Definition, Import, Structure, bounded

#: Definitions inside one another that are followed; what lies deeper is counted to the last.
MAX_DEPTH = 20
#: Names taken from one import.
MAX_NAMES = 200

#: Strings and comments are stepped over, for what they hold defines nothing. A string that does not end is one up to
#: the end of the file or line, so that no text is looked at twice.
_SCAN = re.compile(
    r'''
      """(?:[^"\\]+|\\.|"(?!""))*+(?:"""|\Z)
    | \'\'\'(?:[^'\\]+|\\.|'(?!''))*+(?:\'\'\'|\Z)
    | "(?:[^"\\\n]+|\\.)*+(?:"|$)
    | '(?:[^'\\\n]+|\\.)*+(?:'|$)
    | \#[^\n]*+
    | ^(?P<indent>[ \t]*+)(?:(?:async|cdef|cpdef)[ \t]++)?(?P<kind>def|class)[ \t]++(?P<name>\w++)
    | ^[ \t]*+from[ \t]++(?P<module>[.\w]++)[ \t]*+import\b(?P<names>[ \t]*+\([^)]*+\)|[^\n;\#]*+)
    | ^[ \t]*+import[ \t]++(?P<plain>[^\n;\#]*+)
    ''',
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)
_NAME = re.compile(r"(\w+)(?:\s+as\s+\w+)?")
_MODULE = re.compile(r"([\w.]+)(?:\s+as\s+\w+)?")
_COMMENT = re.compile(r"#[^\n]*")


def read_python(text: str) -> Structure:
    """Return what a Python file defines and imports; nested functions belong to the one that they lie in."""
    definitions: list[Definition] = []
    imports: list[Import] = []
    #: Indentation, kind and full name of what is open.
    around: list[tuple[int, str, str]] = []
    for found in _SCAN.finditer(text):
        if found["name"] is not None:
            _define(found, around, definitions)
        elif found["module"] is not None:
            names = _NAME.findall(_COMMENT.sub("", found["names"]))[:MAX_NAMES]
            imports.append(Import(found["module"], tuple(names)))
        elif found["plain"] is not None:
            imports += (Import(module) for module in _MODULE.findall(found["plain"])[:MAX_NAMES])
    return Structure(bounded(definitions), tuple(imports))


def _define(found: re.Match[str], around: list[tuple[int, str, str]], definitions: list[Definition]) -> None:
    """Note a definition, unless it lies in a function."""
    indent = len(found["indent"].expandtabs())
    while around and around[-1][0] >= indent:
        around.pop()
    if any(kind != "class" for _, kind, _ in around) or len(around) >= MAX_DEPTH:
        return
    kind = "class" if found["kind"] == "class" else "method" if around else "function"
    name = f"{around[-1][2]}.{found['name']}" if around else found["name"]
    around.append((indent, kind, name))
    definitions.append(Definition(found.end("indent"), kind, name))

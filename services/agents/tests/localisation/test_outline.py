"""What a file defines, in each language, whatever stands in it."""

from __future__ import annotations

import time

import pytest

from miyabi_agents.localisation import outline
from miyabi_agents.localisation.reading.languages import Language
from miyabi_agents.localisation.reading.record import record_of
from miyabi_agents.localisation.reading.structure import structure_of

PYTHON = '''import os
"""
def not_here(): pass
"""
class A(B):
    """Say."""
    x = 'class No: pass'
    async def run(self):
        def inside(): pass
    class Inner:
        def deep(self): pass
    # def commented(): pass
def after(): pass
'''
TYPESCRIPT = """import {a} from './b.js';
export const K = make(1);
export class Foo<T> extends Bar {
  private x = () => { function y() {} };
  get(a: string): void { const f = () => 1 }
}
export interface I { a(): void }
namespace N { export function inner() {} }
enum E { A }
/* é */ const go = async () => {};
"""
GO = """package a
import ("fmt"; x "y/z")
type Foo struct{}
func (f *Foo) Bar() {}
func (m *Map[K, V]) Get() {}
func New[T any]() {}
"""
RUST = """use a::b;
pub struct S<T> { a: T }
impl<T> Tr for S<T> {
    fn go(&self) { fn inside() {} }
}
#[cfg(test)]
mod tests { fn t() {} }
macro_rules! mm { () => {} }
"""


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        (
            "a.py",
            PYTHON,
            [
                (5, "class", "A"),
                (8, "method", "A.run"),
                (10, "class", "A.Inner"),
                (11, "method", "A.Inner.deep"),
                (13, "function", "after"),
            ],
        ),
        (
            "a.ts",
            TYPESCRIPT,
            [
                (2, "constant", "K"),
                (3, "class", "Foo"),
                (4, "method", "Foo.x"),
                (5, "method", "Foo.get"),
                (7, "interface", "I"),
                (8, "namespace", "N"),
                (8, "function", "N.inner"),
                (9, "enum", "E"),
                (10, "function", "go"),
            ],
        ),
        ("a.js", "class A { b = () => 1; c() {} }\nx.y = function () {};\n", [
            (1, "class", "A"), (1, "method", "A.b"), (1, "method", "A.c"), (2, "function", "y"),
        ]),
        ("a.tsx", "export const V = () => <p>x</p>;\n", [(1, "constant", "V")]),
        ("a.go", GO, [(3, "type", "Foo"), (4, "method", "Foo.Bar"), (5, "method", "Map.Get"), (6, "function", "New")]),
        (
            "a.rs",
            RUST,
            [
                (2, "struct", "S"),
                (3, "impl", "S"),
                (4, "method", "S.go"),
                (7, "module", "tests"),
                (7, "function", "tests.t"),
                (8, "macro", "mm"),
            ],
        ),
        ("a.py", "def a(): pass\rdef b(): pass\n\x0c\ndef c(): pass", [(1, "function", "a"), (3, "function", "c")]),
        ("a.py", "x = '''never closed\ndef hidden(): pass\n", []),
        ("a.java", "class A {}", []),
        ("a.txt", "def a(): pass", []),
    ],
)  # fmt: skip
def test_an_outline_lists_lines_kinds_and_names(path: str, text: str, found: list[tuple[int, str, str]]) -> None:
    """Strings and comments define nothing; what lies in a function belongs to it; lines end with LF."""
    assert found == outline(path, text)


@pytest.mark.parametrize(
    ("language", "text", "modules"),
    [
        (Language.PYTHON, "import a.b as c, d\nfrom .e import (f, # g\n  h)\n", ["a.b", "d", ".e"]),
        (Language.JAVASCRIPT, "import x from './a.js'; const b = require('b'); await import('./c')", ["./a.js", "b", "./c"]),
        (Language.GO, 'package a\nimport "net/http"\n', ["net/http"]),
        (Language.RUST, "mod x;\nuse crate::y::z;\n", ["x", "crate::y::z"]),
    ],
)  # fmt: skip
def test_imports_are_read(language: Language, text: str, modules: list[str]) -> None:
    """A file's imports are known as they are written."""
    assert modules == [one.module for one in structure_of(text, language).imports]


#: Texts that make a careless reader take very long: brackets, strings and names that never end.
HOSTILE = {
    "brackets": "(" * 500_000,
    "braces": "{[" * 250_000,
    "templates": "`${" * 200_000,
    "generics": "a<" * 250_000,
    "functions": "function f(){" * 40_000,
    "tags": "<a>" * 200_000,
    "quotes": "'\"" * 250_000,
    "triple": '"""\\' * 100_000,
    "escaped": '"' + '\\"' * 250_000,
    "indented": "".join(f"{' ' * depth}class A{depth}:\n" for depth in range(900)),
    "classes": "class A: pass\n" * 40_000,
    "one name": "a" * 1_000_000,
    "names": " ".join(f"n{number}" for number in range(150_000)),
    "imports": "from a import (" * 40_000,
}
#: Seconds of CPU that any of them may take: half a second is the limit of a parser, and reading goes on around it.
MOST_SECONDS = 3.0


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_text_takes_long(text: str, language: Language) -> None:
    """Whatever a file holds, it is read in bounded time, into bounded numbers."""
    began = time.process_time()
    record = record_of(text, language)
    assert time.process_time() - began < MOST_SECONDS
    assert len(record.defined) <= 5_000
    assert len(record.names) <= 200_000

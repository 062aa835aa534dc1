"""Tests are run from the nearest to the farthest, since time may end before all have been run."""

from __future__ import annotations

import json

import pytest

from miyabi_agents.toolchains.javascript.toolchain import JavaScriptToolchain
from miyabi_agents.toolchains.nearness import nearest
from services.agents.tests.toolchains.javascript.rig import files


@pytest.mark.parametrize(
    ("distance", "touched", "expected"),
    [
        ({"b": 1, "a": 2, "c": 0}, ["x"], ["c", "b", "a"]),
        ({"a/t.py": 1, "z/pkg/t.py": 1}, ["z/pkg/m.py"], ["z/pkg/t.py", "a/t.py"]),
        ({"a/t.py": 1, "z/t.py": 1, "z/pkg/t.py": 1}, ["z/pkg/m.py", "q.py"], ["z/pkg/t.py", "z/t.py", "a/t.py"]),
        ({"b": 1, "a": 1}, [], ["a", "b"]),
        ({}, ["x"], []),
    ],
)
def test_steps_first_then_shared_folders(distance: dict[str, int], touched: list[str], expected: list[str]) -> None:
    """Steps of imports count first, then how many folders are shared, then the name."""
    assert nearest(distance, touched) == expected


def test_another_package_comes_last() -> None:
    """In a repository of several packages the touched package's tests stand before those of one that only imports it."""
    base = files({
        "package.json": json.dumps({"workspaces": ["packages/*"], "devDependencies": {"vitest": "3"}}),
        "vitest.config.ts": "",
        "packages/core/src/index.ts": "export const a = 1;",
        "packages/core/src/index.test.ts": "import { a } from './index';",
        "packages/core/tests/more.test.ts": "import { a } from '../src/index';",
        "packages/bundle/size.test.ts": "import { a } from '../core/src/index';",
    })  # fmt: skip
    toolchain = JavaScriptToolchain()
    project = toolchain.recognise(base, None)[0]
    found = toolchain.select(project, base, {"packages/core/src/index.ts": b"export const a = 2;"})
    assert list(found.near)[-1] == "packages/bundle/size.test.ts"
    assert len(found.near) == 3

"""Says what an environment is: the same recipe and the same content of its inputs give the same name."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Iterator, Sequence

from miyabi_agents.toolchains.port import BaseFiles, Recipe

#: Changes when environments are laid out differently, so that old ones are not used.
FORMAT = 1
#: Characters of a name; 128 bits, and short enough for the first line of a script (Linux reads 255 bytes of it).
_NAME_CHARACTERS = 32
#: What `BaseFiles.read` returns at most.
READ_BYTES = 1 << 20
#: Most recipes that are tried for one environment.
MAX_RECIPES = 6


def name_of(
    recipe: Recipe, base: BaseFiles, *, repository: str, root: str, change: bool, submodules: Sequence[str] = ()
) -> str:
    """Return an environment's name: SHA-256 over all that it is built from.

    The repository is part of it: a build runs code of the whole tree, not only of the inputs, and what one repository
    builds must not be given to another that shows the same manifests. *change* keeps what was built from a change's
    manifests apart from what base's give. *submodules* are those whose files lie in its tree, each with its commit.
    """
    recipes = list(all_recipes(recipe))
    inputs = sorted({path for one in recipes for path in one.inputs})
    described = {
        "format": FORMAT,
        "platform": [sys.platform, platform.machine(), *platform.libc_ver()],
        "repository": repository.lower(),
        "root": root,
        "change": change,
        "recipes": [_described(one) for one in recipes],
        "inputs": [[path, _digest(base.read(path), base)] for path in inputs],
        **({"submodules": sorted(submodules)} if submodules else {}),
    }
    text = json.dumps(described, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_NAME_CHARACTERS]


def all_recipes(recipe: Recipe) -> Iterator[Recipe]:
    """Yield a recipe and its fallbacks in the order in which they are tried, at most `MAX_RECIPES`."""
    pending, given = [recipe], 0
    while pending and given < MAX_RECIPES:
        one = pending.pop(0)
        yield one
        given += 1
        pending[:0] = one.fallbacks


def _described(recipe: Recipe) -> dict[str, object]:
    """Return what of a recipe decides what it builds."""
    steps = [
        [step.name, step.phase.value, list(step.command), sorted(step.environment.items()), step.cwd, step.optional]
        for step in recipe.steps
    ]
    return {"toolchain": recipe.toolchain, "keys": list(recipe.keys), "steps": steps}


def _digest(content: bytes | None, base: BaseFiles) -> str | None:
    """Return a content's hash; None where there is none.

    Of a large file only the beginning is read: it counts as another one in each commit.
    """
    if content is None:
        return None
    digest = hashlib.sha256(content)
    if len(content) >= READ_BYTES:
        digest.update(base.committed.isoformat().encode())
    return digest.hexdigest()

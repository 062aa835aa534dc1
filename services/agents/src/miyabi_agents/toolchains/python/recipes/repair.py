"""Adds to a recipe what tests could not import."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from miyabi_agents.toolchains.port import Phase, Recipe
from miyabi_agents.toolchains.python.recipes.distributions import distribution_of
from miyabi_agents.toolchains.python.recipes.steps import PYTHON

#: Modules that one round adds at most; more missing ones mean that something else is wrong.
MAX_MODULES = 20
#: How Python says that a module is missing.
_MISSING = re.compile(r"No module named '?([A-Za-z_][\w.]{0,100})'?")
#: Name of the step that is added.
STEP = "fetch and install what tests could not import"


def missing_in(texts: Iterable[str]) -> Sequence[str]:
    """Return the modules that messages of failed imports name, sorted."""
    return sorted({name for text in texts for name in _MISSING.findall(text[:20_000])})


def repair(recipe: Recipe, missing: Sequence[str]) -> Recipe | None:
    """Return a recipe that also installs what brings some modules; None where nothing new is known.

    Args:
        recipe: What was built, and could not import them.
        missing: Names of modules, as Python says them. The caller makes at most three rounds.
    """
    found = {name: distribution_of(name) for name in missing[:MAX_MODULES]}
    known = {word for step in recipe.steps if step.name == STEP for word in step.command}
    fresh = {name: text for name, text in found.items() if text and text not in known}
    like = next((step for step in reversed(recipe.steps) if step.phase is Phase.FETCH), None)
    if not fresh or like is None:
        return None
    step = replace(like, name=STEP, command=[*_start(like.command), *sorted(set(fresh.values()))], cwd="{env}")
    added = ", ".join(f"{text} ({name})" for name, text in sorted(fresh.items()))
    note = f"installed since tests could not import them: {added}"
    return replace(recipe, steps=(*recipe.steps, step), notes=(*recipe.notes, note), fallbacks=())


def _start(command: Sequence[str]) -> Sequence[str]:
    """Return an installer's command without what it installs: the same day, wheels alone where it took wheels alone."""
    start = [command[0], "pip", "install", "--python", PYTHON]
    if "--only-binary" in command or "--no-build" in command:
        start += ["--only-binary", ":all:"]
    if "--exclude-newer" in command:
        start += ["--exclude-newer", command[list(command).index("--exclude-newer") + 1]]
    return start

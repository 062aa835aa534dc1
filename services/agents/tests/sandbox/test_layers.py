"""Which layers this machine has, and what a command costs with them."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from miyabi_agents.errors import SandboxError
from miyabi_agents.ports import SandboxJob
from miyabi_agents.sandbox import Layers, ProcessSandbox, probe_layers
from miyabi_agents.sandbox.cost import start_cost
from miyabi_agents.sandbox.probe import MODES, layers_of

NAMES = {
    "own-uid", "user-namespace", "pid-namespace", "net-namespace", "mount-namespace", "landlock", "landlock-tcp",
    "landlock-scope", "seccomp", "cgroup", "measured-memory", "disk-watch", "rlimits", "no_new_privs",
}  # fmt: skip


def test_every_layer_is_named() -> None:
    """A layer is there, is missed, or is not needed because a better one is there."""
    layers = probe_layers()
    assert not set(layers.active) & set(layers.missing)
    assert {*layers.active, *layers.missing} in (NAMES, NAMES - {"user-namespace"})
    assert ("own-uid" in layers.active) <= (os.geteuid() == 0)


def test_the_probe_is_made_once() -> None:
    """Asking again starts nothing."""
    assert probe_layers() is probe_layers()


@pytest.mark.parametrize("mode", MODES)
def test_layers_say_how_commands_are_kept_apart(mode: str) -> None:
    """The way is read from the layers alone."""
    assert mode == layers_of(mode).mode


async def test_results_name_what_confined_them(any_box: Any) -> None:
    """A result says what held and what was missing."""
    result = await any_box.python("pass")
    expected = layers_of(any_box.mode)
    assert (expected.active, expected.missing) == (result.layers, result.missing_layers)


async def test_without_landlock_nothing_runs_unless_asked_for(tmp_path: Path) -> None:
    """A layer that the claim needs is demanded."""
    plain = layers_of("plain")
    bare = Layers(tuple(name for name in plain.active if not name.startswith("landlock")), (*plain.missing, "landlock"))
    job = SandboxJob(["/bin/echo", "ran"], tmp_path, writable=[tmp_path])
    with pytest.raises(SandboxError) as caught:
        await ProcessSandbox(layers=bare).run(job)
    assert caught.value.code == "LAYER_MISSING"
    result = await ProcessSandbox(layers=bare, unsafe=True).run(job)
    assert (result.output, result.layers) == ("ran\n", ("none",))


async def test_a_layer_that_is_demanded_and_fails_ends_it(tmp_path: Path) -> None:
    """Nothing is left out silently: a command whose namespaces cannot be had does not run."""
    layers = dataclasses.replace(layers_of("own-uid"))
    job = SandboxJob(["/bin/echo", "ran"], tmp_path, writable=[tmp_path])
    if os.geteuid() == 0:
        assert (await ProcessSandbox(layers=layers).run(job)).output == "ran\n"
        return
    with pytest.raises(SandboxError) as caught:
        await ProcessSandbox(layers=layers).run(job)
    assert caught.value.code == "START_FAILED"


@pytest.mark.slow("sixty commands, measured")
async def test_start_costs_little(tmp_path: Path) -> None:
    """A command costs at most 60 ms over a bare process, in the median (more is let pass where the machine is busy)."""
    cost = await start_cost(tmp_path)
    assert cost.over < 0.25, f"{cost.sandboxed * 1000:.1f} ms in the sandbox, {cost.bare * 1000:.1f} ms bare"

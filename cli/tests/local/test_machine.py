"""`miyabi doctor`: what it says of layers and programs, for machines of every kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_commands import miyabi

from miyabi_agents.sandbox.probe import MODES, Layers, layers_of
from miyabi_agents.toolchains.port import Machine
from miyabi_agents.toolchains.registry import TOOLCHAINS
from miyabi_cli.checking.machine import PROGRAMS, PROTECTS, ecosystem, layer_findings


@pytest.mark.parametrize("mode", MODES)
def test_every_layer_has_a_word_on_what_it_protects(mode: str) -> None:
    """None is shown by its name alone, in whatever way commands are kept apart."""
    layers = layers_of(mode)
    found = layer_findings(layers)
    assert {finding.subject.removeprefix("sandbox: ") for finding in found} == {*layers.active, *layers.missing}
    assert {*layers.active, *layers.missing} <= PROTECTS.keys()


def test_a_missing_layer_is_never_claimed() -> None:
    """What is missing says so; only the one without which nothing runs is bad."""
    found = layer_findings(Layers(active=("rlimits",), missing=("landlock", "seccomp")))
    assert [(one.good, one.required) for one in found] == [(True, True), (False, True), (False, False)]
    assert all("lacks it" in one.detail for one in found[1:])
    assert "MIYABI_AGENTS_UNSAFE_SANDBOX" in found[1].detail


def test_every_toolchain_says_what_is_missing_and_how_to_get_it() -> None:
    """On a machine with nothing each of them names its programs, each with a way to install it."""
    assert {toolchain.name for toolchain, _ in TOOLCHAINS} <= PROGRAMS.keys()
    for name, (needed, _) in PROGRAMS.items():
        found = ecosystem(name, Machine())
        assert (found.good, found.required) == (False, False)
        assert all(f"{program} is not on this machine: " in found.detail for program in needed)
    assert "python is not" in ecosystem("python", Machine()).detail


def test_versions_are_shown() -> None:
    """What is there is named with its version."""
    there = Machine(versions={"go": (1, 26, 8), "cc": (12, 2, 0)})
    found = ecosystem("go", there)
    assert (found.good, found.detail) == (True, "go 1.26.8, cc 12.2.0")


async def test_doctor_looks_at_this_machine(tmp_path: Path) -> None:
    """Layers, programs and the rest, in one table; nothing is left of the look."""
    code, output, errors = await miyabi("doctor", MIYABI_DATA_DIR=str(tmp_path / "data"))
    assert (code, "Traceback" in errors) == (0, False), output
    for words in ("sandbox: landlock", "sandbox: seccomp", "toolchain: python", "uv "):
        assert words in output, output
    assert list((tmp_path / "data").iterdir()) == []

"""Runtimes for the agents' image: which names there are, and that each is one in the Dockerfile."""

from __future__ import annotations

import re

import pytest

from scripts.k8s import images
from scripts.k8s.shell import ROOT, K8sError


def test_names_are_those_of_the_dockerfile() -> None:
    """Every name that is taken has a line that installs it, and no other has one."""
    text = (ROOT / "deploy/images/Dockerfile").read_text(encoding="utf-8")
    lines = re.findall(r"^ {8}([a-z]+)\) ", text, re.MULTILINE)
    assert sorted(lines) == sorted(images.TOOLCHAINS)


def test_other_runtimes_are_another_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image with more in it has another tag; the order of the names does not matter."""
    monkeypatch.delenv("MIYABI_K8S_TAG", raising=False)
    tags = []
    for wanted in ("", "node,go", "go node", "go"):
        monkeypatch.setenv("TOOLCHAINS", wanted)
        tags.append(images.content_tag())
    assert (tags[1] == tags[2], len(set(tags))) == (True, 3)


def test_an_unknown_runtime_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt name is an error, not an image without it."""
    monkeypatch.setenv("TOOLCHAINS", "node,perl")
    with pytest.raises(K8sError, match="perl"):
        images.toolchains()

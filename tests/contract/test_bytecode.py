"""What is imported is compiled once: by the set-up and by the first process, and not by every process again."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path

import grpc
import pytest
import redis

from miyabi_cli.settings import CliSettings
from miyabi_cli.stack.environments import Environments, Upstreams
from miyabi_cli.stack.ports import Ports

ROOT = Path(__file__).parents[2]


def test_make_lets_python_keep_what_it_compiled():
    """A machine that forbids it would compile hundreds of modules in each of the processes that tests start."""
    told = 'told:; @echo "$${PYTHONDONTWRITEBYTECODE-unset}"'
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    made = subprocess.run(
        ["make", "--silent", "--eval", told, "told"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert made.stdout == "unset\n"


@pytest.mark.parametrize("package", [grpc, redis])
def test_installed_packages_are_compiled(package):
    """The set-up compiled every module, not only those that somebody imported."""
    sources = sorted(Path(package.__file__).parent.rglob("*.py"))
    missing = [path for path in sources if not Path(importlib.util.cache_from_source(str(path))).exists()]
    assert sources
    assert missing == []


def test_a_local_stack_keeps_what_it_compiled(tmp_path):
    """Each of its processes would compile our own modules at every start."""
    upstreams = Upstreams(
        "", "", "", "", github_simulated=True, model_base_url=None, model_key="", model_simulated=True
    )
    stack = Environments(CliSettings(), {}, Ports(), upstreams, "redis://127.0.0.1:1/0", tmp_path)
    started = [stack.gateway(), stack.coordinator(), stack.agents("one"), stack.dashboard(), stack.simulator()]
    assert not [one for one in started if "PYTHONDONTWRITEBYTECODE" in one]

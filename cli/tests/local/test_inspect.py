"""`miyabi inspect` on small real repositories: real git, the real sandbox, packages from the index."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from checkouts import PLAIN, SMALL, git, make_checkout, write
from test_commands import miyabi
from words.test_documented_fields import DOCUMENTED

from miyabi_agents.inspection import Inspection, inspect
from miyabi_agents.verification.config import parse
from miyabi_cli.trial.checkout import find
from miyabi_cli.trial.place import Place, set_up
from miyabi_cli.trial.repository_file import render
from miyabi_sim.github import SimulatedGitHub


async def look(folder: Path, data: Path, *, run: bool = True) -> Inspection:
    """Inspect a checkout in this process."""
    checkout = await find(folder)
    place = Place(checkout.repository, checkout.sha, checkout=checkout)
    async with set_up(place, data, announce=lambda _: None) as context:
        return await inspect(context, place, run=run)


async def test_the_command_shows_what_base_does(tmp_path: Path) -> None:
    """Recognised, built, run: counts, what is red and what cannot be loaded, with why; twice, the second time built."""
    folder = make_checkout(tmp_path / "small", {**SMALL, "tests/test_dead.py": "import nowhere_at_all\n"})
    write(folder, {"left.txt": "out"})
    code, output, errors = await miyabi("inspect", str(folder), MIYABI_DATA_DIR=str(tmp_path / "data"))
    assert code == 0, errors
    for words in (
        "left out: 1 paths",
        "runner: pytest",
        'environment: pyproject.toml, group "dev"',
        "tests: 2 passed, 1 failed, 0 skipped, 0 blocked",
        "environment built in",
        "red on base: tests/test_small.py::test_red[2]",
        "not loaded: tests/test_dead.py",
        "ModuleNotFoundError: No module named 'nowhere_at_all'",
    ):
        assert words in output, output
    again = await look(folder, tmp_path / "data")
    assert (again.looks[0].built, again.looks[0].seconds.tests > 0) == (False, True)
    assert parse(render(again), where="it").env.requirements == ["nowhere_at_all"]


async def test_json_is_one_object_a_project(tmp_path: Path) -> None:
    """Machines get the same: exit code, counts, reasons, seconds."""
    folder = make_checkout(tmp_path / "plain", PLAIN)
    data = str(tmp_path / "data")
    code, output, errors = await miyabi("inspect", str(folder), "--json", MIYABI_DATA_DIR=data)
    (line,) = [json.loads(line) for line in output.splitlines()]
    assert (code, line["runnable"], line["project"], line["runner"]) == (0, True, ".", "unittest"), errors
    assert line["tests"] == {"passed": 1, "failed": 1, "skipped": 0, "blocked": 0}
    assert list(line["red_on_base"]) == ["tests/test_one.py::OneTests::test_bad"]
    assert list(Path(data).glob("look-*")) == []
    assert sorted(DOCUMENTED["project"]) == sorted({*line, "refusal", "output_tail"})


async def test_nothing_recognised_is_exit_code_1_and_a_file_to_fill_in(tmp_path: Path) -> None:
    """The reason is named, and `--write` leaves a file that says nothing until somebody fills it in."""
    folder = make_checkout(tmp_path / "odd", {"README": "nothing\n"})
    data = str(tmp_path / "data")
    code, output, errors = await miyabi("inspect", str(folder), "--write", MIYABI_DATA_DIR=data)
    assert (code, "NO_TEST_COMMAND" in output) == (1, True), errors
    text = (folder / ".miyabi.yaml").read_text()
    assert "command" in text
    assert parse(text, where="it") == parse("", where="it")
    code, _, errors = await miyabi("inspect", str(folder), "--write", MIYABI_DATA_DIR=data)
    assert (code, "--force" in errors) == (2, True)


async def test_a_file_that_is_not_committed_counts_already(tmp_path: Path) -> None:
    """Whoever writes a `.miyabi.yaml` sees what it does before committing it."""
    folder = make_checkout(tmp_path / "plain", PLAIN)
    command = '["{python}", "-m", "unittest", "-v", "tests.test_one.OneTests.test_good"]'
    write(folder, {".miyabi.yaml": f"test:\n  command: {command}\n  format: unittest\n"})
    found = await look(folder, tmp_path / "data")
    assert (found.config_from, found.looks[0].counts["passed"]) == (".miyabi.yaml (not committed)", 1)


async def test_an_environment_that_cannot_be_built_says_why(tmp_path: Path) -> None:
    """The reason is `ENVIRONMENT`, with the last words of what failed."""
    wanted = "this-is-no-package-of-anybody-4711"
    folder = make_checkout(tmp_path / "small", {**SMALL, ".miyabi.yaml": f"env:\n  requirements: [{wanted}]\n"})
    found = await look(folder, tmp_path / "data")
    (refusal,) = found.refusals
    assert (refusal.reason, wanted in refusal.message) == ("ENVIRONMENT", True)


async def test_without_building_nothing_is_built(tmp_path: Path) -> None:
    """`--no-build` shows the steps there would be."""
    found = await look(make_checkout(tmp_path / "small", SMALL), tmp_path / "data", run=False)
    assert found.looks[0].recipe is not None
    assert (len(found.looks[0].recipe.steps) > 0, found.looks[0].report) == (True, None)
    assert list((tmp_path / "data/environments").glob("environments/*")) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["inspect", "owner/nowhere"], "GITHUB_TOKEN"),
        (["inspect", "/"], "no git repository"),
        (["inspect", "/nowhere/at/all"], "is no folder"),
    ],
)
async def test_what_cannot_be_read_is_one_sentence(arguments: list[str], words: str, tmp_path: Path) -> None:
    """Neither a checkout nor a repository that can be read: exit code 2, and what would help."""
    nothing = {"GITHUB_TOKEN": "", "GH_TOKEN": "", "MIYABI_DATA_DIR": str(tmp_path)}
    code, output, errors = await miyabi(*arguments, **nothing)
    assert (code, output, words in errors, "Traceback" in errors) == (2, "", True, False)


async def test_a_repository_of_github_is_read_by_a_gateway(tmp_path: Path) -> None:
    """The command itself fetches nothing from GitHub: a gateway of its own does, which ends with it."""
    write(tmp_path / "source", PLAIN)
    seed = {"repositories": [{"owner": "acme", "name": "plain", "source": "source"}]}
    (tmp_path / "seed.json").write_text(json.dumps(seed))
    async with SimulatedGitHub(tmp_path / "github", token="shown-to-github") as github:
        github.load_seed(tmp_path / "seed.json")
        variables = {
            "GITHUB_TOKEN": "shown-to-github", "MIYABI_DATA_DIR": str(tmp_path / "data"),
            "MIYABI_GITHUB_GATEWAY_API_URL": github.url, "MIYABI_GITHUB_GATEWAY_GIT_URL": github.url,
            "MIYABI_GITHUB_GATEWAY_GRAPHQL_URL": f"{github.url}/graphql",
        }  # fmt: skip
        code, output, errors = await miyabi("inspect", "acme/plain", "--no-build", "--json", **variables)
    assert code == 0, errors
    assert json.loads(output)["repository"] == "acme/plain"
    assert "shown-to-github" not in output + errors
    assert list((tmp_path / "data").glob("*-*")) == []


async def test_submodules_of_the_checkout_are_used_and_the_others_are_named(tmp_path: Path) -> None:
    """Tests import what `.git/modules` has; what was not initialised there is a note, with what brings it."""
    lib = make_checkout(tmp_path / "lib", {"value.py": "ONE = 1\n"})
    test = "import unittest\nfrom vendor.lib.value import ONE\n\n\nclass OneTests(unittest.TestCase):\n"
    test += "    def test_one(self):\n        self.assertEqual(ONE, 1)\n"
    folder = make_checkout(tmp_path / "app", {"tests/__init__.py": "", "tests/test_one.py": test})
    add = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add")
    git(folder, *add, str(lib), "vendor/lib")
    git(folder, *add, "--name", "away", str(lib), "vendor/away")
    git(folder, "commit", "--quiet", "--message", "Submodules")
    shutil.rmtree(folder / ".git/modules/away")
    (look_at,) = (await look(folder, tmp_path / "data")).looks
    assert (look_at.refusal, look_at.counts["passed"], look_at.counts["blocked"]) == (None, 1, 0)
    brings = "it is not in the checkout (`git submodule update --init --recursive` brings it)"
    assert f"submodule vendor/away was not fetched: {brings}" in look_at.notes

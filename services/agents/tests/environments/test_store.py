"""How environments are built once, shared, remembered and removed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from miyabi_agents.environments.locks import hold_lock, try_lock
from miyabi_agents.errors import EnvironmentBuildError
from miyabi_agents.toolchains.port import Phase
from services.agents.tests.environments.shop import REPOSITORY, Files, Shop, recipe, shell

BUILT = recipe(shell("echo one >> {env}/built"))
#: The repository.
ROOT = Path(__file__).parents[4]
HOUR = timedelta(hours=1).total_seconds()


async def test_second_time_takes_no_time(shop: Shop) -> None:
    """Who asks again gets the same folder, no step is run, and it took 0 s."""
    first = await shop.get(BUILT)
    began = time.process_time()
    second = await shop.get(BUILT)
    assert time.process_time() - began < 0.5
    assert (second.path, second.seconds, len(shop.sandbox.jobs), shop.files.laid) == (first.path, 0.0, 1, 1)
    assert first.seconds > 0
    assert (first.tree / "src/code.txt").read_bytes() == b"code"


async def test_ten_at_once_build_once(open_shop) -> None:
    """Ten issues at once, on two agents of a machine, build an environment once."""
    agents = [open_shop(), open_shop()]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(agents[number % 2].get(BUILT)) for number in range(10)]
    assert sum(len(agent.sandbox.jobs) for agent in agents) == 1
    assert {task.result().path for task in tasks} == {tasks[0].result().path}
    assert [task.result().seconds > 0 for task in tasks].count(True) == 1
    assert (tasks[0].result().path / "built").read_text() == "one\n"


@pytest.mark.parametrize(
    "other",
    [
        {"files": Files({"manifest": b"two"})},
        {"repository": "acme/other"},
        {"root": "src"},
        {"made": replace(BUILT, keys=("python 3.12",))},
        {"made": recipe(shell("echo two >> {env}/built"))},
    ],
    ids=["content of an input", "repository", "project", "key", "step"],
)
async def test_whatever_differs_gets_its_own(shop: Shop, other) -> None:
    """Another manifest, repository, project, interpreter or step is another environment."""
    first = await shop.get(BUILT)
    second = await shop.get(**{"made": BUILT, **other})
    assert first.path != second.path


async def test_what_is_no_input_does_not_matter(shop: Shop) -> None:
    """A commit that touches code alone needs no environment of its own."""
    first = await shop.get(BUILT)
    second = await shop.get(BUILT, Files({"manifest": b"one", "src/code.txt": b"other code"}))
    assert (first.path, len(shop.sandbox.jobs)) == (second.path, 1)


async def test_a_change_of_manifests_gets_its_own(shop: Shop) -> None:
    """What a change's manifests give is never given to base, even where they are the same."""
    base = await shop.get(BUILT)
    made = await shop.store.get_for_change(BUILT, shop.files, check_out=shop.files.lay, repository=REPOSITORY)
    assert base.path != made.path


async def test_generated_files_are_named(shop: Shop) -> None:
    """What a build left in the checkout is listed, topmost only, and a link is no folder."""
    text = "mkdir -p node_modules/a/b src/x && touch node_modules/a/b/c src/_version.py src/x/y && ln -s / src/link"
    environment = await shop.get(recipe(shell(f"cd {{tree}} && {text}")))
    assert environment.generated == ("node_modules", "src/_version.py", "src/link", "src/x")


async def test_failure_says_step_and_end_of_output(shop: Shop) -> None:
    """A build that fails names its step and its last words, without what a terminal would act on."""
    step = shell(
        "printf 'much\\n%.0s' $(seq 2000); printf '\\033[31mNo module named \\342\\200\\256click\\033[0m'; exit 3",
        name="install the project",
    )
    with pytest.raises(EnvironmentBuildError) as caught:
        await shop.get(recipe(step))
    assert not caught.value.retryable
    assert str(caught.value).startswith("install the project ended with 3: ")
    assert str(caught.value).endswith("No module named click")
    assert len(str(caught.value)) < 2000
    assert shop.there == []


async def test_failure_is_remembered(shop: Shop, open_shop) -> None:
    """Ten issues do not build a broken environment ten times; after a while it is tried again."""
    broken = recipe(shell("exit 1"))
    messages = set()
    for agent in (shop, shop, open_shop()):
        with pytest.raises(EnvironmentBuildError) as caught:
            await agent.get(broken)
        messages.add(str(caught.value))
    assert (len(messages), len(shop.sandbox.jobs)) == (1, 1)
    for record in shop.folder.glob(".records/*.failed.json"):
        os.utime(record, (0, 0))
    with pytest.raises(EnvironmentBuildError):
        await shop.get(broken)
    assert len(shop.sandbox.jobs) == 2


async def test_fallback_is_tried_and_said(shop: Shop) -> None:
    """Where a recipe fails for good its fallback builds, in a clean folder, and the notes say so; again it takes 0 s."""
    fallback = recipe(
        shell("test ! -e {env}/half && echo two > {env}/built"), origin="packages of that day", keys=("day",)
    )
    made = recipe(shell("touch {env}/half; echo no such version; exit 1"), fallbacks=[fallback])
    environment = await shop.get(made)
    assert (environment.path / "built").read_text() == "two\n"
    assert environment.recipe.origin == "packages of that day"
    assert "packages of that day could" in environment.notes[0]
    assert "no such version" in environment.notes[0]
    assert (await shop.get(made)).seconds == 0
    assert len(shop.sandbox.jobs) == 2


async def test_optional_step_may_fail(shop: Shop) -> None:
    """A step that is optional is noted, and the rest goes on."""
    environment = await shop.get(recipe(shell("exit 4", name="compile", optional=True), shell("touch {env}/built")))
    assert [note.partition(":")[0] for note in environment.notes] == ["compile ended with 4"]
    assert (environment.path / "built").exists()


async def test_cancel_while_building(shop: Shop) -> None:
    """A build whose task is cancelled leaves nothing, and the next one builds."""
    started = asyncio.Event()

    async def lay(folder: Path) -> None:
        await shop.files.lay(folder)
        started.set()

    slow = recipe(shell("sleep 60"))
    task = asyncio.ensure_future(shop.get(slow, check_out=lay))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert shop.there == []
    assert (await shop.get(BUILT)).seconds > 0


async def test_waiter_can_be_cancelled(shop: Shop) -> None:
    """Who waits for another's build can be cancelled, and the build goes on."""
    async with hold_lock(shop.folder / ".records/x.lock"):
        waiter = asyncio.ensure_future(hold_lock(shop.folder / ".records/x.lock").__aenter__())
        await asyncio.sleep(0)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        assert try_lock(shop.folder / ".records/x.lock") is None


#: An agent of its own, in the middle of a build of `BUILT` that takes long.
AGENT = """
import asyncio, pathlib, sys
from services.agents.tests.environments.shop import Shop, recipe, shell
shop = Shop(pathlib.Path(sys.argv[1]))
async def lay(folder):
    await shop.files.lay(folder)
    (folder / "slow").touch()
asyncio.run(shop.get(recipe(shell(sys.argv[2])), check_out=lay))
"""


async def test_killed_builder_is_taken_over(shop: Shop, tmp_path: Path) -> None:
    """An agent waits for another's build; when that one is killed it builds by itself, from the beginning."""
    step = "echo one >> {env}/built; test ! -e {tree}/slow || sleep 50"
    agent = await asyncio.create_subprocess_exec(sys.executable, "-c", AGENT, str(tmp_path), step, cwd=ROOT)
    while not list(tmp_path.glob("environments/*/built")):
        assert agent.returncode is None
        await asyncio.sleep(0.05)
    half = shop.there
    waiting = asyncio.ensure_future(shop.get(recipe(shell(step))))
    done, _ = await asyncio.wait({waiting}, timeout=0.5)
    assert not done
    agent.send_signal(signal.SIGKILL)
    await agent.wait()
    environment = await waiting
    assert [environment.path.name] == half
    assert (environment.path / "built").read_text() == "one\n"
    assert not (environment.tree / "slow").exists()


async def test_planted_record_means_nothing(shop: Shop) -> None:
    """A build cannot write down that it is complete: records lie where it may not write."""
    planted = "for d in {env} {env}/.. {env}/../.records; do echo '{\"recipe\":0}' > $d/$(basename {env}).made.json; done; exit 1"
    with pytest.raises(EnvironmentBuildError, match="ended with 1"):
        await shop.get(recipe(shell(planted)))
    assert list(shop.folder.glob(".records/*.made.json")) == []


async def test_least_recently_used_goes_first(open_shop) -> None:
    """Beyond the limit the least recently used goes, never one that is in use or was just given."""
    shop = open_shop(environments_bytes=250_000)
    made = [recipe(shell("head -c 100000 /dev/zero > {env}/x"), keys=(str(number),)) for number in range(4)]
    first, second, third = [await shop.get(one) for one in made[:3]]
    assert len(shop.there) == 3  # all of them are fresh
    for age, one in enumerate((third, first, second)):
        used = time.time() - HOUR + age
        os.utime(shop.folder / f".records/{one.path.name}.made.json", (used, used))
    async with shop.store.hold(third):
        fourth = await shop.get(made[3])
        assert shop.there == sorted(one.path.name for one in (third, fourth))
    with pytest.raises(EnvironmentBuildError) as caught:
        async with shop.store.hold(first):
            pass
    assert caught.value.retryable
    assert (await shop.get(made[0])).seconds > 0


async def test_cleaning_removes_what_dead_builders_left(shop: Shop) -> None:
    """At start a half-built environment, things on their way out and stray locks go; what is complete stays."""
    environment = await shop.get(BUILT)
    for left in ("f" * 32, ".removed/x"):
        deep = shop.folder / left / "a" / "b"
        deep.mkdir(parents=True)
        (deep / "file").touch()
        (deep / "link").symlink_to("/etc")
    (shop.folder / ".records/stray.lock").touch()
    await shop.store.clean()
    assert shop.there == [environment.path.name]
    assert list(shop.folder.glob(".removed/*")) == []
    assert not (shop.folder / ".records/stray.lock").exists()
    assert (await shop.get(BUILT)).seconds == 0


async def test_cleaning_never_stops_an_agent(open_shop, tmp_path: Path) -> None:
    """A folder that cannot be used is logged, and the agent starts."""
    (tmp_path / "environments").write_text("a file")
    await open_shop().store.clean()


async def test_full_disk_is_said_and_may_pass(shop: Shop) -> None:
    """A disk that is full while files are laid is retryable, leaves nothing and is not remembered."""

    async def full(_folder: Path) -> None:
        Path("/dev/full").write_bytes(b"x")

    with pytest.raises(EnvironmentBuildError, match="No space left") as caught:
        await shop.get(BUILT, check_out=full)
    assert caught.value.retryable
    assert shop.there == []
    assert (await shop.get(BUILT)).seconds > 0


async def test_cache_is_shared_by_downloads_only(shop: Shop) -> None:
    """A step that only downloads writes to the shared cache, a build reads it; whatever else writes gets its own."""
    download = shell("echo good > {cache}/package", name="download", phase=Phase.FETCH, downloads_only=True)
    reads = shell("cat {cache}/package > {env}/read; ! (echo bad > {cache}/package) 2>/dev/null")
    environment = await shop.get(recipe(download, reads))
    shared = shop.settings.shared_dir / "caches/toy/package"
    assert ((environment.path / "read").read_text(), shared.read_text()) == ("good\n", "good\n")
    foreign = shell("echo bad > {cache}/package", name="fetch from source", phase=Phase.FETCH)
    own = shell("cat {cache}/package > {env}/read")
    late = shell("echo bad > {cache}/package", name="late", phase=Phase.FETCH, downloads_only=True)
    other = await shop.get(recipe(foreign, own, late))
    assert ((other.path / "read").read_text(), shared.read_text()) == ("bad\n", "good\n")
    assert not (other.path / ".cache").exists()


async def test_planted_link_is_not_followed_into_the_cache(shop: Shop) -> None:
    """After something of a stranger's ran, no download writes to the shared cache, whatever link it follows."""
    download = shell("echo good > {cache}/package", phase=Phase.FETCH, downloads_only=True)
    plant = shell("ln -s $(dirname $(dirname {env}))/caches/toy/package {env}/link")
    writes = shell("echo bad > {env}/link || true", phase=Phase.FETCH, downloads_only=True)
    await shop.get(recipe(download, plant, writes))
    assert (shop.settings.shared_dir / "caches/toy/package").read_text() == "good\n"

"""A hostile program in the real sandbox: as root, as the images' user, by itself and in the container's server."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redteam_world import BOX, IMAGE_UID, World, interpreter

#: Users as whom the sandbox is run: as root also the images' user, else whoever runs the tests.
USERS = ["root", "image"] if os.geteuid() == 0 else ["self"]
#: What is missing where there are no namespaces, and what that takes away: said in the result, and in SECURITY.md.
WITHOUT_NAMESPACES = {
    "outside_chmod", "outside_utime", "outside_attribute", "outside_owner", "outside_flags", "neighbours_files",
}  # fmt: skip


async def answer(user: str, world: World, *socket: str) -> Mapping[str, Any]:
    """Run the hostile program by a process that holds the key, as an agent does; returns the sandbox's result."""
    python, more = interpreter(user)
    program = os.pathsep.join(str(BOX.with_name(name)) for name in ("hostile.py", "hostile_networks.py"))
    command = [*python, str(BOX), str(world.tree), program, str(world.file), *socket]
    environment = {**os.environ, **more, "ANTHROPIC_API_KEY": world.key, "HOME": str(world.folder)}
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, f"{command} ended with {process.returncode}: {errors.decode()[-2000:]}"
    found: Mapping[str, Any] = json.loads(output)
    return found


def own(world: World, user: str) -> None:
    """Give a user the workspace, as a volume of its pod would be."""
    if user == "image":
        workspace = world.folder / "workspace"
        for path in (workspace, *workspace.rglob("*")):
            os.chown(path, IMAGE_UID, IMAGE_UID)


@asynccontextmanager
async def container(world: World, user: str) -> AsyncIterator[Path]:
    """Run the container's server as a user; yields its socket, which its clients wait for."""
    workspace = world.folder / "workspace"
    (workspace / "control").mkdir()
    own(world, user)
    python, more = interpreter(user)
    environment = {
        **os.environ, **more, "MIYABI_SANDBOX_SOCKET": str(workspace / "control/sandbox.sock"),
        "MIYABI_SANDBOX_AGENT_UID": str(IMAGE_UID if user == "image" else os.getuid()),
        "MIYABI_SANDBOX_WORKSPACE": str(workspace),
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *python, str(BOX), "serve", env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield workspace / "control/sandbox.sock"
    finally:
        process.terminate()
        await process.wait()


def judge(result: Mapping[str, Any], world: World) -> None:
    """Nothing was got hold of, changed or left behind."""
    assert result["exit_code"] == 0, result
    outcomes = json.loads(result["output"])
    got = {name: text for name, text in outcomes.items() if text.startswith("GOT")}
    if "mount-namespace" in result["missing_layers"]:
        got = {name: text for name, text in got.items() if name not in WITHOUT_NAMESPACES}
    assert not got
    assert world.untouched()
    assert len(outcomes) > 40
    assert world.key not in result["output"]
    assert {"landlock", "seccomp", "no_new_privs"} <= {*result["layers"]}


@pytest.mark.parametrize("user", USERS)
async def test_a_hostile_program_gets_nothing(world: World, user: str) -> None:
    """No credential, no network, no other workspace, no process and no setting of the machine."""
    own(world, user)
    judge(await answer(user, world), world)


@pytest.mark.parametrize("user", USERS)
async def test_a_hostile_program_gets_nothing_in_a_container(world: World, user: str) -> None:
    """Nor does it where the sandbox is a process beside the agent, which is asked by a socket."""
    async with container(world, user) as place:
        judge(await answer(user, world, str(place)), world)

"""A real environment, made by uv in the sandbox from the operator's own index on loopback."""

from __future__ import annotations

import base64
import hashlib
import io
import socket
import zipfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from aiohttp import web

from miyabi_agents.environments.surroundings import Surroundings
from miyabi_agents.errors import EnvironmentBuildError
from miyabi_agents.ports import Network, SandboxJob
from miyabi_agents.toolchains.port import Machine, Phase, Recipe, Step
from miyabi_core.edge import HttpDoor, ServedHosts
from miyabi_sim.packages import application
from services.agents.tests.environments.shop import Files, Shop, recipe

#: A build backend without dependencies (PEP 517, 660) that lies in the repository, as a stranger's does.
BACKEND = """
import base64, hashlib, os, pathlib, zipfile
def get_requires_for_build_editable(config_settings=None): return []
def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    pathlib.Path("src/toy/_version.py").write_text("VERSION = 1\\n")
    files = {"toy.pth": os.path.abspath("src") + "\\n",
             "toy-1.dist-info/METADATA": "Metadata-Version: 2.1\\nName: toy\\nVersion: 1\\n",
             "toy-1.dist-info/WHEEL": "Wheel-Version: 1.0\\nGenerator: toy\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"}
    record = "".join(f"{name},,\\n" for name in files) + "toy-1.dist-info/RECORD,,\\n"
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / "toy-1-py3-none-any.whl", "w") as wheel:
        for name, text in {**files, "toy-1.dist-info/RECORD": record}.items(): wheel.writestr(name, text)
    return "toy-1-py3-none-any.whl"
"""
PROJECT = Files(
    {
        "pyproject.toml": b'[project]\nname = "toy"\nversion = "1"\ndependencies = ["answers"]\n'
        b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": BACKEND.encode(),
        "src/toy/__init__.py": b"from answers import ANSWER\n",
    }
)


def make_wheel(folder: Path, name: str, files: Mapping[str, str]) -> None:
    """Write a wheel (PEP 427)."""
    content = {**files, f"{name}-1.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n",
               f"{name}-1.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}  # fmt: skip
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as wheel:
        lines = []
        for path, text in content.items():
            wheel.writestr(path, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            lines.append(f"{path},sha256={digest},{len(text)}\n")
        wheel.writestr(f"{name}-1.dist-info/RECORD", "".join(lines) + f"{name}-1.dist-info/RECORD,,\n")
    (folder / f"{name}-1-py3-none-any.whl").write_bytes(buffer.getvalue())


@pytest.fixture
async def index(tmp_path: Path) -> AsyncIterator[str]:
    """Serve an index with one package."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    make_wheel(folder, "answers", {"answers.py": "ANSWER = 42\n"})
    runner = web.AppRunner(application(folder, door=HttpDoor(ServedHosts("127.0.0.1:0"))), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/simple/"
    await runner.cleanup()


def uv_recipe(machine: Machine) -> Recipe:
    """Return how the project's environment is built, as a toolchain would say it."""
    uv, python = str(machine.programs["uv"]), max(name for name in machine.programs if name.startswith("python3.1"))
    target = ["--python", "{env}/venv/bin/python"]
    roots = (*machine.roots["uv"], *machine.roots[python])
    return recipe(
        Step("make the environment", Phase.BUILD, [uv, "venv", "--no-config", "--no-cache", "--python", str(machine.programs[python]), "{env}/venv"], downloads_only=True),
        Step("fetch", Phase.FETCH, [uv, "pip", "install", "--no-config", "--only-binary", ":all:", "--cache-dir", "{cache}", *target, "answers"], downloads_only=True),
        Step("install the project", Phase.BUILD, [uv, "pip", "install", "--no-config", "--no-cache", "--offline", "--no-deps", "--no-build-isolation", *target, "-e", "."]),
        inputs=("pyproject.toml",),
        readable=roots,
    )  # fmt: skip


async def test_operators_index_and_real_uv(tmp_path: Path, index: str) -> None:
    """Uv fetches from the operator's index by the proxy, builds the project without a network, and the second time takes 0 s."""
    shop = Shop(tmp_path / "agent", UV_DEFAULT_INDEX=index)
    machine = await shop.store.machine()
    made = uv_recipe(machine)
    environment = await shop.get(made, PROJECT)
    assert environment.generated == ("src/toy/_version.py",)
    assert environment.notes == ()
    steps = len(shop.sandbox.jobs)
    job = SandboxJob(
        [
            str(environment.path / "venv/bin/python"),
            "-c",
            "import toy, toy._version; print(toy.ANSWER, toy._version.VERSION)",
        ],
        environment.path,
        readable=[environment.path, *made.readable],
        network=Network.NONE,
    )
    result = await shop.sandbox.run(job)
    assert (result.exit_code, result.output) == (0, "42 1\n")
    again = await shop.get(made, PROJECT)
    assert (again.seconds, again.path, len(shop.sandbox.jobs)) == (0.0, environment.path, steps + 1)
    venv_file = next((environment.path / "venv").rglob("answers.py"))
    assert venv_file.stat().st_nlink == 1


async def test_index_that_is_not_named_is_refused(tmp_path: Path, index: str) -> None:
    """An index that only the repository names is refused, the failure says so, and it is no matter of the network."""
    shop = Shop(tmp_path / "agent", package_hosts="")
    made = uv_recipe(await shop.store.machine())
    steps = [
        step
        if step.phase is Phase.BUILD
        else Step(step.name, step.phase, [*step.command, "--index-url", index], downloads_only=True)
        for step in made.steps
    ]
    with pytest.raises(EnvironmentBuildError) as caught:
        await shop.get(recipe(*steps, readable=made.readable), PROJECT)
    host = index.removeprefix("http://").partition("/")[0]
    assert f"refused: {host} (not a package index)" in str(caught.value)
    assert not caught.value.retryable


async def test_index_out_of_reach_is_retryable(tmp_path: Path) -> None:
    """An index that is away fails the build for now, and that is not remembered."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    shop = Shop(tmp_path, UV_DEFAULT_INDEX=f"http://127.0.0.1:{port}/simple/")
    made = uv_recipe(await shop.store.machine())
    with pytest.raises(EnvironmentBuildError) as caught:
        await shop.get(made, PROJECT)
    assert caught.value.retryable
    assert list(shop.folder.glob(".records/*.failed.json")) == []


async def test_password_of_an_index_stays_outside(tmp_path: Path) -> None:
    """A build learns the operator's index without its user and password."""
    shop = Shop(
        tmp_path,
        UV_DEFAULT_INDEX="http://user:secret@127.0.0.1:9/simple/",
        package_indexes="https://a:b@index.test/simple",
    )
    step = Step("look", Phase.FETCH, ["/bin/sh", "-c", "env > {env}/seen"], cwd="{env}")
    seen = ((await shop.get(recipe(step))).path / "seen").read_text()
    assert "UV_DEFAULT_INDEX=http://127.0.0.1:9/simple/\n" in seen
    assert "secret" not in seen


def test_what_clients_take_beside_urls_is_no_reason_not_to_start(tmp_path: Path) -> None:
    """A folder as an index and a proxy of another kind are left out; an index of ours that is no URL is an error."""
    shop = Shop(
        tmp_path,
        UV_INDEX="./wheels own=https://index.test/simple",
        GOPROXY="https://go.test|direct",
        HTTPS_PROXY="socks5://x:1",
    )
    assert Surroundings.of(shop.settings).indexes == {
        "UV_INDEX": "https://index.test/simple",
        "GOPROXY": "https://go.test,direct",
    }
    with pytest.raises(ValueError, match="no http or https URL"):
        Shop(tmp_path, package_indexes="index.test")

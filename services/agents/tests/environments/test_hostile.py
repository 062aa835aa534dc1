"""What a hostile build tries, and does not get: every step here runs in the real sandbox."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from miyabi_agents.environments.building import STEP_LIMITS, Builder
from miyabi_agents.environments.proxy import AllowedHosts, FetchProxy
from miyabi_agents.environments.store import EnvironmentStore
from miyabi_agents.environments.surroundings import Surroundings
from miyabi_agents.errors import EnvironmentBuildError, SandboxError
from miyabi_agents.toolchains.port import Phase, Step
from services.agents.tests.environments.shop import CountingSandbox, Shop, recipe, shell

#: Speaks to the proxy by hand, as no client would; prints the first line of each answer.
ASK = """
import os, socket, ssl, sys
port = int(os.environ["HTTPS_PROXY"].rpartition(":")[2])
def ask(line, name=None):
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.sendall(line.encode() + b"\\r\\n\\r\\n")
        answer = s.recv(4096)
        print(line, "->", answer.split(b"\\r\\n")[0].decode())
        if name is not None:
            try: ssl.create_default_context().wrap_socket(s, server_hostname=name)
            except (OSError, ssl.SSLError) as e: print("tls failed")
"""


def code(text: str, *, phase: Phase = Phase.BUILD, name: str = "hostile") -> Step:
    """Return a step that runs Python code."""
    return Step(name, phase, [sys.executable, "-c", text], cwd="{env}")


def python(*steps: Step, **more: object):
    """Return a recipe whose steps may run our Python."""
    return recipe(*steps, readable=[Path(sys.prefix), Path(sys.base_prefix)], **more)


@pytest.fixture
async def neighbour() -> AsyncIterator[int]:
    """Give the port of somebody else's server on this machine, which must never be reached."""
    reached = []

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(1)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    assert reached == []


@pytest.mark.parametrize("phase", list(Phase), ids=lambda phase: phase.value)
async def test_no_secret_is_seen(shop: Shop, tmp_path: Path, phase: Phase) -> None:
    """Neither the environment, files of the agent, another environment's folder, nor /proc of others show a secret."""
    secret = secrets.token_hex(16)
    hidden = tmp_path / "worktrees" / "other" / "secret"
    hidden.parent.mkdir(parents=True)
    hidden.write_text(secret)
    beside = tmp_path / "environments" / ("e" * 32) / "secret"
    beside.parent.mkdir(parents=True)
    beside.write_text(secret)
    os.environ["MIYABI_TEST_SECRET"] = secret
    text = f"""
import os, pathlib
found = [repr(dict(os.environ))]
for path in [{str(hidden)!r}, {str(beside)!r}, "/etc/shadow", os.path.expanduser("~root/.netrc"), "/proc/{os.getpid()}/environ",
             "/proc/1/environ", "/proc/self/../{os.getpid()}/environ", *map(str, pathlib.Path("/proc").glob("[0-9]*/environ"))]:
    try: found.append(pathlib.Path(path).read_bytes().decode("latin-1"))
    except OSError as e: found.append(type(e).__name__)
for folder in [{str(tmp_path)!r}, {str(tmp_path / "environments")!r}, {str(tmp_path / "worktrees")!r}]:
    try: found.append(repr(os.listdir(folder)))
    except OSError as e: found.append(type(e).__name__)
pathlib.Path("found").write_text("\\n".join(found))
"""
    try:
        environment = await shop.get(python(code(text, phase=phase)))
    finally:
        del os.environ["MIYABI_TEST_SECRET"]
    found = (environment.path / "found").read_text()
    assert secret not in found
    assert "ANTHROPIC" not in found
    assert "e" * 32 not in found


@pytest.mark.parametrize("phase", list(Phase), ids=lambda phase: phase.value)
async def test_nothing_but_the_proxy_is_reached(shop: Shop, neighbour: int, phase: Phase) -> None:
    """Neither TCP to anything else, UDP, DNS, raw or netlink sockets nor other families lead anywhere."""
    abstract = f"miyabi-test-{secrets.token_hex(6)}"
    text = f"""
import socket
def tried(what, call):
    try: call()
    except OSError as e: return
    print("REACHED", what)
def tcp(host, port, family=socket.AF_INET):
    with socket.socket(family) as s:
        s.settimeout(3); s.connect((host, port))
def udp(host, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(2); s.sendto(b"x", (host, port)); s.recv(10)
tried("neighbour", lambda: tcp("127.0.0.1", {neighbour}))
tried("neighbour by v6", lambda: tcp("::ffff:127.0.0.1", {neighbour}, socket.AF_INET6))
tried("far", lambda: tcp("192.0.2.1", 443))
tried("metadata", lambda: tcp("169.254.169.254", 80))
tried("udp", lambda: udp("127.0.0.1", 53))
tried("dns", lambda: socket.getaddrinfo("pypi.org", 443))
tried("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
tried("packet", lambda: socket.socket(17, socket.SOCK_RAW))
tried("vsock", lambda: socket.socket(40, socket.SOCK_STREAM))
tried("abstract", lambda: socket.socket(socket.AF_UNIX).connect("\\0{abstract}"))
raise SystemExit(7)
"""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"\0{abstract}")
        listening.listen()
        with pytest.raises(EnvironmentBuildError) as caught:
            await shop.get(python(code(text, phase=phase)))
    assert str(caught.value) == "hostile ended with 7: it said nothing"


async def test_proxy_refuses_and_the_notes_say_what(shop: Shop) -> None:
    """Other hosts, ports, methods, addresses in every spelling and TLS for another name are refused, each by its name."""
    asked = [
        "CONNECT example.com:443 HTTP/1.1", "CONNECT pypi.org:22 HTTP/1.1", "CONNECT 127.0.0.1:443 HTTP/1.1",
        "CONNECT 2130706433:443 HTTP/1.1", "CONNECT [::1]:443 HTTP/1.1", "CONNECT 169.254.169.254:80 HTTP/1.1",
        "GET http://10.0.0.1/ HTTP/1.1", "GET http://u:p@pypi.org/ HTTP/1.1", "POST http://pypi.org/x HTTP/1.1",
    ]  # fmt: skip
    text = ASK + f"for line in {asked!r}: ask(line)\n"
    environment = await shop.get(python(code(text, phase=Phase.FETCH)))
    refused = [
        note.removeprefix("refused: ").partition(" (")[0] for note in environment.notes if note.startswith("refused: ")
    ]
    assert refused == [
        "example.com:443", "pypi.org:22", "127.0.0.1:443", "2130706433:443", "[::1]:443", "169.254.169.254:80",
        "10.0.0.1:80", "pypi.org", "http://pypi.org/x",
    ]  # fmt: skip


async def test_tls_for_another_name_is_refused(tmp_path: Path) -> None:
    """A tunnel to an allowed host cannot be used for another by the name that TLS sends."""
    reached = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(await reader.read(10))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    shop = Shop(tmp_path, package_indexes=f"https://localhost:{port}/simple/")
    async with server:
        text = ASK + f"ask('CONNECT localhost:{port} HTTP/1.1', name='evil.example')\n"
        environment = await shop.get(python(code(text, phase=Phase.FETCH)))
    assert environment.notes == (f"refused: localhost:{port} (TLS names evil.example)",)
    assert [data for data in reached if data] == []


@pytest.mark.parametrize("phase", list(Phase), ids=lambda phase: phase.value)
async def test_nothing_is_written_outside(shop: Shop, tmp_path: Path, phase: Phase) -> None:
    """A build writes to its environment's folder; not beside it, to records, to caches that it does not fill, or home."""
    inside = shop.settings.shared_dir.resolve()
    (inside / "caches" / "toy").mkdir(parents=True)
    outside = [inside / "x", inside / "caches/x", inside / "caches/toy/x", inside / "environments/x", inside / "environments/.records/x",
               Path.home() / "miyabi-test-x", Path("/usr/local/x"), Path(sys.prefix) / "miyabi-test-x"]  # fmt: skip
    text = f"""
import os, pathlib
for path in {[str(path) for path in outside]!r}:
    for write in (lambda: pathlib.Path(path).write_text("x"), lambda: pathlib.Path(path).mkdir(parents=True),
                  lambda: os.link("/etc/passwd", path), lambda: os.rename("tree", path)):
        try: write()
        except OSError: pass
    try: os.symlink(path, "link" + str(len(path)))
    except OSError: pass
    try: pathlib.Path("link" + str(len(path))).write_text("x")
    except OSError: pass
"""
    await shop.get(python(code(text, phase=phase)))
    assert [path for path in outside if path.exists()] == []


async def test_environment_is_removed_whatever_it_holds(shop: Shop) -> None:
    """Folders a thousand deep, locked ones, links, sockets and odd names are removed after a failed build."""
    text = """
import os, socket
os.symlink("/etc", "link"); os.mkfifo("fifo"); open(b"\\xff\\n name", "w").close()
os.makedirs("locked/in"); open("locked/in/file", "w").close(); os.chmod("locked", 0)
here = os.getcwd()
for _ in range(2000):
    os.mkdir("deep"); os.chdir("deep")
raise SystemExit(1)
"""
    with pytest.raises(EnvironmentBuildError, match=r"ended with 1|disk"):
        await shop.get(python(code(text)))
    assert shop.there == []
    assert list(shop.folder.glob(".removed/*")) == []


async def test_disk_of_a_build_is_limited(tmp_path: Path) -> None:
    """A build that fills the disk is ended, says so, is not tried again, and leaves nothing."""
    shop = Shop(tmp_path)
    sandbox = CountingSandbox()
    limits = replace(STEP_LIMITS, disk_bytes=20 << 20, file_bytes=8 << 20)
    builder = Builder(sandbox, FetchProxy(AllowedHosts([])), Surroundings(), limits=limits)
    store = EnvironmentStore(shop.settings, sandbox, builder=builder)
    text = "import time\nfor n in range(2000):\n  open(f'f{n}', 'wb').write(bytes(4 << 20))\n  time.sleep(0.02)\n"
    with pytest.raises(EnvironmentBuildError) as caught:
        await store.get(python(code(text)), shop.files, check_out=shop.files.lay, repository="a/b")
    assert not caught.value.retryable
    assert "disk" in str(caught.value)
    assert shop.there == []


async def test_flood_of_output_is_cut(shop: Shop) -> None:
    """A build that floods its output fails with its last kept words, bounded."""
    with pytest.raises(EnvironmentBuildError) as caught:
        await shop.get(recipe(shell("yes flood | head -c 5000000; exit 1")))
    assert len(str(caught.value)) < 2000


async def test_checkout_replaced_by_a_link(shop: Shop) -> None:
    """A build that replaces its checkout by a link to elsewhere makes later steps fail, and nothing is read there."""
    steps = (shell("rm -rf tree && ln -s / tree"), Step("next", Phase.BUILD, ["/bin/true"]))
    with pytest.raises(SandboxError, match="not"):
        await shop.get(recipe(*steps))
    assert shop.there == []
    with pytest.raises(EnvironmentBuildError, match="in the place of its checkout"):
        await shop.get(recipe(steps[0]))


async def test_npmrc_names_no_program(shop: Shop) -> None:
    """A repository's `.npmrc` cannot make npm run a program of the repository while it only downloads."""
    shop.files.content |= {
        ".npmrc": b"git=./evil.sh\nscript-shell=./evil.sh\n",
        "evil.sh": b"#!/bin/sh\ntouch ran\nexit 1\n",
        "package.json": b'{"name": "x", "version": "1.0.0", "dependencies": {"y": "git+file:///nowhere/y.git"}}',
    }
    machine = await shop.store.machine()
    command = [
        "/bin/sh",
        "-c",
        f"chmod +x evil.sh; {machine.programs['npm']} install --ignore-scripts --cache {{cache}}; test ! -e ran",
    ]
    step = Step("fetch", Phase.FETCH, command, cwd="{tree}", downloads_only=True)
    roots = [root for roots in machine.roots.values() for root in roots]
    await shop.get(recipe(step, readable=roots, inputs=("package.json",)))

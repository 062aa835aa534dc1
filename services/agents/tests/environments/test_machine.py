"""What is found on a machine, and what is said of what is missing."""

from __future__ import annotations

from pathlib import Path

from miyabi_agents.environments import discover, explain_missing
from miyabi_agents.environments.programs import find_programs
from miyabi_agents.settings import AgentsSettings
from services.agents.tests.environments.shop import Shop


def program(path: Path, text: str = "#!/bin/sh\necho tool 1.2.3\n") -> Path:
    """Write a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def found(home: Path, *folders: Path) -> dict[str, object]:
    """Return what is found by a path, by name."""
    settings = AgentsSettings(PATH=":".join(map(str, folders)), anthropic_api_key=None)
    return {one.name: one for one in find_programs(settings, home=home)}


async def test_programs_are_asked_in_the_sandbox_once(tmp_path: Path) -> None:
    """Versions come from the programs themselves, in the sandbox; a second look runs nothing, until a program changes."""
    tool = program(tmp_path / "tools/x/bin/node")
    shop = Shop(tmp_path / "agent", toolchain_dirs=str(tool.parent))
    machine = await discover(shop.sandbox, shop.settings)
    assert (machine.programs["node"], machine.versions["node"]) == (tool, (1, 2, 3))
    assert machine.roots["node"] == (tmp_path / "tools/x",)
    assert all(job.writable == () for job in shop.sandbox.jobs)
    jobs = len(shop.sandbox.jobs)
    assert jobs > 1
    assert await discover(shop.sandbox, shop.settings) is machine
    assert len(shop.sandbox.jobs) == jobs
    program(tool, "#!/bin/sh\necho tool 1.2.40\n")
    assert (await discover(shop.sandbox, shop.settings)).versions["node"] == (1, 2, 40)


async def test_programs_are_asked_where_a_sandbox_of_another_user_comes_in(tmp_path: Path) -> None:
    """In a pod the sandbox is another user of the agent's group: it can enter the folder in which programs are asked."""
    shop = Shop(tmp_path / "agent", toolchain_dirs=str(program(tmp_path / "tools/x/bin/node").parent))
    await discover(shop.sandbox, shop.settings)
    assert {mode & 0o070 for mode in shop.sandbox.modes} == {0o070}


def test_a_virtual_environment_hides_no_interpreter(tmp_path: Path) -> None:
    """The agent's own environment on the path, as in its image, is not taken for the interpreter that it is made of."""
    own = tmp_path / "app"
    (own / "lib/python3.11").mkdir(parents=True)
    (own / "pyvenv.cfg").write_text("home = /usr/bin\n")
    real = program(tmp_path / "python/bin/python3.11")
    (tmp_path / "python/lib/python3.11").mkdir(parents=True)
    (own / "bin").mkdir()
    (own / "bin/python3.11").symlink_to(real)
    programs = found(tmp_path / "home", own / "bin", tmp_path / "python/bin")
    assert programs["python3.11"].roots == (tmp_path / "python",)


def test_links_shims_and_rustup_are_seen_through(tmp_path: Path) -> None:
    """Links are resolved, shims are passed over, and rustup's names lead to the toolchain that it would take."""
    home = tmp_path / "home"
    real = program(home / ".rustup/toolchains/stable-x/bin/cargo")
    (home / ".rustup/settings.toml").write_text('default_toolchain = "stable-x"\n')
    rustup = program(home / ".cargo/bin/rustup")
    (home / ".cargo/bin/cargo").symlink_to(rustup)
    program(home / ".pyenv/shims/node")
    node = program(tmp_path / "node-20/bin/node")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/node").symlink_to(node)
    programs = found(home, home / ".pyenv/shims", home / ".cargo/bin", tmp_path / "bin")
    assert programs["cargo"].path == real
    assert programs["cargo"].roots == (home / ".rustup/toolchains/stable-x",)
    assert programs["node"].path == node
    assert tmp_path / "node-20" in programs["node"].roots


def test_a_persons_folders_are_never_read_whole(tmp_path: Path) -> None:
    """A program in a home's own folders opens itself and its libraries, not what lies beside them."""
    home = tmp_path / "home"
    for name in ("node", "uv"):
        program(home / ".local/bin" / name)
    programs = found(home, home / ".local/bin")
    assert set(programs["node"].roots) == {home / ".local/bin/node", home / ".local/lib"}
    assert programs["uv"].roots == (home / ".local/bin/uv",)
    program(home / "bin/go")
    assert home not in found(home, home / "bin")["go"].roots


def test_scripts_keep_their_place(tmp_path: Path) -> None:
    """A script that finds its interpreter beside itself is not resolved away from it."""
    script = program(tmp_path / "n/lib/node_modules/npm/bin/npm-cli.js")
    (tmp_path / "n/bin").mkdir()
    (tmp_path / "n/bin/npm").symlink_to(script)
    npm = found(tmp_path / "home", tmp_path / "n/bin")["npm"]
    assert npm.path == tmp_path / "n/bin/npm"
    assert tmp_path / "n" in npm.roots


async def test_what_does_not_run_is_left_out(tmp_path: Path) -> None:
    """A program that fails or says no version is as good as none."""
    tool = program(tmp_path / "tools/y/bin/deno", "#!/bin/sh\necho 1.0.0; exit 1\n")
    program(tool.with_name("bun"), "#!/bin/sh\necho hello\n")
    shop = Shop(tmp_path / "agent", toolchain_dirs=str(tool.parent))
    machine = await discover(shop.sandbox, shop.settings)
    assert not {"deno", "bun"} & set(machine.programs)
    assert next(iter(machine.programs.values())).is_absolute()


def test_missing_programs_are_explained() -> None:
    """One sentence says what is missing and how to get it, for a machine and for the agents' image."""
    assert "TOOLCHAINS=rust" in explain_missing("cargo")
    assert "apt install nodejs" in explain_missing("node")
    assert "uv python install 3.13" in explain_missing("python3.13")
    assert explain_missing("zig").startswith("zig is not on this machine: ")

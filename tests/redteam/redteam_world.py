"""What a hostile program finds around it: secrets, neighbours, servers, and an agent that holds a key."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

#: The uid of the images, which no machine gives to a person.
IMAGE_UID = 65532
#: The program that runs another in the sandbox.
BOX = Path(__file__).with_name("box.py")


def interpreter(user: str) -> tuple[list[str], dict[str, str]]:
    """Return how Python is run as a user, and what its environment needs for our packages.

    Where our own interpreter lies in a folder that the other user may not enter, as a person's home, the system's
    interpreter of the same version runs our packages.
    """
    if user != "image":
        return [sys.executable], {}
    become = ["setpriv", f"--reuid={IMAGE_UID}", f"--regid={IMAGE_UID}", "--clear-groups", "--"]
    ours = Path(sys.executable).resolve()
    system = Path(f"/usr/bin/python3.{sys.version_info.minor}")
    packages = {"REDTEAM_PACKAGES": sysconfig.get_path("purelib")}
    for program, more in ((ours, packages), (system, packages)):
        if program.exists() and all(path.stat().st_mode & 0o005 == 0o005 for path in program.resolve().parents):
            return [*become, str(program)], more
    pytest.fail(f"uid {IMAGE_UID} may run neither {ours} nor {system}: install python3.{sys.version_info.minor}")


@dataclass(frozen=True)
class World:
    """Everything that should stay out of reach, in a folder that any user may enter."""

    folder: Path
    tree: Path  #: the command's own
    secret: Path
    file: Path  #: all of it, for the hostile program
    key: str

    def untouched(self) -> bool:
        """Tell whether the secret is as it was."""
        status = self.secret.stat()
        return (
            self.secret.read_text() == self.key
            and status.st_mode & 0o777 == 0o644
            and status.st_mtime > 1
            and not os.listxattr(self.secret)
            and sorted(path.name for path in self.secret.parent.iterdir()) == ["secret", "secret.lock"]
        )


@contextmanager
def made_world(folder: Path) -> Iterator[World]:
    """Make a world below *folder*; its servers listen for the length of the block."""
    folder.chmod(0o755)
    key = f"sk-ant-{secrets.token_hex(12)}"
    for name in ("private", "workspace/worktrees/task", "workspace/worktrees/other"):
        (folder / name).mkdir(parents=True)
    secret = folder / "private/secret"
    secret.write_text(key)
    secret.chmod(0o644)
    (folder / "private/secret.lock").touch()
    (folder / "workspace/worktrees/other/file").write_text(key)
    names = {"stream": str(folder / "s"), "datagram": str(folder / "d"), "abstract": f"\0{secrets.token_hex(8)}"}
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as stream,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagram,
    ):
        for listening, name in ((stream, names["stream"]), (abstract, names["abstract"])):
            listening.bind(name)
            listening.listen()
        datagram.bind(names["datagram"])
        for name in (names["stream"], names["datagram"]):
            Path(name).chmod(0o777)
        file = folder / "world.json"
        file.write_text(json.dumps({
            "secret": str(secret), "key": key, "home": str(Path.home()), "uid": os.getuid(), "address": "192.0.2.1",
            "neighbour": str(folder / "workspace/worktrees/other"), "port": server.getsockname()[1],
            "socket": names["stream"], "abstract": names["abstract"], "datagram": names["datagram"],
        }))  # fmt: skip
        yield World(folder, folder / "workspace/worktrees/task", secret, file, key)

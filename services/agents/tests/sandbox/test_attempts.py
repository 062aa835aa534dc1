"""What code in the sandbox tries, and does not get."""

from __future__ import annotations

import asyncio
import os
import resource
import secrets
import socket
from pathlib import Path
from typing import Any

import pytest

#: System calls by number are told in errno's words: code that fails must say so and end with 1.
CALL = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def refused(name, *arguments):
    if getattr(libc, name)(*arguments) >= 0: print('GOT', name)
    else: print(name, os.strerror(ctypes.get_errno()))
"""


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Give a folder beside the tree, with a secret in it."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text(secrets.token_hex(8))
    return folder


@pytest.mark.parametrize(
    "attempt",
    [
        "print(open('{outside}/secret').read())",
        "print(os.listdir('{outside}'))",
        "open('{outside}/new', 'w')",
        "os.truncate('{outside}/secret', 0)",
        "os.remove('{outside}/secret')",
        "os.rename('{outside}/secret', 'mine')",
        "os.link('{outside}/secret', 'hard'); print(open('hard').read())",
        "os.symlink('{outside}/secret', 'soft'); print(open('soft').read())",
        "os.mkfifo('{outside}/fifo')",
        "print(open('/proc/{pid}/environ', 'rb').read())",
        "print(os.listdir('/proc/{pid}/fd'))",
        "print(os.readlink('/proc/{pid}/cwd'))",
        "print(open('/proc/{pid}/root{outside}/secret').read())",
        "print(open('/etc/shadow').read())",
        "open('/usr/planted', 'w')",
        "open('/etc/planted', 'w')",
        "open('/planted', 'w')",
        "os.kill({pid}, 15)",
        "os.kill(os.getppid(), 9)",
        "os.mknod('device', 0o60600, 0x0100)",
        "os.chroot('.')",
        "os.setuid(0) if os.getuid() else 1 / 0",
        "os.open('/dev/mem', os.O_RDONLY)",
        "open('/proc/sys/kernel/core_pattern', 'w').write('|/bin/sh')",
        "open('/proc/sysrq-trigger', 'w').write('h')",
        "open('/sys/kernel/uevent_helper', 'w').write('x')",
    ],
)
async def test_attempt_fails(any_box: Any, outside: Path, attempt: str) -> None:
    """Files, processes and devices outside are out of reach."""
    before = (outside / "secret").read_text()
    code = "import os\n" + attempt.format(outside=outside, pid=os.getpid())
    result = await any_box.python(code)
    assert result.exit_code != 0, result.output
    assert before not in result.output
    assert [outside / "secret"] == list(outside.iterdir())
    assert before == (outside / "secret").read_text()


@pytest.mark.parametrize(
    "attempt",
    [
        "os.chmod('{secret}', 0o777)",
        "os.chown('{secret}', os.getuid(), os.getgid())",
        "os.utime('{secret}', (1, 1))",
        "os.setxattr('{secret}', 'user.x', b'1')",
        "os.stat('{secret}')",
        "os.chmod('/usr/bin/env', 0o755)",
        "os.utime('/usr/bin/env')",
        "os.chmod('/', 0o777)",
        "os.chmod('/etc', 0o777)",
    ],
)
async def test_metadata_outside_cannot_be_changed(apart_box: Any, outside: Path, attempt: str) -> None:
    """What Landlock has no rule for is not there, or read-only."""
    before = (outside / "secret").stat()
    result = await apart_box.python("import os\n" + attempt.format(secret=outside / "secret"))
    assert result.exit_code == 1, result.output
    assert before == (outside / "secret").stat()


async def test_what_is_readable_cannot_be_changed(apart_box: Any, outside: Path) -> None:
    """A readable folder keeps its modes, times and attributes, whoever owns it."""
    code = """
import os, sys
secret = sys.argv[1] + '/secret'
print(len(open(secret).read()))
def refused(what, *arguments):
    try: what(*arguments); print('GOT', what.__name__)
    except OSError: pass
refused(os.chmod, secret, 0o777); refused(os.utime, secret, (1, 1)); refused(os.setxattr, secret, 'user.x', b'1')
refused(os.chown, secret, os.getuid(), -1); refused(os.remove, secret); refused(open, secret, 'a')
refused(os.chmod, sys.argv[1], 0o777); refused(os.fchmod, os.open(secret, os.O_RDONLY), 0o777)
"""
    before = (outside / "secret").stat()
    result = await apart_box.python(code, str(outside), readable=[*_prefixes(), outside])
    assert (result.exit_code, result.output) == (0, "16\n")
    after = (outside / "secret").stat()
    assert (before.st_mode, before.st_mtime_ns, before.st_uid) == (after.st_mode, after.st_mtime_ns, after.st_uid)


def _prefixes() -> tuple[Path, ...]:
    """Return the interpreter's folders."""
    import sys

    return Path(sys.prefix), Path(sys.base_prefix)


@pytest.mark.parametrize(
    "call",
    [
        "'ptrace', 16, {pid}, 0, 0",
        "'process_vm_readv', {pid}, 0, 0, 0, 0, 0",
        "'syscall', 438, 3, 0, 0",  # pidfd_getfd
        "'unshare', 0x10000000",
        "'unshare', 0x20000",
        "'setns', 0, 0",
        "'mount', b'none', b'/tmp', b'tmpfs', 0, None",
        "'umount2', b'/tmp', 2",
        "'syscall', 428, -100, b'/', 1",  # open_tree
        "'syscall', 442, -100, b'/', 0, 0, 0",  # mount_setattr
        "'syscall', 425, 8, 0",  # io_uring_setup
        "'syscall', 321, 0, 0, 0",  # bpf on x86-64
        "'syscall', 298, 0, 0, -1, -1, 0",  # perf_event_open on x86-64
        "'syscall', 323, 0",  # userfaultfd on x86-64
        "'syscall', 250, 0, 0, 0, 0, 0",  # keyctl on x86-64
        "'syscall', 319, b'x', 0",  # memfd_create on x86-64
        "'sethostname', b'pwned', 5",
        "'setdomainname', b'pwned', 5",
        "'settimeofday', (ctypes.c_long * 2)(1, 1), None",
        "'clock_settime', 0, (ctypes.c_long * 2)(1, 1)",
        "'adjtimex', ctypes.create_string_buffer(400)",
        "'shmget', 1, 4096, 0o1600",
        "'semget', 1, 1, 0o1600",
        "'msgget', 1, 0o1600",
        "'mq_open', b'/x', 0o102, 0o600, 0",
        "'prlimit', {pid}, 7, (ctypes.c_long * 2)(64, 64), None",
        "'prlimit', 1, 7, (ctypes.c_long * 2)(64, 64), None",
        "'prlimit', os.getppid() or 1, 7, None, (ctypes.c_long * 2)()",
        "'setpriority', 0, {pid}, 19",
        "'sched_setaffinity', {pid}, 128, ctypes.create_string_buffer(b'\\x01' * 128)",
        "'kill', {pid}, 9",
        "'personality', 0x0400000",
        "'swapoff', b'/x'",
        "'reboot', 0",
        "'syscall', 435, ctypes.create_string_buffer(88), 88",  # clone3
        "'name_to_handle_at', -100, b'/tmp', ctypes.create_string_buffer(200), ctypes.create_string_buffer(8), 0",
        "'quotactl', 0x800003, None, 0, None",
        "'acct', None",
    ],
)
async def test_call_is_refused(any_box: Any, call: str) -> None:
    """Calls that reach beyond one's own processes and files fail, and nothing changes outside."""
    before = (socket.gethostname(), resource.getrlimit(resource.RLIMIT_NOFILE), os.getpriority(os.PRIO_PROCESS, 0))
    result = await any_box.python(f"{CALL}\nrefused({call.format(pid=os.getpid())})")
    assert (result.exit_code, "GOT" in result.output) == (0, False), result.output
    assert before == (
        socket.gethostname(), resource.getrlimit(resource.RLIMIT_NOFILE), os.getpriority(os.PRIO_PROCESS, 0),
    )  # fmt: skip


async def test_a_call_of_another_architecture_kills(any_box: Any) -> None:
    """The x32 kind of a system call is no way round the filter."""
    result = await any_box.python("import ctypes, os\nif os.uname().machine != 'x86_64': os.kill(os.getpid(), 31)\n"
                                  "ctypes.CDLL(None).syscall(0x40000000 + 39); print('GOT')")  # fmt: skip
    assert (result.exit_code, result.output) == (-31, "")


async def test_no_capability_and_no_new_privileges(any_box: Any) -> None:
    """A command has no capability, can get none, and setuid programs give none."""
    result = await any_box.command(["/bin/cat", "/proc/self/status"], readable=[Path("/usr/share")])
    if any_box.mode == "plain":
        assert "Permission denied" in result.output
        return
    fields = dict(line.split(":\t") for line in result.output.splitlines() if ":\t" in line)
    assert {fields[f"Cap{kind}"].strip("0") for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {""}
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")


async def test_other_processes_are_not_there(apart_box: Any) -> None:
    """Only the command's own processes exist for it."""
    result = await apart_box.python("import os; print(sorted(int(n) for n in os.listdir('/proc') if n.isdigit()))")
    assert result.output == "[1, 2]\n"


async def test_the_first_process_cannot_be_looked_into(apart_box: Any) -> None:
    """Memory, descriptors and environment of the process that watches a command are closed to it."""
    code = """
import os
for name in ('mem', 'environ', 'maps', 'fd/0', 'root', 'cwd', 'ns/pid'):
    try:
        path = '/proc/1/' + name
        print('GOT', open(path, 'rb').read(1) if name in ('mem', 'environ', 'maps') else os.readlink(path))
    except OSError: print('refused')
os.kill(1, 9) if os.getuid() != 0 else None
print('alive')
"""
    result = await apart_box.python(code)
    assert "GOT" not in result.output
    assert result.output.count("refused") == 7


async def test_own_user(box_of: Any) -> None:
    """Where we are root a command is nobody that we know, and what it writes is ours all the same."""
    box = box_of("own-uid") if os.geteuid() == 0 else box_of("user")
    result = await box.python(
        "import os; open('made', 'w'); os.mkdir('folder'); print(os.getuid(), os.stat('made').st_uid)"
    )
    inner, owner = map(int, result.output.split())
    assert inner == owner
    assert (inner == os.geteuid()) == (os.geteuid() != 0)
    assert {os.geteuid()} == {path.stat().st_uid for path in box.tree.iterdir()}


async def test_environment_holds_nothing_of_ours(any_box: Any) -> None:
    """The command sees only what it was given."""
    result = await any_box.python("import os; print(*sorted(os.environ))")
    names = set(result.output.split())
    known = {
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "PATH",
        "TMPDIR",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONUNBUFFERED",
        "LC_CTYPE",
    }
    assert names <= {*known, "MIYABI_REPORT"}


async def test_private_memory_is_nobody_elses(apart_box: Any) -> None:
    """What one command leaves in /tmp and /dev/shm no other finds, and we do not either."""
    name = f"left-{secrets.token_hex(4)}"
    code = f"import os\nfor d in ('/tmp', '/dev/shm', os.environ['HOME']):\n    open(d + '/{name}', 'x'); print(os.listdir(d))"
    for _ in range(2):
        result = await apart_box.python(code)
        assert result.exit_code == 0, result.output
    assert not Path("/dev/shm", name).exists()
    assert not Path("/tmp", name).exists()


async def test_no_descriptor_is_inherited(any_box: Any) -> None:
    """Input is empty, output and errors are the command's, and there is nothing else."""
    code = "import os\nfor n in range(3, 4096):\n    try: os.fstat(n); print('GOT', n)\n    except OSError: pass\nprint(repr(os.read(0, 1)))"
    assert (await any_box.python(code)).output == "b''\n"


async def test_two_commands_do_not_see_each_other(box: Any) -> None:
    """Commands at the same time have processes, users and ports of their own."""
    code = "import os, socket; s = socket.create_server(('127.0.0.1', 47123)); print(os.getuid(), len(os.listdir('/proc')) and sum(n.isdigit() for n in os.listdir('/proc'))); import time; time.sleep(0.5)"
    first, second = await asyncio.gather(box.python(code), box.python(code))
    assert (first.exit_code, second.exit_code) == (0, 0), first.output + second.output
    assert first.output.split()[1] == second.output.split()[1] == "2"
    if os.geteuid() == 0:
        assert first.output != second.output

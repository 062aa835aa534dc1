"""What ordinary suites do works inside: languages, processes, servers, terminals, databases, version control."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

#: Does what Python's own suites do, part by part; each part prints its name.
PARTS = {
    "subprocess": "import subprocess, sys; print(subprocess.check_output([sys.executable, '-c', 'print(1)']))",
    "threads": "import threading; ts = [threading.Thread(target=print) for _ in range(50)]; [t.start() for t in ts]; [t.join() for t in ts]",
    "tempfile": "import tempfile, pathlib; d = tempfile.TemporaryDirectory(); pathlib.Path(d.name, 'x').write_text('1'); d.cleanup(); tempfile.TemporaryFile().write(b'1')",
    "sqlite": "import sqlite3; c = sqlite3.connect('db'); c.execute('create table t (x)'); c.execute('insert into t values (1)'); c.commit(); assert c.execute('pragma journal_mode=wal').fetchone() == ('wal',)",
    "signals": "import os, signal; got = []; signal.signal(signal.SIGUSR1, lambda *a: got.append(a)); os.kill(os.getpid(), signal.SIGUSR1); signal.setitimer(signal.ITIMER_REAL, .01); signal.signal(signal.SIGALRM, lambda *a: got.append(a)); signal.sigtimedwait([signal.SIGUSR2], .1); assert len(got) == 2, got",
    "asyncio": "import asyncio; asyncio.run(asyncio.sleep(0)); asyncio.run(asyncio.create_subprocess_exec('true'))",
    "user": "import getpass, pathlib; assert getpass.getuser() == 'miyabi'; (pathlib.Path.home() / 'x').write_text('1')",
    "priority": "import os; os.nice(1); os.sched_setaffinity(0, os.sched_getaffinity(0)); os.cpu_count()",
    "limits": "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)); resource.getrusage(0)",
    "files": "import os, mmap, fcntl; f = open('f', 'w+b'); f.write(b'x' * 9000); f.flush(); mmap.mmap(f.fileno(), 0)[0]; fcntl.flock(f, 2); os.sendfile(os.open('g', os.O_CREAT | os.O_WRONLY), f.fileno(), 0, 9); os.copy_file_range(f.fileno(), os.open('g', os.O_WRONLY), 9, 0); os.chmod('f', 0o755); os.utime('f', (1, 1)); os.link('f', 'h'); os.mkfifo('p'); os.setxattr('f', 'user.a', b'1'); os.chown('f', os.getuid(), -1)",
    "epoll": "import select, os; e = select.epoll(); r, w = os.pipe(); e.register(r, 1); os.write(w, b'1'); assert e.poll(1)",
    "timezone": "import zoneinfo, time; time.tzset(); zoneinfo.ZoneInfo('Europe/Berlin')",
    "ssl": "import ssl; ssl.create_default_context()",
    "random": "import os, secrets; os.urandom(9); open('/dev/urandom', 'rb').read(1); open('/dev/null', 'w').write('x'); os.getrandom(4)",
}
#: What needs a loopback, a terminal or shared memory of its own.
APART_PARTS = {
    "multiprocessing spawn": "import multiprocessing as m; c = m.get_context('spawn'); p = c.Process(target=print, args=(1,)); p.start(); p.join(); assert p.exitcode == 0",
    "multiprocessing fork": "import multiprocessing as m; c = m.get_context('fork'); q = c.Queue(); p = c.Process(target=q.put, args=(1,)); p.start(); assert q.get() == 1; p.join(); c.Pool(2).map(abs, [-1]); m.Lock(); c.Value('i')",
    "futures": "import concurrent.futures as f; import multiprocessing as m; e = f.ProcessPoolExecutor(2, mp_context=m.get_context('fork')); assert list(e.map(abs, [-1])) == [1]",
    "shared memory": "import multiprocessing.shared_memory as s; x = s.SharedMemory(create=True, size=9999); x.close(); x.unlink()",
    "terminal": "import pty, os; pid, fd = pty.fork()\nif pid == 0:\n  open('/dev/tty', 'w').write('tty'); os._exit(0)\nassert os.read(fd, 3) == b'tty'; os.waitpid(pid, 0)",
    "http server": "import http.server, threading, urllib.request; s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler); threading.Thread(target=s.serve_forever, daemon=True).start(); print(urllib.request.urlopen(f'http://localhost:{s.server_port}/').status); s.shutdown()",
    "processes": "import os, pathlib; assert pathlib.Path('/proc/self/status').read_text(); assert os.path.realpath('/proc/self/exe'); print(open('/proc/meminfo').readline(), open('/proc/cpuinfo').readline())",
    "user": "import grp, os, pathlib, pwd; assert pwd.getpwuid(os.getuid()).pw_dir == str(pathlib.Path.home()); grp.getgrgid(os.getgid())",
    "names": "import socket; print(socket.gethostname(), socket.gethostbyname('localhost'), socket.getservbyname('http'), socket.getprotobyname('tcp'))",
}


@pytest.mark.parametrize("part", PARTS)
async def test_python(any_box: Any, part: str) -> None:
    """Python's standard library does what it does elsewhere."""
    result = await any_box.python(
        f"if __name__ == '__main__':\n {PARTS[part]!s}" if "\n" not in PARTS[part] else PARTS[part]
    )
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("part", APART_PARTS)
async def test_python_apart(apart_box: Any, part: str) -> None:
    """So does what needs a loopback, a terminal or shared memory."""
    (apart_box.tree / "part.py").write_text("if __name__ == '__main__':\n  " + APART_PARTS[part].replace("\n", "\n  "))
    import sys

    result = await apart_box.command([sys.executable, "part.py"])
    assert result.exit_code == 0, result.output


async def test_shell_and_its_tools(any_box: Any) -> None:
    """Pipes, signals of broken ones, archives, finders and editors of streams work."""
    script = "yes | head -1; seq 3 | sort -r | xargs echo; tar cf a.tar --exclude=a.tar . && tar tf a.tar >/dev/null && find . | wc -l; sed -i s/a/b/ a.txt; mktemp >/dev/null && echo ok"
    (any_box.tree / "a.txt").write_text("a\n")
    result = await any_box.command(["/bin/sh", "-ec", script])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[:2] == ["y", "3 2 1"]
    assert (any_box.tree / "a.txt").read_text() == "b\n"


async def test_settings_of_the_system(any_box: Any) -> None:
    """What programs read of the system is there, its private keys are not."""
    paths = ["/etc/ssl/openssl.cnf", "/etc/ssl/certs/ca-certificates.crt", "/etc/os-release", "/usr/lib/os-release",
             "/etc/protocols", "/etc/services", "/etc/localtime", "/bin/sh"]  # fmt: skip
    there = [path for path in paths if Path(path).exists()]
    code = "import sys\nfor path in sys.argv[1:]: assert open(path, 'rb').read(1), path\nprint('read')"
    assert (await any_box.python(code, *there)).output == "read\n"
    result = await any_box.python("import os; os.listdir('/etc/ssl/private')")
    assert result.exit_code == 1


async def test_git(any_box: Any) -> None:
    """A repository can be made, committed to and cloned."""
    script = "git init -q r && cd r && echo 1 > f && git add f && git -c user.name=a -c user.email=a@b commit -qm x && git log --oneline | wc -l && git status --short && cd .. && git clone -q r s && git -C s fsck"
    result = await any_box.command(["/bin/sh", "-ec", script])
    assert (result.exit_code, result.output.split()[0]) == (0, "1"), result.output


def found(program: str) -> tuple[str, list[Path]]:
    """Return a program and the folder that it must read; fails where the machine has none."""
    path = shutil.which(program)
    assert path is not None, f"{program} is needed for this test"
    real = Path(path).resolve()
    top = Path(path).parent.parent
    return path, [] if real.is_relative_to("/usr") and top in (Path("/usr"), Path("/usr/local")) else [top, real.parent]


async def test_node(any_box: Any) -> None:
    """Node starts, with WebAssembly, workers and a child process, in a gigabyte of memory."""
    code = """
const { Worker } = require('worker_threads'); const { execFileSync } = require('child_process')
new WebAssembly.Memory({ initial: 1, maximum: 65536 })
console.log(execFileSync('/bin/echo', ['child']).toString().trim(), require('os').cpus().length > 0)
new Worker('require("worker_threads").parentPort.postMessage("worker")', { eval: true }).on('message', console.log)
"""
    program, readable = found("node")
    result = await any_box.command([program, "-e", code], readable=readable, memory_bytes=1 << 30)
    assert (result.exit_code, sorted(result.output.split())) == (0, ["child", "true", "worker"]), result.output


async def test_node_loopback(apart_box: Any) -> None:
    """A server of node's answers itself."""
    code = "const s = require('http').createServer((q, r) => r.end('answer')).listen(0, '127.0.0.1', async () => { console.log(await (await fetch(`http://127.0.0.1:${s.address().port}`)).text()); s.close() })"
    program, readable = found("node")
    result = await apart_box.command([program, "-e", code], readable=readable)
    assert (result.exit_code, result.output) == (0, "answer\n")


GO = """package x
import ("net/http"; "net/http/httptest"; "os"; "testing")
func TestX(t *testing.T) {
    s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) })); defer s.Close()
    r, err := http.Get(s.URL); if err != nil || r.StatusCode != 204 { t.Fatal(err) }
    if os.WriteFile(t.TempDir()+"/x", nil, 0o600) != nil { t.Fatal() }
}
"""


@pytest.mark.slow("Go compiles its own library first")
@pytest.mark.timeout(300)
async def test_go(box: Any) -> None:
    """Go compiles a test and runs it, a server in it."""
    (box.tree / "go.mod").write_text("module x\n\ngo 1.21\n")
    (box.tree / "x_test.go").write_text(GO)
    program, _ = found("go")
    root = Path(program).resolve().parent.parent
    environment = {
        "GOCACHE": str(box.tree / ".cache"),
        "GOPATH": str(box.tree / ".go"),
        "GOFLAGS": "-mod=mod",
        "GOROOT": str(root),
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }
    result = await box.command(
        [program, "test", "./..."], readable=[root], environment=environment, wall=timedelta(seconds=280)
    )
    assert (result.exit_code, result.output[:3]) == (0, "ok "), result.output


async def test_versions(any_box: Any) -> None:
    """Go, Cargo and Java start."""
    home = Path(os.environ.get("RUSTUP_HOME", Path.home() / ".rustup"))
    for name, option in (("go", "version"), ("cargo", "--version"), ("java", "-version")):
        program, readable = found(name)
        environment = {"RUSTUP_HOME": str(home), "CARGO_HOME": str(any_box.tree)} if name == "cargo" else {}
        result = await any_box.command(
            [program, option], readable=[*readable, *([home] if name == "cargo" else [])], environment=environment
        )
        assert (result.exit_code, "version" in result.output or "cargo" in result.output) == (0, True), result.output

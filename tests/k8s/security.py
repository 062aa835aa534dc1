"""Steps: who reaches what on the network, and what hostile code in the sandbox container gets."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from scripts.k8s import cluster
from scripts.k8s.shell import run
from tests.k8s.rig import Figures, expect, in_agent, is_ready, pods

#: Ports of ours, whoever listens.
PORTS = (50051, 50053, 50054, 50059, 50063, 3001, 6379, 8080, 8081, 8082, 9464)
_CONNECT = """
import json, socket, sys
found = {}
for host, port in json.loads(%r):
    try:
        with socket.create_connection((host, port), timeout=2): found[f"{host}:{port}"] = "open"
    except OSError as error: found[f"{host}:{port}"] = type(error).__name__
print(json.dumps(found))
"""


def network(figures: Figures) -> None:
    """A pod outside the allow list reaches no port of ours; an agent reaches neither Redis nor GitHub."""
    targets = [
        (pod["status"]["podIP"], port)
        for pod in pods() if is_ready(pod)
        for port in PORTS
    ]  # fmt: skip
    services = [("redis-state", 6379), ("coordinator", 50051), ("github-gateway", 50063), ("dashboard", 3001)]
    for namespace, label in (("default", {}), (cluster.NAMESPACE, {"app.kubernetes.io/name": "stranger"})):
        suffix = f".{cluster.NAMESPACE}.svc.cluster.local"
        wanted = [*targets, *((f"{name}{suffix}", port) for name, port in services)]
        seen = _from_pod(namespace, label, wanted)
        opened = [target for target, result in seen.items() if result == "open"]
        expect(len(seen) == len(wanted), "not every port was tried")
        expect(not opened, f"a stranger in {namespace} reaches {opened}")
        figures.add("network", stranger_in=namespace, ports_tried=len(seen), ports_open=0)
    _from_agent(figures)


def _from_agent(figures: Figures) -> None:
    """What an agent reaches, and what not."""
    allowed = [("coordinator", 50051), ("github-gateway", 50053), ("github-gateway", 50063), ("simulators", 8081)]
    refused = [
        ("redis-state", 6379),
        ("simulators", 8080),
        ("dashboard", 3001),
        ("140.82.112.3", 443),
        ("1.1.1.1", 443),
    ]
    seen = json.loads(in_agent(_CONNECT % json.dumps([*allowed, *refused])).splitlines()[-1])
    for host, port in allowed:
        expect(seen[f"{host}:{port}"] == "open", f"an agent does not reach {host}:{port}: {seen}")
    for host, port in refused:
        expect(seen[f"{host}:{port}"] != "open", f"an agent reaches {host}:{port}")
    figures.add("network", agent_reaches=[f"{host}:{port}" for host, port in allowed],
                agent_does_not_reach=[f"{host}:{port}" for host, port in refused])  # fmt: skip


def _from_pod(namespace: str, labels: dict[str, str], targets: list[tuple[str, int]]) -> dict[str, str]:
    """Try to connect from a pod of its own."""
    image = next(pod for pod in pods("app.kubernetes.io/name=coordinator"))["spec"]["containers"][0]["image"]
    pod = prober("stranger", image, namespace=namespace, labels=labels, code=_CONNECT % json.dumps(targets))
    command = ("kubectl", "--namespace", namespace)
    run(*command, "delete", "pod", "stranger", "--ignore-not-found", "--grace-period=0", "--force", check=False)
    run(*command, "apply", "--filename", "-", stdin=json.dumps(pod))
    try:
        run(*command, "wait", "pod/stranger", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=420s", timeout=450)
        seen: dict[str, str] = json.loads(run(*command, "logs", "stranger").splitlines()[-1])
        return seen
    finally:
        run(*command, "delete", "pod", "stranger", "--grace-period=0", "--force", check=False)


def prober(name: str, image: str, *, namespace: str, labels: dict[str, str], code: str) -> dict[str, Any]:
    """Return a pod that runs Python code once, as restricted as ours are."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": name,
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["/app/bin/python", "-c", code],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }


#: What hostile code tries, and the word that its output must not have.
ATTEMPTS = {
    "network": "import socket; socket.create_connection(('@COORDINATOR@', 50051), 2); print('GOT')",
    "loopback": "import socket; socket.create_connection(('127.0.0.1', 50059), 2); print('GOT')",
    "model key": "print(open('/etc/miyabi/model/api-key').read(), 'GOT')",
    "the agent's files": "import os; print(os.listdir('/var/lib/miyabi/agents'), 'GOT')",
    "other worktrees": "import os; print(os.listdir('/workspace/worktrees'), 'GOT')",
    "the agent's process": "print([open(f'/proc/{p}/environ').read() for p in __import__('os').listdir('/proc') "
    "if p.isdigit() and p != str(__import__('os').getpid())], 'GOT')",
    "a planted link": "import os; os.symlink('/etc/miyabi/model/api-key', 'l'); print(open('l').read(), 'GOT')",
    "shared memory": "open('/dev/shm/x', 'w').write('x'); print('GOT')",
    "an abstract socket": "import socket; s = socket.socket(socket.AF_UNIX); s.connect('\\0miyabi-test'); print('GOT')",
    "SysV shared memory": "import ctypes; print('GOT' if ctypes.CDLL(None).shmget(1, 4096, 0o1666) >= 0 else 'no')",
    "a new user namespace": "import ctypes; print('GOT' if ctypes.CDLL(None).unshare(0x10000000) == 0 else 'no')",
    "its own uid's server": "import os, signal; os.kill(1, signal.SIGKILL); print('GOT')",
}
_RUN = """
import asyncio, json, os, pathlib, socket, subprocess, sys
os.umask(0o002)
from miyabi_agents.errors import WorkspaceError
from miyabi_agents.ports import SandboxJob
from miyabi_agents.sandbox import ContainerSandbox
from miyabi_agents.workspace import linkfree
attempts = json.loads(%r)
listener = socket.socket(socket.AF_UNIX); listener.bind('\\0miyabi-test'); listener.listen()
root = pathlib.Path('/workspace/worktrees')
sandbox = ContainerSandbox(pathlib.Path('/workspace/control/sandbox.sock'))
async def attempt(number, code):
    code = code.replace('@COORDINATOR@', socket.gethostbyname('coordinator'))
    tree = root / f'probe-{number}'
    tree.mkdir(parents=True)
    result = await sandbox.run(SandboxJob(['/usr/bin/env', 'python3', '-c', code], tree, writable=[tree]))
    left = sorted(path.name for path in tree.iterdir())
    tree.rmdir()
    return {'exit': result.exit_code, 'output': result.output[-300:], 'left': left, 'layers': result.layers}
async def main():
    found = {name: await attempt(number, code) for number, (name, code) in enumerate(attempts.items())}
    found['ordinary work'] = await attempt(99, "import subprocess; open('x', 'w').write('1'); "
                                           "print(subprocess.check_output(['/bin/echo', 'WORKS']).decode())")
    tree = root / 'probe-socket'; tree.mkdir()
    code = ("import socket, json; s = socket.socket(socket.AF_UNIX); s.connect('/workspace/control/sandbox.sock'); "
            "s.sendall(json.dumps({'command': ['id'], 'cwd': '/workspace', 'writable': [], 'readable': [], 'environment': {}, 'limits': {}}).encode() + b'\\\\n'); "
            "print(s.recv(500).decode())")
    answer = await sandbox.run(SandboxJob(['/usr/bin/env', 'python3', '-c', code], tree, writable=[tree]))
    found['its own socket'] = {'exit': answer.exit_code, 'output': answer.output[-300:]}
    tree.rmdir()
    # What the sandbox planted is hostile data for the agent.
    tree = root / 'probe-git'; tree.mkdir()
    (tree / 'link').symlink_to('/proc/self/environ')
    try:
        found['the agent follows a link'] = {'read': len(linkfree.read(tree, 'link')[0])}
    except WorkspaceError as error:
        found['the agent follows a link'] = {'refused': error.code}
    (tree / '.git').mkdir()
    (tree / '.git/config').write_text('[core]\\nfsmonitor = "touch /tmp/fsmonitor-ran; false"\\nbare = false\\n')
    from miyabi_agents.workspace.git import git
    gitdir = pathlib.Path('/var/lib/miyabi/agents/probe.git')
    await git('init', '--quiet', '--bare', str(gitdir))
    await git('add', '--all', '--', '.', cwd=tree, variables={'GIT_DIR': str(gitdir), 'GIT_WORK_TREE': str(tree)})
    found['a git configuration runs'] = {'ran': os.path.exists('/tmp/fsmonitor-ran')}
    subprocess.run(['rm', '-rf', str(tree), str(gitdir)], check=True)
    print(json.dumps(found))
asyncio.run(main())
"""


def sandbox(figures: Figures) -> None:
    """Code in the sandbox container reaches neither network nor key nor the agent's files, by no way that was tried."""
    found = json.loads(in_agent(textwrap.dedent(_RUN % json.dumps(ATTEMPTS)), timeout=300).splitlines()[-1])
    for name in ATTEMPTS:
        result = found[name]
        expect("GOT" not in result["output"], f"code in the sandbox gets {name}: {result}")
        expect(result["output"].strip(), f"the attempt at {name} said nothing, so that it may not have run: {result}")
        expect(not result["left"], f"the attempt at {name} left {result['left']}")
        figures.add("sandbox", attempt=name, refused=result["output"].strip().splitlines()[-1][:120])
    expect("WORKS" in found["ordinary work"]["output"], f"ordinary work does not: {found['ordinary work']}")
    layers = set(found["network"]["layers"])
    expect({"landlock", "seccomp", "landlock-scope"} <= layers, f"layers: {layers}")
    said = found["its own socket"]["output"]
    # No command can open a Unix socket by its path; where one could, the server refuses its uid.
    expect("Permission denied" in said or "REFUSED" in said, f"the socket: {found['its own socket']}")
    expect("refused" in found["the agent follows a link"], f"the agent follows a link: {found}")
    expect(not found["a git configuration runs"]["ran"], "a planted git configuration ran in the agent")
    figures.add(
        "sandbox", own_socket="refused", planted_link=found["the agent follows a link"], git_configuration="not run"
    )

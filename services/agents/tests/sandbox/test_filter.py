"""The tables and the program of the system call filter, for each architecture."""

from __future__ import annotations

import struct

import pytest

from miyabi_agents.sandbox.launch import seccomp, syscalls

ALLOW, EPERM, EACCES, ENOSYS, KILL = 0x7FFF0000, 0x00050001, 0x0005000D, 0x00050026, 0x80000000
MACHINES = ["x86_64", "aarch64"]


def evaluate(program: bytes, *, arch: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """Run a filter as the kernel does (classic BPF): returns its verdict."""
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, arch, 0, *(arguments + (0,) * 6)[:6])
    steps = [struct.unpack_from("HBBI", program, at) for at in range(0, len(program), 8)]
    at = held = 0
    while True:
        code, yes, no, value = steps[at]
        at += 1
        match code:
            case 0x20:
                (held,) = struct.unpack_from("<I", data, value)
            case 0x54:
                held &= value
            case 0x06:
                return value
            case _:
                met = {0x15: held == value, 0x25: held > value, 0x35: held >= value, 0x45: bool(held & value)}[code]
                at += yes if met else no


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("rules", [seccomp.Rules(), seccomp.Rules(internet=True, datagrams=True, listening=True),
                                   seccomp.Rules(internet=True), seccomp.Rules(shared_pids=True, guarded_pids=(7, 8))])  # fmt: skip
def test_every_number_has_the_verdict_of_its_table(machine: str, rules: seccomp.Rules) -> None:
    """What is in no table is refused, up to numbers that no kernel has yet."""
    program = seccomp.program(machine, rules)
    arch = syscalls.AUDIT_ARCH[machine]
    allowed, unknown = set(syscalls.allowed(machine).values()), set(syscalls.unknown(machine).values())
    special = {syscalls.allowed(machine).get(name) or syscalls.conditional(machine)[name]
               for name in seccomp._conditional(rules) if name in syscalls.allowed(machine) or name in syscalls.conditional(machine)}  # fmt: skip
    for number in set(range(700)) - special:
        expected = ALLOW if number in allowed else ENOSYS if number in unknown else EPERM
        assert expected == evaluate(program, arch=arch, number=number), number
    assert len(program) // 8 < 4096


@pytest.mark.parametrize("machine", MACHINES)
def test_what_may_be_opened(machine: str) -> None:
    """Sockets are those of the rules, whatever flags come with them."""
    number = syscalls.conditional(machine)["socket"]
    arch = syscalls.AUDIT_ARCH[machine]

    def verdict(rules: seccomp.Rules, *arguments: int) -> int:
        return evaluate(seccomp.program(machine, rules), arch=arch, number=number, arguments=arguments)

    tcp, both = seccomp.Rules(internet=True), seccomp.Rules(internet=True, datagrams=True)
    flags = 0o2004000
    assert verdict(seccomp.Rules(), 2, 1, 0) == EACCES
    assert ALLOW == verdict(tcp, 2, 1 | flags, 0) == verdict(tcp, 10, 1, 6) == verdict(both, 2, 2 | flags, 17)
    for arguments in ((2, 2, 0), (2, 3, 0), (2, 1, 262), (1, 1, 0), (16, 3, 0), (2 | 1 << 31, 1, 0)):
        assert verdict(tcp, *arguments) == EACCES, arguments


@pytest.mark.parametrize("machine", MACHINES)
def test_arguments_that_are_refused(machine: str) -> None:
    """Namespaces, other processes' limits, fast open, guarded processes."""
    names = {**syscalls.allowed(machine), **syscalls.conditional(machine)}
    arch = syscalls.AUDIT_ARCH[machine]
    program = seccomp.program(machine, seccomp.Rules(shared_pids=True, guarded_pids=(7, 8)))

    def verdict(name: str, *arguments: int) -> int:
        return evaluate(program, arch=arch, number=names[name], arguments=tuple(a & (2**64 - 1) for a in arguments))

    assert EPERM == verdict("clone", 0x10000000) == verdict("clone", 0x20000 | 17)
    assert ALLOW == verdict("clone", 17) == verdict("clone", 0x3D0F00)
    assert EPERM == verdict("prlimit64", 1) == verdict("sched_setaffinity", 9) == verdict("setpriority", 0, 9)
    assert ALLOW == verdict("prlimit64", 0) == verdict("setpriority", 0, 0)
    assert EPERM == verdict("sendto", 3, 0, 0, 0x20000000) == verdict("sendmsg", 3, 0, 0x20000000)
    assert verdict("sendto", 3, 0, 0, 0x4000) == ALLOW
    for pid in (-1, 7, -7, 8, -8):
        assert verdict("kill", pid, 9) == EPERM, pid
    assert ALLOW == verdict("kill", 70, 9) == verdict("kill", 0, 9)


def test_another_architecture_kills() -> None:
    """A call that comes as another architecture's, or as x32's, ends the process."""
    program = seccomp.program("x86_64", seccomp.Rules())
    assert evaluate(program, arch=syscalls.AUDIT_ARCH["aarch64"], number=0) == KILL
    assert evaluate(program, arch=syscalls.AUDIT_ARCH["x86_64"], number=0x40000000) == KILL


@pytest.mark.parametrize("machine", MACHINES)
def test_tables_do_not_overlap(machine: str) -> None:
    """A call has one verdict."""
    tables = [syscalls.allowed(machine), syscalls.conditional(machine), syscalls.unknown(machine)]
    numbers = [number for table in tables for number in table.values()]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize(
    "name", ["unshare", "setns", "mount", "ptrace", "process_vm_readv", "bpf", "keyctl", "perf_event_open", "chroot",
             "sethostname", "settimeofday", "clock_settime", "shmget", "mq_open", "kexec_load", "init_module", "swapon"],
)  # fmt: skip
def test_no_table_names_it(name: str) -> None:
    """What reaches beyond a process is not even conditional."""
    for machine in MACHINES:
        assert name not in {**syscalls.allowed(machine), **syscalls.conditional(machine), **syscalls.unknown(machine)}

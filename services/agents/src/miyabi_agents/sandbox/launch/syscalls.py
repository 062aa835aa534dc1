"""Which system calls a command may make, by name, with each architecture's number for them: an allow-list.

Whatever is in no table is refused with EPERM: namespaces, mounts, tracing, keys, BPF, io_uring, clocks and names of the
machine, modules, quotas, System V and POSIX queues. Numbers: the kernel's `arch/x86/entry/syscalls/syscall_64.tbl` and
`include/uapi/asm-generic/unistd.h`.
"""

from __future__ import annotations

#: Allowed whatever the arguments: name, number on x86-64, number on AArch64 (`-`: it has none).
_ALLOWED = """
    # Files, by descriptor.
    read 0 63, write 1 64, open 2 -, close 3 57, creat 85 -, openat 257 56, openat2 437 437, lseek 8 62,
    pread64 17 67, pwrite64 18 68, readv 19 65, writev 20 66, preadv 295 69, pwritev 296 70, preadv2 327 286,
    pwritev2 328 287, dup 32 23, dup2 33 -, dup3 292 24, fcntl 72 25, ioctl 16 29, flock 73 32, fsync 74 82,
    fdatasync 75 83, sync 162 81, syncfs 306 267, sync_file_range 277 84, fallocate 285 47, fadvise64 221 223,
    readahead 187 213, ftruncate 77 46, truncate 76 45, copy_file_range 326 285, sendfile 40 71, splice 275 76,
    tee 276 77, vmsplice 278 75, close_range 436 436, cachestat 451 451, pipe 22 -, pipe2 293 59, getdents 78 -,
    getdents64 217 61, umask 95 166,
    # Files, by name; what lies outside is not there, or belongs to somebody else.
    stat 4 -, fstat 5 80, lstat 6 -, newfstatat 262 79, statx 332 291, access 21 -, faccessat 269 48,
    faccessat2 439 439, getcwd 79 17, chdir 80 49, fchdir 81 50, rename 82 -, renameat 264 38, renameat2 316 276,
    mkdir 83 -, mkdirat 258 34, rmdir 84 -, link 86 -, linkat 265 37, unlink 87 -, unlinkat 263 35, symlink 88 -,
    symlinkat 266 36, readlink 89 -, readlinkat 267 78, mknod 133 -, mknodat 259 33, statfs 137 43, fstatfs 138 44,
    chmod 90 -, fchmod 91 52, fchmodat 268 53, fchmodat2 452 452, chown 92 -, fchown 93 55, lchown 94 -,
    fchownat 260 54, utime 132 -, utimes 235 -, utimensat 280 88, futimesat 261 -,
    # Attributes and news of files.
    setxattr 188 5, lsetxattr 189 6, fsetxattr 190 7, getxattr 191 8, lgetxattr 192 9, fgetxattr 193 10,
    listxattr 194 11, llistxattr 195 12, flistxattr 196 13, removexattr 197 14, lremovexattr 198 15,
    fremovexattr 199 16, inotify_init 253 -, inotify_init1 294 26, inotify_add_watch 254 27, inotify_rm_watch 255 28,
    # Memory.
    mmap 9 222, mprotect 10 226, munmap 11 215, brk 12 214, mremap 25 216, msync 26 227, mincore 27 232,
    madvise 28 233, mlock 149 228, mlock2 325 284, munlock 150 229, mlockall 151 230, munlockall 152 231,
    pkey_mprotect 329 288, pkey_alloc 330 289, pkey_free 331 290, membarrier 324 283, map_shadow_stack 453 453,
    mseal 462 462, get_mempolicy 239 236,
    # Processes and threads.
    fork 57 -, vfork 58 -, execve 59 221, execveat 322 281, exit 60 93, exit_group 231 94, wait4 61 260,
    waitid 247 95, getpid 39 172, getppid 110 173, gettid 186 178, getpgid 121 155, getpgrp 111 -, setpgid 109 154,
    getsid 124 156, setsid 112 157, set_tid_address 218 96, set_robust_list 273 99, get_robust_list 274 100,
    rseq 334 293, futex 202 98, futex_waitv 449 449, futex_wake 454 454, futex_wait 455 455, futex_requeue 456 456,
    sched_yield 24 124, sched_getparam 143 121, sched_getscheduler 145 120, sched_get_priority_max 146 125,
    sched_get_priority_min 147 126, sched_rr_get_interval 148 127, sched_getaffinity 204 123, sched_getattr 315 275,
    getpriority 140 141, ioprio_get 252 31, getcpu 309 168, getrlimit 97 163, setrlimit 160 164, getrusage 98 165,
    times 100 153, uname 63 160, sysinfo 99 179, prctl 157 167, arch_prctl 158 -, process_mrelease 448 448,
    # Signals.
    rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139, rt_sigpending 127 136, rt_sigtimedwait 128 137,
    rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240, rt_sigsuspend 130 133, sigaltstack 131 132, kill 62 129,
    tkill 200 130, tgkill 234 131, pause 34 -, restart_syscall 219 128, signalfd 282 -, signalfd4 289 74,
    pidfd_open 434 434, pidfd_send_signal 424 424,
    # Who one is: there is no capability to change it with.
    getuid 102 174, getgid 104 176, geteuid 107 175, getegid 108 177, setuid 105 146, setgid 106 144,
    setreuid 113 145, setregid 114 143, getgroups 115 158, setgroups 116 159, setresuid 117 147, getresuid 118 148,
    setresgid 119 149, getresgid 120 150, setfsuid 122 151, setfsgid 123 152, capget 125 90, capset 126 91,
    # Time.
    nanosleep 35 101, getitimer 36 102, alarm 37 -, setitimer 38 103, gettimeofday 96 169, time 201 -,
    clock_gettime 228 113, clock_getres 229 114, clock_nanosleep 230 115, timer_create 222 107,
    timer_settime 223 110, timer_gettime 224 108, timer_getoverrun 225 109, timer_delete 226 111,
    timerfd_create 283 85, timerfd_settime 286 86, timerfd_gettime 287 87,
    # Waiting.
    poll 7 -, ppoll 271 73, select 23 -, pselect6 270 72, epoll_create 213 -, epoll_create1 291 20, epoll_ctl 233 21,
    epoll_wait 232 -, epoll_pwait 281 22, epoll_pwait2 441 441, eventfd 284 -, eventfd2 290 19,
    # Sockets that are there already.
    connect 42 203, accept 43 202, accept4 288 242, sendto 44 206, recvfrom 45 207, sendmsg 46 211, recvmsg 47 212,
    recvmmsg 299 243, sendmmsg 307 269, shutdown 48 210, bind 49 200, listen 50 201, getsockname 51 204,
    getpeername 52 205, setsockopt 54 208, getsockopt 55 209,
    # Chance, and further locks on oneself.
    getrandom 318 278, seccomp 317 277, landlock_create_ruleset 444 444, landlock_add_rule 445 445,
    landlock_restrict_self 446 446,
"""

#: Allowed for some arguments only; `seccomp.py` has a rule for each.
_CONDITIONAL = """
    socket 41 198, socketpair 53 199, clone 56 220, prlimit64 302 261, setpriority 141 140, sched_setparam 142 118,
    sched_setscheduler 144 119, sched_setaffinity 203 122, sched_setattr 314 274, ioprio_set 251 30,
"""

#: Refused as if the kernel were older (ENOSYS): programs try them first and have another way.
_UNKNOWN = """
    clone3 435 435, memfd_create 319 279, memfd_secret 447 447, io_uring_setup 425 425, io_uring_enter 426 426,
    io_uring_register 427 427, userfaultfd 323 282, io_setup 206 0, process_madvise 440 440, mbind 237 235,
    set_mempolicy 238 237, set_mempolicy_home_node 450 450, personality 135 92,
"""

#: Architectures by the names of uname(2), with their AUDIT_ARCH values (`include/uapi/linux/audit.h`).
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
#: Column of each architecture in the tables.
_COLUMN = {"x86_64": 1, "aarch64": 2}


def _column(table: str, machine: str) -> dict[str, int]:
    """Return the numbers of one architecture by name."""
    text = " ".join(line for line in table.splitlines() if not line.lstrip().startswith("#"))
    rows = (row.split() for row in text.split(",") if row.strip())
    found = {row[0]: row[_COLUMN[machine]] for row in rows}
    return {name: int(number) for name, number in found.items() if number != "-"}


def allowed(machine: str) -> dict[str, int]:
    """Return the calls that are allowed whatever their arguments."""
    return _column(_ALLOWED, machine)


def conditional(machine: str) -> dict[str, int]:
    """Return the calls that are allowed for some arguments only."""
    return _column(_CONDITIONAL, machine)


def unknown(machine: str) -> dict[str, int]:
    """Return the calls that are refused as unknown to the kernel."""
    return _column(_UNKNOWN, machine)

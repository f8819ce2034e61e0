"""A list of the system calls that a parser needs; all others fail with EPERM from then on (seccomp, filter mode).

This is what is left for an ordinary user on a kernel without Landlock, and a second wall everywhere else:
no file can be opened, no socket made, no signal sent, no program or process started.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys

__all__ = ["allow_only_parsing"]

_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_ARCH_X86_64 = 0xC000003E
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_X32 = 0x40000000

#: By their numbers on x86_64.
_NEEDED = {
    "read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "mmap": 9, "mprotect": 10, "munmap": 11,
    "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "pread64": 17, "pwrite64": 18,
    "readv": 19, "writev": 20, "sched_yield": 24, "mremap": 25, "madvise": 28, "dup": 32, "nanosleep": 35,
    "setitimer": 38, "getpid": 39, "sendto": 44, "recvfrom": 45, "sendmsg": 46, "recvmsg": 47, "exit": 60,
    "ftruncate": 77, "gettimeofday": 96, "getrusage": 98, "getuid": 102, "getgid": 104, "geteuid": 107,
    "getegid": 108, "sigaltstack": 131, "gettid": 186, "futex": 202, "restart_syscall": 219, "clock_gettime": 228,
    "clock_getres": 229, "clock_nanosleep": 230, "exit_group": 231, "getrandom": 318,
}  # fmt: skip


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]


def _instruction(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def _filter() -> bytes:
    numbers = sorted(_NEEDED.values())
    return b"".join(
        (
            _instruction(_LOAD, 4),  # seccomp_data.arch
            _instruction(_EQUAL, _ARCH_X86_64, yes=1),
            _instruction(_RETURN, _KILL),
            _instruction(_LOAD, 0),  # seccomp_data.nr
            _instruction(_AT_LEAST, _X32, yes=len(numbers)),
            *(_instruction(_EQUAL, number, yes=len(numbers) - at) for at, number in enumerate(numbers)),
            _instruction(_RETURN, _ERRNO | errno.EPERM),
            _instruction(_RETURN, _ALLOW),
        )
    )


def allow_only_parsing() -> bool:
    """Install the filter for this process, for good. False where it is not known how, or refused.

    ``no_new_privs`` must be set before.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64" or sys.maxsize < 2**32:
        return False
    code = _filter()
    held = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0

"""A filter of system calls for a process that only computes: no programs, no networks, no other processes.

It is a list of refusals, not of permissions: the C library, the interpreter and the numeric libraries change which
harmless calls they make, and a worker that dies for a new one would serve nobody.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import sys
from dataclasses import dataclass
from typing import Final

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_REFUSE: Final = _ERRNO | errno.EPERM
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_AT_NUMBER, _AT_ARCH, _AT_ARGUMENT = 0, 4, 16
_X32_BIT = 0x40000000
_CLONE_THREAD = 0x00010000
_AF_UNIX = 1
_SET_FILTER, _ALL_THREADS = 1, 1


@dataclass(frozen=True, slots=True)
class _Machine:
    """One architecture: its audit number, how its calls are numbered, and whether old numbers must be shut out."""

    arch: int
    seccomp: int
    clone: int
    socket: int
    sendto: int
    tgkill: int
    servers: tuple[int, ...]
    refused: tuple[int, ...]


# From 424 on, every architecture uses the same numbers: pidfd_send_signal, io_uring_*, open_tree, move_mount, fsopen,
# fsconfig, fsmount, fspick, pidfd_open, pidfd_getfd, process_madvise, mount_setattr.
_SHARED: Final = (424, 425, 426, 427, 428, 429, 430, 431, 432, 433, 434, 438, 440, 442)
_CLONE3: Final = 435

_MACHINES: Final = {
    "x86_64": _Machine(
        arch=0xC000003E, seccomp=317, clone=56, socket=41, sendto=44, tgkill=234,
        servers=(41, 49, 50, 43, 288),  # socket bind listen accept accept4
        refused=(
            42, 46, 307,  # connect sendmsg sendmmsg
            57, 58, 59, 322,  # fork vfork execve execveat
            62, 200, 101, 310, 311, 312,  # kill tkill ptrace process_vm_readv process_vm_writev kcmp
            133, 259, 155, 161, 165, 166, 163, 179,  # mknod mknodat pivot_root chroot mount umount2 acct quotactl
            167, 168, 169, 170, 103, 135,  # swapon swapoff reboot sethostname syslog personality
            175, 176, 313, 246, 320,  # init_module delete_module finit_module kexec_load kexec_file_load
            248, 249, 250, 272, 308,  # add_key request_key keyctl unshare setns
            298, 303, 304, 321, 323,  # perf_event_open name_to_handle_at open_by_handle_at bpf userfaultfd
            *_SHARED,
        ),
    ),
    "aarch64": _Machine(
        arch=0xC00000B7, seccomp=277, clone=220, socket=198, sendto=206, tgkill=131,
        servers=(198, 200, 201, 202, 242),
        refused=(
            203, 211, 269,
            221, 281,
            129, 130, 117, 270, 271, 272,
            33, 41, 51, 40, 39, 89, 60,
            224, 225, 142, 161, 116, 92,
            105, 106, 273, 104, 294,
            217, 218, 219, 97, 268,
            241, 264, 265, 280, 282,
            *_SHARED,
        ),
    ),
}  # fmt: skip

_Instruction = tuple[int, int, int, int]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def confine(libc: ctypes.CDLL) -> None:
    """Put the filter on every thread of this process; it cannot be taken off.

    Raises:
        OSError: the kernel or the machine has no such filter. `no_new_privs` must be set before.
    """
    machine = _machine()
    _install(libc, machine, _refusals(machine.refused) + _conditions(machine))


def refuse_servers(libc: ctypes.CDLL) -> None:
    """Refuse every further socket, listener and connection, on top of what `confine` refuses. Raises as `confine` does."""
    machine = _machine()
    _install(libc, machine, _refusals(machine.servers))


def _machine() -> _Machine:
    found = _MACHINES.get(platform.machine())
    if found is None:
        raise OSError(errno.ENOSYS, f"no filter is written for {platform.machine()}")
    return found


def _install(libc: ctypes.CDLL, machine: _Machine, body: list[_Instruction]) -> None:
    code = b"".join(
        op.to_bytes(2, sys.byteorder) + bytes((yes, no)) + value.to_bytes(4, sys.byteorder)
        for op, yes, no, value in [*_opening(machine), *body, (_RETURN, 0, 0, _ALLOW)]
    )
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(buffer))
    if libc.syscall(machine.seccomp, _SET_FILTER, _ALL_THREADS, ctypes.byref(program)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _opening(machine: _Machine) -> list[_Instruction]:
    """Leave the call's number loaded; another architecture's numbers, and x32's, never get past here."""
    return [
        (_LOAD, 0, 0, _AT_ARCH),
        (_JUMP_EQUAL, 1, 0, machine.arch),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _AT_NUMBER),
        (_JUMP_AT_LEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _REFUSE),
    ]


def _refusals(numbers: tuple[int, ...]) -> list[_Instruction]:
    return [step for number in numbers for step in ((_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE))]


def _conditions(machine: _Machine) -> list[_Instruction]:
    """Calls that are refused for some arguments only."""
    address = _AT_ARGUMENT + 8 * 4
    return [
        # The C library falls back to clone, whose flags a filter can read: threads yes, processes no.
        (_JUMP_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
        *_where(
            machine.clone, [(_LOAD, 0, 0, _AT_ARGUMENT), (_AND, 0, 0, _CLONE_THREAD), (_JUMP_EQUAL, 0, 1, 0), (_RETURN, 0, 0, _REFUSE)]
        ),
        *_where(machine.socket, [(_LOAD, 0, 0, _AT_ARGUMENT), (_JUMP_EQUAL, 1, 0, _AF_UNIX), (_RETURN, 0, 0, _REFUSE)]),
        # A datagram to a named address; sends on the connected channel to the server name none.
        *_where(
            machine.sendto,
            [(_LOAD, 0, 0, address), (_JUMP_EQUAL, 0, 2, 0), (_LOAD, 0, 0, address + 4), (_JUMP_EQUAL, 1, 0, 0), (_RETURN, 0, 0, _REFUSE)],
        ),
        *_where(machine.tgkill, [(_LOAD, 0, 0, _AT_ARGUMENT), (_JUMP_EQUAL, 1, 0, os.getpid()), (_RETURN, 0, 0, _REFUSE)]),
    ]


def _where(number: int, body: list[_Instruction]) -> list[_Instruction]:
    """Run `body` for one call, and allow what it does not refuse; others pass on with the number still loaded."""
    block = [*body, (_RETURN, 0, 0, _ALLOW)]
    return [(_JUMP_EQUAL, 0, len(block), number), *block]

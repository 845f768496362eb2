"""Takes from this process every right that reading model files and computing do not need.

Each measure is tried on its own and told by name, so that an operator sees what this machine's kernel gives. None needs
root. After `confine` there is no way back.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from studiolo.rooms.models.backends.local import seccomp

_SET_PARENT_DEATH_SIGNAL, _SET_DUMPABLE, _SET_NO_NEW_PRIVILEGES = 1, 4, 38
_SIGKILL = 9
_NEW_NETWORK, _NEW_USER, _NEW_IPC = 0x40000000, 0x10000000, 0x08000000
_CAPABILITY_VERSION_3 = 0x20080522

# Landlock, of the kernel's documentation userspace-api/landlock: rights on files by ABI, TCP, scopes.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_READ_FILE, _READ_DIR, _REMOVE_FILE, _MAKE_SOCKET = 1 << 2, 1 << 3, 1 << 5, 1 << 9
_FILE_RIGHTS: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_TCP_RIGHTS, _SCOPES = 0b11, 0b11


@dataclass(frozen=True, slots=True)
class Confinement:
    """What holds this process, and what this machine did not give (with the reason)."""

    applied: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(slots=True)
class _Record:
    applied: list[str] = field(default_factory=list[str])
    missing: list[str] = field(default_factory=list[str])

    def attempt(self, name: str, measure: Callable[[], str | None]) -> None:
        try:
            detail = measure()
        except (OSError, ValueError) as error:
            self.missing.append(f"{name}: {error.strerror if isinstance(error, OSError) and error.strerror else error}")
        else:
            self.applied.append(f"{name} ({detail})" if detail else name)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; end at once if that has happened already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, _SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def confine(*, read: Sequence[Path], sockets: Path, memory_bytes: int) -> Confinement:
    """Confine this process, which must have one thread, to reading below `read` and making sockets in `sockets`."""
    if sys.platform != "linux":
        return Confinement((), (f"sandbox: {sys.platform} offers none of the measures used here",))
    libc = ctypes.CDLL(None, use_errno=True)
    record = _Record()
    record.attempt("limits", lambda: _limit(memory_bytes))
    record.attempt("network namespace", lambda: _leave_networks(libc))
    record.attempt("no new privileges", lambda: _check(libc.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)))
    record.attempt("no capabilities", lambda: _drop_capabilities(libc))
    record.attempt("no core dumps, no tracing", lambda: _check(libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0)))
    record.attempt("landlock", lambda: _landlock(libc, read, sockets))
    record.attempt("seccomp", lambda: seccomp.confine(libc))
    return Confinement(tuple(record.applied), tuple(record.missing))


def refuse_servers() -> None:
    """Once the model is loaded: no further socket, listener or connection. Where there is no filter, nothing happens."""
    if sys.platform == "linux":
        with suppress(OSError):
            seccomp.refuse_servers(ctypes.CDLL(None, use_errno=True))


def _check(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _limit(memory_bytes: int) -> None:
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 128),
        (resource.RLIMIT_AS, memory_bytes),
    ):
        hard = resource.getrlimit(kind)[1]
        ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (ceiling, ceiling))


def _leave_networks(libc: ctypes.CDLL) -> str | None:
    """A namespace without any interface; with a user namespace around it where that is what it takes."""
    if libc.unshare(_NEW_NETWORK | _NEW_IPC) == 0:
        return None
    _check(libc.unshare(_NEW_USER | _NEW_NETWORK | _NEW_IPC))
    return "in a user namespace"


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _check(libc.capset(header, (ctypes.c_uint32 * 6)()))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("folder", ctypes.c_int32))


def _landlock(libc: ctypes.CDLL, read: Sequence[Path], sockets: Path) -> str:
    abi: int = libc.syscall(_CREATE_RULESET, None, 0, 1)
    _check(abi)
    if len(list(Path("/proc/self/task").iterdir())) != 1:
        raise OSError(errno.EBUSY, "other threads run already and would stay free")
    rights = _FILE_RIGHTS[max(known for known in _FILE_RIGHTS if known <= abi)]
    attributes = (ctypes.c_uint64 * 3)(rights, _TCP_RIGHTS if abi >= 4 else 0, _SCOPES if abi >= 6 else 0)
    size = 8 * (3 if abi >= 6 else 2 if abi >= 4 else 1)
    ruleset: int = libc.syscall(_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), 0)
    _check(ruleset)
    try:
        for path in read:
            _permit(libc, ruleset, path, _READ_FILE | (_READ_DIR if path.is_dir() else 0))
        _permit(libc, ruleset, sockets, _MAKE_SOCKET | _REMOVE_FILE)
        _check(libc.syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)
    return f"ABI {abi}"


def _permit(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        _check(libc.syscall(_ADD_RULE, ruleset, 1, ctypes.byref(_Beneath(rights, folder)), 0))
    finally:
        os.close(folder)

"""The folder of one studio: what lies where, who may read it, and that one server uses it at a time.

data/        the database and the blobs: what a backup copies; sealed parts need keys/ to be read
keys/        master.key, record.key and shares/ (mode 0600), outside data/ so that a copy of the data alone opens nothing;
             record.head, what the record's newest line was when it was last written down, so that lines cut off in data/ are missed
tls/         the local authority, the server's certificate, and bundle.pem for clients
cache/       what can be made again, such as assembled model weights
env.json     what `studiolo env` prints (mode 0600)
lock         held by the running server
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from studiolo.app.environment import ClientEnvironment
from studiolo.kernel.faults import Conflict, Fault, Forbidden, Invalid, NotFound, Unavailable

MASTER_KEY_BYTES: Final = 32
_OPEN_TO_OTHERS: Final = 0o077


class Unsafe(Fault):
    """A file or folder of the home can be read or changed by other people of this machine."""


class Holder(msgspec.Struct, frozen=True):
    """The server that uses a home: its process id, and its address once it is ready."""

    pid: int
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Home:
    """The layout of a home. Nothing is touched until a method is called."""

    root: Path

    @property
    def data(self) -> Path:
        """Everything that people made: database and blobs."""
        return self.root / "data"

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data / "studiolo.db"

    @property
    def blobs(self) -> Path:
        """The folder of sealed blob bytes."""
        return self.data / "blobs"

    @property
    def cache(self) -> Path:
        """What can be made again."""
        return self.root / "cache"

    @property
    def tls(self) -> Path:
        """The local authority's folder."""
        return self.root / "tls"

    @property
    def bundle(self) -> Path:
        """The certificates that clients trust: the system's and ours."""
        return self.tls / "bundle.pem"

    @property
    def master_key_file(self) -> Path:
        """The key that all other keys are wrapped with."""
        return self.root / "keys" / "master.key"

    @property
    def record_key_file(self) -> Path:
        """The key that the record's seals are made with."""
        return self.root / "keys" / "record.key"

    @property
    def record_head_file(self) -> Path:
        """Number and digest of the record's newest line, sealed, as of the last time that they were written down."""
        return self.root / "keys" / "record.head"

    @property
    def previous_master_key_file(self) -> Path:
        """The master key before a rotation, while not everything is wrapped anew."""
        return self.root / "keys" / "master.key.previous"

    @property
    def shares(self) -> Path:
        """The folder of what the keys of hubs and projects need beside the data and the master key."""
        return self.root / "keys" / "shares"

    @property
    def vault_tokens(self) -> Path:
        """The folder of bearer tokens for vaults of customers, each in a file named by its host."""
        return self.root / "keys" / "vaults"

    @property
    def environment_file(self) -> Path:
        """What `studiolo env` prints."""
        return self.root / "env.json"

    @property
    def lock_file(self) -> Path:
        """Held by the running server."""
        return self.root / "lock"

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders of a home, the outer before the inner."""
        return (self.root, self.data, self.blobs, self.master_key_file.parent, self.shares, self.tls, self.cache)

    def prepare(self, database: Path | None = None) -> None:
        """Make the folders and the master key that are missing, and refuse a home that others can read or change.

        Args:
            database: where the database lies, if not in the home; while there is one, its key is never made anew.

        Raises:
            Unsafe: a folder belongs to somebody else or is open to others; nothing was made in it.
            Unavailable: a folder cannot be made (code `HomeNotWritable`).
            NotFound: there is data and no key to open it (code `MasterKeyMissing`).
        """
        for folder in self.folders:
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise Unavailable(
                    f"The folder '{folder}' cannot be made ({error.strerror}): choose another one with --home.", code="HomeNotWritable"
                ) from None
            check_private(folder)
        if not (database or self.database).exists():
            for file in (self.master_key_file, self.record_key_file):
                if not file.exists():
                    write_atomic(file, secrets.token_bytes(MASTER_KEY_BYTES))
        elif not self.record_key_file.exists() and not self.record_head_file.exists():
            # A studio from before its record was sealed.
            write_atomic(self.record_key_file, secrets.token_bytes(MASTER_KEY_BYTES))
        self.master_key()
        self.record_key()

    def master_key(self) -> bytes:
        """The master key.

        Raises:
            NotFound: it is not there (code `MasterKeyMissing`).
            Unsafe: other people can read it.
            Unavailable: it has another length than it was made with (code `MasterKeyDamaged`).
        """
        try:
            return _read_key(self.master_key_file)
        except NotFound:
            raise NotFound(
                f"'{self.master_key_file}' is missing, and the data of this studio can be opened with that key alone: "
                "put the key back from its own backup, or move the data away to begin anew.",
                code="MasterKeyMissing",
            ) from None

    def record_key(self) -> bytes:
        """The key of the record's seals. It is no master key's child: a rotation must not void what was sealed before it.

        Raises:
            NotFound: it is not there (code `RecordKeyMissing`).
            Unsafe, Unavailable: as `master_key`.
        """
        try:
            return _read_key(self.record_key_file)
        except NotFound:
            raise NotFound(
                f"'{self.record_key_file}' is missing, and the record of this studio can be proven with that key alone: "
                "put the key back from its own backup.",
                code="RecordKeyMissing",
            ) from None

    def previous_master_key(self) -> bytes | None:
        """The master key before this one, if a rotation has begun and not ended. Raises as `master_key`."""
        return _read_key(self.previous_master_key_file) if self.previous_master_key_file.exists() else None

    def renew_master_key(self) -> None:
        """Put a new master key in place, and keep the one before it beside it until `end_renewal`.

        A renewal that was cut short goes on with the keys that are there.
        """
        if self.previous_master_key() is None:
            write_atomic(self.previous_master_key_file, self.master_key())
        if self.previous_master_key() == self.master_key():
            write_atomic(self.master_key_file, secrets.token_bytes(MASTER_KEY_BYTES))

    def end_renewal(self) -> None:
        """Erase the master key before this one: nothing is wrapped by it any more."""
        if self.previous_master_key_file.exists():
            with self.previous_master_key_file.open("r+b") as file:
                file.write(secrets.token_bytes(MASTER_KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            self.previous_master_key_file.unlink()

    def tokens_of_vaults(self) -> dict[str, str]:
        """Bearer tokens by host, which may be none. Raises Unsafe if other people can read one."""
        if not self.vault_tokens.is_dir():
            return {}
        return {path.name.lower(): read_private(path).decode().strip() for path in sorted(self.vault_tokens.iterdir())}

    def environment(self) -> ClientEnvironment | None:
        """What clients need to sign in, or None before the first start.

        Raises:
            Unsafe: other people can read the file.
            Unavailable: the file is damaged (code `EnvironmentDamaged`).
        """
        if not self.environment_file.exists():
            return None
        try:
            values = msgspec.json.decode(read_private(self.environment_file), type=dict[str, str])
            return ClientEnvironment.read(values)
        except (msgspec.DecodeError, NotFound, Invalid):
            raise Unavailable(
                f"'{self.environment_file}' is damaged: move it away and start the studio again, which makes a new one.",
                code="EnvironmentDamaged",
            ) from None

    def write_environment(self, environment: ClientEnvironment) -> None:
        """Keep what clients need to sign in, readable by this user alone."""
        write_atomic(self.environment_file, msgspec.json.format(msgspec.json.encode(environment.variables()), indent=2) + b"\n")

    def holder(self) -> Holder | None:
        """The server that uses this home now, or None."""
        try:
            descriptor = os.open(self.lock_file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read_holder(descriptor)
        finally:
            os.close(descriptor)
        return None

    @contextmanager
    def hold(self) -> Generator[Callable[[Holder], None]]:
        """Use this home alone; the system lets go of it when the process ends, however it ends.

        Gives a function that tells others who holds the home.

        Raises:
            Conflict: another server uses this home (code `HomeInUse`).
        """
        descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise _in_use(self.root, _read_holder(descriptor)) from None

            def tell(holder: Holder) -> None:
                text = msgspec.json.encode(holder)
                os.pwrite(descriptor, text, 0)
                os.ftruncate(descriptor, len(text))

            tell(Holder(os.getpid()))
            yield tell
        finally:
            os.close(descriptor)


class RecordWitness:
    """Keeps the head of a home's record beside its master key, away from the data."""

    def __init__(self, home: Home) -> None:
        self._file = home.record_head_file

    def load(self) -> bytes | None:
        """What was saved last; None if nothing ever was."""
        return read_private(self._file) if self._file.exists() else None

    def save(self, data: bytes) -> None:
        """Keep this in place of what was saved before. Raises Unavailable if it cannot be written."""
        write_atomic(self._file, data)


def _read_key(path: Path) -> bytes:
    key = read_private(path)
    if len(key) != MASTER_KEY_BYTES:
        raise Unavailable(
            f"'{path}' holds {len(key)} bytes instead of {MASTER_KEY_BYTES}: put the key back from its own backup.",
            code="MasterKeyDamaged",
        )
    return key


def _read_holder(descriptor: int) -> Holder:
    try:
        return msgspec.json.decode(os.pread(descriptor, 4096, 0), type=Holder)
    except msgspec.DecodeError:
        return Holder(0)


def _in_use(root: Path, holder: Holder) -> Conflict:
    who = f"process {holder.pid}" if holder.pid else "another process"
    where = f" at {holder.url}" if holder.url else ""
    stop = f"stop it with `kill {holder.pid}`" if holder.pid else "stop it"
    return Conflict(
        f"A studio already runs on '{root}'{where} ({who}): use that one, {stop}, or start a second one with its own --home and --port.",
        code="HomeInUse",
    )


def check_private(path: Path) -> None:
    """Raise Unsafe if the folder or file belongs to another user or is open to others."""
    found = path.stat()
    if found.st_uid != os.geteuid():
        raise Unsafe(f"'{path}' belongs to another user (id {found.st_uid}): choose your own folder with --home.", code="HomeNotOurs")
    # Folders may be listed by others as long as they cannot be changed; what is secret has its own mode.
    forbidden = stat.S_IWGRP | stat.S_IWOTH if stat.S_ISDIR(found.st_mode) else _OPEN_TO_OTHERS
    if found.st_mode & forbidden:
        raise _unsafe(path, found.st_mode)


def _unsafe(path: Path, mode: int) -> Unsafe:
    is_folder = stat.S_ISDIR(mode)
    what, right = ("changed", "go-w") if is_folder else ("read", "600")
    return Unsafe(
        f"'{path}' can be {what} by other users of this machine (mode {stat.S_IMODE(mode):04o}): run `chmod {right} '{path}'`."
        + ("" if is_folder else " If others may have read it, make new secrets."),
        code="HomeNotPrivate",
    )


def read_private(path: Path) -> bytes:
    """The bytes of a secret file.

    Raises:
        Unsafe: other people can read it, or it is not a plain file.
        NotFound: there is none (code `SecretMissing`).
        Forbidden: we may not read it (code `SecretNotReadable`).
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise NotFound(f"'{path}' is missing.", code="SecretMissing") from None
    except OSError as error:
        raise Forbidden(f"'{path}' cannot be read: {error.strerror}.", code="SecretNotReadable") from None
    with open(descriptor, "rb") as file:  # noqa: PTH123 - from a descriptor, so that what was checked is what is read
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise Unsafe(f"'{path}' is not a plain file.", code="HomeNotPrivate")
        if found.st_uid != os.geteuid():
            raise Unsafe(f"'{path}' belongs to another user (id {found.st_uid}).", code="HomeNotOurs")
        if found.st_mode & _OPEN_TO_OTHERS:
            raise _unsafe(path, found.st_mode)
        return file.read()


def write_atomic(path: Path, data: bytes) -> None:
    """Put a whole file in place, readable by this user alone: after a crash there is the old one or the new one.

    Raises:
        Unavailable: it cannot be written, for instance since the disk is full (code `HomeNotWritable`).
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123 - from a descriptor, whose mode is right from the first byte on
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            with suppress(OSError):
                beside.unlink()
            raise
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise Unavailable(f"'{path}' cannot be written: {error.strerror}.", code="HomeNotWritable") from None

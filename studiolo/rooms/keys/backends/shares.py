"""A folder of shares, one small file per owner, beside the master key and outside of the data."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from studiolo.kernel.faults import Unavailable

SHARE_BYTES: Final = 32


class SharesFolder:
    """See `kernel.keys.Shares`. File names say nothing about the owners."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, owner: str) -> bytes:
        """The owner's share, made durably if there is none."""
        found = self.find(owner)
        if found is not None:
            return found
        path, beside = self._path(owner), self._folder / f".{secrets.token_hex(8)}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, secrets.token_bytes(SHARE_BYTES))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            with suppress(FileExistsError):
                os.link(beside, path)  # never over one that somebody else has made meanwhile
            beside.unlink()
            self._sync()
        except OSError as error:
            raise Unavailable(f"'{path}' cannot be written: {error.strerror}.", code="HomeNotWritable") from None
        made = self.find(owner)
        if made is None:
            raise Unavailable(f"'{path}' cannot be read again after it was written.", code="HomeNotWritable")
        return made

    def find(self, owner: str) -> bytes | None:
        """The owner's share, or None."""
        try:
            found = self._path(owner).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"A share in '{self._folder}' cannot be read: {error.strerror}.", code="HomeNotReadable") from None
        return found if len(found) == SHARE_BYTES else None

    def erase(self, owner: str) -> None:
        """Overwrite the owner's share and remove it. Copy-on-write disks may keep the old block until it is used again."""
        path = self._path(owner)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return
        except OSError as error:
            raise Unavailable(f"'{path}' cannot be erased: {error.strerror}.", code="HomeNotWritable") from None
        try:
            os.pwrite(descriptor, secrets.token_bytes(SHARE_BYTES), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        path.unlink(missing_ok=True)
        self._sync()

    def _path(self, owner: str) -> Path:
        return self._folder / hashlib.sha256(owner.encode()).hexdigest()

    def _sync(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

"""Objects in a local folder or, by URL, in S3, Azure or Google storage."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from studiolo.kernel.faults import Unavailable
from studiolo.rooms.blobs.ports import Missing

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_REMOTE_PART = 8 << 20  # what S3 and its kin want to be sent at least at a time is 5 MiB
_LOCAL_PART = 1 << 20


def open_objects(place: Path | str) -> ObjectsInStore:
    """Objects in a folder (made if it is not there), or at a URL that the object store library knows.

    Raises:
        ValueError: the URL is not one of a known kind.
    """
    from obstore.store import LocalStore, from_url

    if isinstance(place, str) and "://" in place and not place.startswith("file://"):
        return ObjectsInStore(from_url(place), part_bytes=_REMOTE_PART)
    folder = Path(place.removeprefix("file://")) if isinstance(place, str) else place
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return ObjectsInStore(LocalStore(prefix=folder), part_bytes=_LOCAL_PART, folder=folder)


class ObjectsInStore:
    """The port `Objects` on an object store.

    A local folder keeps what was acknowledged through the end of this process, not through a loss of power within the
    few seconds that the operating system takes to write it out; the seals tell if that has happened.
    """

    def __init__(self, store: ObjectStore, *, part_bytes: int, folder: Path | None = None) -> None:
        """Stand on `store`; `folder` is where it lies, if it is local."""
        self._store = store
        self._part_bytes = part_bytes
        self._folder = folder

    async def write(self, name: str, pieces: AsyncIterator[bytes | bytearray]) -> None:
        """See the port."""
        import obstore

        first = await anext(pieces, b"")
        second = await anext(pieces, None)
        try:
            if second is None:
                await obstore.put_async(self._store, _path(name), bytes(first), use_multipart=False)
            else:
                whole = _chained(first, second, pieces)
                await obstore.put_async(self._store, _path(name), whole, chunk_size=self._part_bytes, max_concurrency=2)
        except obstore.exceptions.BaseError as error:
            raise _unavailable(error) from error

    async def read(self, name: str, start: int, end: int) -> bytes:
        """See the port."""
        import obstore

        try:
            found = await obstore.get_range_async(self._store, _path(name), start=start, end=end)
        except FileNotFoundError:
            raise Missing(name) from None
        except obstore.exceptions.GenericError as error:
            if "InvalidRange" in str(error) or "invalid" in str(error):
                raise Missing(name) from None
            raise _unavailable(error) from error
        except obstore.exceptions.BaseError as error:
            raise _unavailable(error) from error
        if len(found) != end - start:
            raise Missing(name)
        return found  # type: ignore[return-value] - a buffer that shares memory with the library

    async def remove(self, names: Sequence[str]) -> None:
        """See the port."""
        import obstore

        for name in names:
            try:
                await obstore.delete_async(self._store, _path(name))
            except FileNotFoundError:
                # A write that a crash cut short leaves its bytes under the name and a number.
                if self._folder is not None:
                    (self._folder / f"{_path(name)}#1").unlink(missing_ok=True)
            except obstore.exceptions.BaseError as error:
                raise _unavailable(error) from error


async def _chained(first: bytes | bytearray, second: bytes | bytearray, rest: AsyncIterator[bytes | bytearray]) -> AsyncIterator[bytes]:
    yield first  # type: ignore[misc] - any buffer will do
    yield second  # type: ignore[misc]
    async for piece in rest:
        yield piece  # type: ignore[misc]


def _path(name: str) -> str:
    """Spread over 256 folders, so that none grows too long to look through."""
    return f"{name[1:3]}/{name}"


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable(
        f"The object store does not answer: {type(error).__name__}. Check the disk or the store's address.", code="ServerBusy"
    )

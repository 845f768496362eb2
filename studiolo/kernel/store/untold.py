"""Changes of rights, of who there is, and of keys that a commit does not tell of by itself get their lines here.

So the record has them by construction: whoever writes such a thing cannot forget to say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from studiolo.kernel import clock
from studiolo.kernel.store.port import DropEntry, DropResource, Emit, PutEntry, PutResource, Write

_GUARDED: Final = ("microsoft.authorization/", "studiolo.directory/")
_KEYS: Final = "keys"
_KEY_ACTION: Final = "Studiolo.Keys/keys"


def untold(writes: Sequence[Write], caller: str) -> list[Emit]:
    """The lines that are missing from a commit; `caller` is on whose behalf it is made."""
    changes = list(_changes(writes))
    if not changes:
        return []
    at = clock.stamp(clock.now())
    told = {write.target for write in writes if isinstance(write, Emit)}
    return [Emit(at, action, "Succeeded", target, caller, b"{}") for target, action in changes if target not in told]


def _changes(writes: Sequence[Write]) -> Iterator[tuple[str, str]]:
    for write in writes:
        match write:
            case PutResource(row=row) if row.type.startswith(_GUARDED):
                yield row.key, f"{row.type}/write"
            case DropResource(key=key, type=type_name) if type_name.startswith(_GUARDED):
                yield key, f"{type_name}/delete"
            case PutEntry(space=space, entry=entry) if space == _KEYS:
                yield f"/providers/studiolo.keys/keys/{entry.key}", f"{_KEY_ACTION}/write"
            case DropEntry(space=space, key=key) if space == _KEYS:
                yield f"/providers/studiolo.keys/keys/{key}", f"{_KEY_ACTION}/delete"
            case _:
                pass

"""Resource ids: paths whose segments compare without ASCII case and keep their first spelling."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from studiolo.kernel.faults import Invalid

_BAD = re.compile(r"[^\x21-\x7e ]|[%\\?#<>]")
_LIMIT = 2048


@dataclass(frozen=True, slots=True)
class ResourceId:
    """One resource, group, subscription or tenant-level thing.

    `text` is the id as first spelled, `key` the lower-case form that compares, `type` the full type name as
    spelled in the path (`Microsoft.X/a/b`), `names` one name per type segment.
    """

    text: str
    key: str
    type: str
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        """The last name of the id."""
        return self.names[-1] if self.names else ""

    @property
    def parent(self) -> ResourceId | None:
        """The thing that holds this one: the outer resource, else the scope that it hangs on."""
        if len(self.names) <= 1:
            return self.scope
        return parse(self.text.rsplit("/", 2)[0])

    @property
    def scope(self) -> ResourceId | None:
        """What the whole `/providers/…` part hangs on; None at the tenant's root."""
        cut = self.key.rfind("/providers/")
        if cut > 0:
            return parse(self.text[:cut])
        if cut == 0:
            return None
        return None if self.key.count("/") <= 2 else parse(self.text.rsplit("/", 2)[0])

    @property
    def subscription(self) -> str | None:
        """The subscription's id, if the path begins with one."""
        parts = self.text.split("/", 3)
        return parts[2] if len(parts) > 2 and parts[1].lower() == "subscriptions" else None

    @property
    def group(self) -> str | None:
        """The resource group's name, if the path holds one."""
        parts = self.text.split("/", 5)
        return parts[4] if len(parts) > 4 and parts[3].lower() == "resourcegroups" else None

    @property
    def group_id(self) -> ResourceId | None:
        """The id of the resource group."""
        return parse("/".join(self.text.split("/", 5)[:5])) if self.group else None

    def child(self, kind: str, name: str) -> ResourceId:
        """The id of a child: `kind` is the type segment, such as `versions`."""
        return parse(f"{self.text}/{kind}/{name}")

    def extension(self, type_name: str, name: str) -> ResourceId:
        """The id of a resource that hangs on this one, such as a role assignment."""
        return parse(f"{self.text}/providers/{type_name}/{name}")

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Collection:
    """All resources of one type below one parent: `/subscriptions/s/…/workspaces`."""

    parent: ResourceId | None
    type: str
    text: str

    @property
    def key(self) -> str:
        """The lower-case path of the collection, which is a prefix of its members' keys."""
        return self.text.lower()


def _segments(text: str) -> list[str]:
    if not text.startswith("/") or len(text) > _LIMIT:
        raise Invalid(
            f"'{text[:200]}' is not a resource id: it must begin with '/' and hold at most {_LIMIT} characters.", code="InvalidResourceId"
        )
    if _BAD.search(text):
        raise Invalid(f"The resource id '{text[:200]}' holds a character that ids cannot have.", code="InvalidResourceId")
    parts = text.removesuffix("/").split("/")[1:]
    for part in parts:
        if part in ("", ".", "..") or part != part.strip() or part.endswith("."):
            raise Invalid(f"The resource id '{text[:200]}' has an empty or a dotted segment.", code="InvalidResourceId")
    return parts


def _outside_provider(parts: list[str]) -> tuple[str, tuple[str, ...]] | None:
    """The type and names of a subscription or a resource group."""
    low = [part.lower() for part in parts[::2]]
    if low == ["subscriptions"]:
        return "Microsoft.Resources/subscriptions", (parts[1],) if len(parts) == 2 else ()
    if low == ["subscriptions", "resourcegroups"]:
        return "Microsoft.Resources/resourceGroups", (parts[3],) if len(parts) == 4 else ()
    return None


@lru_cache(maxsize=65536)
def split(text: str) -> ResourceId | Collection:
    """Read a path as the id of one thing or as a collection.

    Raises:
        Invalid: the text is not a path of this form (codes `InvalidResourceId`, `InvalidResourceNamespace`).
    """
    parts = _segments(text)
    path = "/" + "/".join(parts)
    low = path.lower()
    cut = low.rfind("/providers/")
    if cut < 0:
        found = _outside_provider(parts)
        if found is None:
            raise Invalid(
                f"'{text[:200]}' names neither a subscription, a resource group nor a provider's resource.", code="InvalidResourceId"
            )
        type_name, names = found
        if names:
            return ResourceId(path, low, type_name, names)
        parent = parse(path.rsplit("/", 1)[0]) if len(parts) > 1 else None
        return Collection(parent, type_name, path)
    inner = path[cut + len("/providers/") :].split("/")
    if len(inner) < 2 or "." not in inner[0]:
        raise Invalid(f"'{text[:200]}' lacks a provider namespace and a type.", code="InvalidResourceNamespace")
    type_name = "/".join([inner[0], *inner[1::2]])
    names = tuple(inner[2::2])
    if cut > 0:
        parse(path[:cut])
    if len(inner) % 2:
        return ResourceId(path, low, type_name, names)
    holder = path.rsplit("/", 1)[0] if len(inner) > 2 else path[:cut]
    return Collection(parse(holder) if holder else None, type_name, path)


def parse(text: str) -> ResourceId:
    """Read the id of one thing.

    Raises:
        Invalid: the text is no id, or is the path of a collection (code `InvalidResourceId`).
    """
    found = split(text)
    if isinstance(found, Collection):
        raise Invalid(f"'{text[:200]}' names a collection, not one resource: a name is missing at its end.", code="InvalidResourceId")
    return found


def collection(text: str) -> Collection:
    """Read the path of a collection.

    Raises:
        Invalid: the text is no path, or is the id of one thing (code `InvalidResourceId`).
    """
    found = split(text)
    if not isinstance(found, Collection):
        raise Invalid(f"'{text[:200]}' names one resource, not a collection.", code="InvalidResourceId")
    return found

"""The roles that exist in every tenant and can be assigned at any scope: data of this package, read when first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from types import MappingProxyType

import msgspec

from studiolo.kernel.access.grants import Permission, Role


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One role of `roles.jsonl`: every one of them has one permission block."""

    id: str
    n: str
    a: tuple[str, ...] = ()
    na: tuple[str, ...] = ()
    da: tuple[str, ...] = ()
    nda: tuple[str, ...] = ()
    c: str | None = None

    def role(self) -> Role:
        return Role(self.id, self.n, (Permission(self.a, self.na, self.da, self.nda, self.c),))


@lru_cache(maxsize=1)
def built_in_roles() -> Mapping[str, Role]:
    """The built-in roles by id (a GUID in small letters)."""
    lines = resources.files("studiolo.kernel.access").joinpath("roles.jsonl").read_bytes()
    roles = [line.role() for line in msgspec.json.Decoder(_Line).decode_lines(lines)]
    return MappingProxyType({role.id: role for role in roles})


def find_built_in_role(name: str) -> Role | None:
    """The built-in role with this display name or id, or None."""
    roles = built_in_roles()
    low = name.lower()
    return roles.get(low) or next((role for role in roles.values() if role.name.lower() == low), None)

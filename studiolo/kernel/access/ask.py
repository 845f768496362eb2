"""The question that the engine answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

Plane: TypeAlias = Literal["control", "data"]
"""Fixed by the operation that is called, never by its caller."""

Bag: TypeAlias = Mapping[str, object]
"""Attributes by full name, such as `Microsoft.Storage/storageAccounts/blobServices/containers:name`.

Values are what JSON has: text, integers, booleans, lists of these, null. A key and its value in one of many (blob index
tags) are one mapping under the path without the key (`…/containers/blobs/tags`). Names compare without ASCII case.
"""


class Ask(msgspec.Struct, frozen=True):
    """May `principal` do `action` at `scope`?

    `resource` holds attributes of the stored object, read by the service; `request` those of the parsed call;
    `principal_attributes` the caller's custom security attributes; `environment` the moment (`UtcNow`) and the way in.
    """

    principal: str
    action: str
    scope: str
    plane: Plane = "control"
    sub_operations: tuple[str, ...] = ()
    request: Bag = {}
    resource: Bag = {}
    principal_attributes: Bag = {}
    environment: Bag = {}

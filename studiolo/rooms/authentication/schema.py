"""The properties of this room's types, with the JSON types that they must have."""

from __future__ import annotations

from typing import Any

import msgspec


class IdentityProvider(msgspec.Struct):
    """A provider elsewhere that people sign in by."""

    displayName: str | None = None
    issuer: str | None = None
    clientId: str | None = None
    scopes: list[str] | None = None
    groupsClaim: str | None = None
    groupMappings: list[dict[str, Any]] | None = None
    admitsNewUsers: bool | None = None


class SignInPolicy(msgspec.Struct):
    """What is asked of everybody who signs in."""

    secondFactor: str | None = None

"""For which resource a token is made, and which surface takes it.

A token for one resource must not open another: a storage token is no key to the control plane. Clients name the
resource as a v1 `resource` or as a v2 scope that ends in `/.default`; the token's `aud` repeats it letter by letter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

ARM = "arm"
BLOB = "blob"
VAULT = "vault"
MODEL = "model"
ML = "ml"
GRAPH = "graph"


@dataclass(frozen=True, slots=True)
class Audiences:
    """The resources that tokens are made for, by the kind of surface that takes them."""

    by_kind: Mapping[str, frozenset[str]]

    def takes(self, kind: str, audience: str) -> bool:
        """Whether surfaces of this kind take a token for this audience. An unknown kind takes none."""
        accepted = self.by_kind.get(kind, frozenset())
        return audience in accepted or _plain(audience) in accepted

    def knows(self, resource: str) -> bool:
        """Whether any surface takes this resource's tokens, so that it makes sense to give one out."""
        plain = _plain(resource)
        return any(plain in accepted for accepted in self.by_kind.values())


def audiences_of(origins: Iterable[str], *, ml: Iterable[str] = (), vaults: Iterable[str] = ()) -> Audiences:
    """The audiences of a server that answers at `origins`.

    Every surface takes tokens for our own addresses; each data plane also takes the public cloud's name of its
    service, which unchanged SDKs have written in their code. The public cloud's control plane is not among them: a
    client that believes to speak with it gets no token from us.
    """
    ours = frozenset(_plain(origin) for origin in origins)
    return Audiences(
        {
            ARM: ours,
            ML: ours | {_plain(name) for name in ml} | {"https://ai.azure.com"},
            GRAPH: ours | {"https://graph.microsoft.com"},
            BLOB: ours | {"https://storage.azure.com"},
            VAULT: ours | {"https://vault.azure.net"} | {_plain(name) for name in vaults},
            MODEL: ours | {"https://cognitiveservices.azure.com", "https://ai.azure.com"} | {_plain(name) for name in ml},
        }
    )


def _plain(resource: str) -> str:
    """Resources compare without case and without one trailing slash, as published clients spell both ways."""
    return resource.removesuffix("/").lower()

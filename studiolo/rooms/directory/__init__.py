"""The directory: people, groups, applications and the identities of resources."""

from __future__ import annotations

from dataclasses import dataclass

from studiolo.kernel.gate import Gate
from studiolo.kernel.resource import ResourceType
from studiolo.kernel.store.port import Store
from studiolo.rooms.directory.ports import Clients, Credentials, Delegation, Guards, Holdings, Objects, People, SignOuts
from studiolo.rooms.directory.provider import Parts, types
from studiolo.rooms.directory.service.bootstrap import Beginning, Bootstrap, ensure_tenant
from studiolo.rooms.directory.service.certificates import Certificates
from studiolo.rooms.directory.service.directory import Directory
from studiolo.rooms.directory.service.graph import GraphDirectory
from studiolo.rooms.directory.service.secrets import ClientSecrets
from studiolo.rooms.directory.wire import Callers, graph_surface
from studiolo.wire.http import Judge, Surface

__all__ = ["Beginning", "Directory", "Room", "ensure_tenant", "room"]


@dataclass(frozen=True, slots=True)
class Room:
    """The opened room. Its types and Graph are given once the rooms stand that they need."""

    principals: Directory
    secrets: ClientSecrets
    certificates: Certificates
    bootstrap: Bootstrap

    def types(self, guards: Guards, credentials: Credentials, signouts: SignOuts, clients: Clients) -> list[ResourceType]:
        """The resource types of the room."""
        return types(Parts(self.principals, self.secrets, self.certificates, guards, credentials, signouts, clients))

    @staticmethod
    def graph(objects: Objects, credentials: Credentials, callers: Callers, judge: Judge) -> Surface:
        """Microsoft Graph over the directory, whose objects are read and written through `objects`."""
        return graph_surface(GraphDirectory(objects, credentials.check_password), callers, judge)


def room(store: Store, people: People, holdings: Holdings, gate: Gate, delegation: Delegation, tenant: str) -> Room:
    """Open the room over a store."""
    secrets = ClientSecrets(store, gate, delegation)
    certificates = Certificates(store, secrets.require_giver)
    principals = Directory(store, people, holdings, secrets, tenant)
    return Room(principals, secrets, certificates, Bootstrap(store, secrets, holdings, tenant))

"""Everything that callers do while the server dies. A new kind is one small class, and a line here."""

from __future__ import annotations

from tests.recovery.traffic.assets import Assets
from tests.recovery.traffic.blobs import Blobs, ClientBlobs
from tests.recovery.traffic.grants import Grants, Rivals
from tests.recovery.traffic.identities import Identities, Members
from tests.recovery.traffic.kind import Traffic
from tests.recovery.traffic.secrets import ModelKeys, Passwords
from tests.recovery.traffic.workspaces import Hubs, Projects

TRAFFIC: tuple[type[Traffic], ...] = (
    Assets,
    Blobs,
    ClientBlobs,
    Grants,
    Hubs,
    Identities,
    Members,
    ModelKeys,
    Passwords,
    Projects,
    Rivals,
)

"""The room on a real kernel behind a real TLS listener, for unchanged clients; and ways to look at what it left on disk."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

import uvicorn
import uvloop
from azure.core.credentials import AccessToken
from azure.storage.blob import BlobServiceClient

from studiolo.kernel.access.built_in import built_in_roles
from studiolo.kernel.access.decision import Assignment, CompiledFacts, DenyAssignment, Facts, Role
from studiolo.kernel.control import Control
from studiolo.kernel.faults import Unauthenticated
from studiolo.kernel.gate import Gate
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.keys import KeyRing
from studiolo.kernel.operations import Operations
from studiolo.kernel.resource import PLATFORM, Caller, Catalog
from studiolo.kernel.store.sqlite import SqliteStore
from studiolo.rooms.blobs import Address, Room, room
from studiolo.wire.arm import ArmSurface
from studiolo.wire.front import Front, Nowhere
from studiolo.wire.http import Call
from studiolo.wire.rates import Rates
from tests.support.kernel import GROUP, GROUPS, SUBSCRIPTIONS

T = TypeVar("T")
Client: TypeAlias = Any
"""One of the vendor's clients, which are typed in part only."""
TENANT = "22222222-2222-2222-2222-222222222222"
OWNER = "11111111-1111-1111-1111-111111111111"
READER = "33333333-3333-3333-3333-333333333333"
MEMBER = "44444444-4444-4444-4444-444444444444"
STRANGER = "55555555-5555-5555-5555-555555555555"
ADDER = "66666666-6666-6666-6666-666666666666"
PROJECT = "0c9e4d6e-3c0a-4a0e-9b0e-2b2f6a1f4d10"
OTHER_PROJECT = "9f1b6a53-7a53-4f3c-8a55-0d9f52b1c111"
BEGINNING = "2026-01-01T00:00:00Z"
ACCOUNT = "hubsa"
KEYED = "keyedsa"  # permits shared keys
MASTER_KEY = bytes(range(32))
SUFFIX = "core.localhost"
_PREFIX = "Microsoft.Storage/storageAccounts/blobServices/containers"


def project_condition(project: str) -> str:
    """The condition by which a project's identity reaches its own containers only."""
    name = f"@Resource[{_PREFIX}:name] StringStartsWith '{project}-'"
    control = " AND ".join(f"!(ActionMatches{{'{_PREFIX}/{verb}'}})" for verb in ("read", "write", "delete"))
    return f"((!(ActionMatches{{'{_PREFIX}/blobs/*'}})) OR ({name})) AND (({control}) OR ({name}))"


class Grant(NamedTuple):
    """A role at a scope: a built-in one by its name, or one of a test's own."""

    role: str | Role
    scope: str
    condition: str | None = None


@dataclass
class Grants:
    """Who may do what, as a test states it."""

    by_principal: dict[str, list[Grant]] = field(default_factory=dict)
    denies: dict[str, list[DenyAssignment]] = field(default_factory=dict)
    changes: int = 0

    def version(self) -> int:
        return self.changes

    async def facts(self, oid: str) -> CompiledFacts:
        known = {role.name: role for role in built_in_roles().values()}
        rows = tuple(
            Assignment(
                id=f"{oid}-{n}",
                principal_id=oid,
                role=known[grant.role] if isinstance(grant.role, str) else grant.role,
                scope=grant.scope,
                condition=grant.condition,
            )
            for n, grant in enumerate(self.by_principal.get(oid, []))
        )
        denies = tuple(self.denies.get(oid, ()))
        return CompiledFacts(Facts(known=True, enabled=True, ids=frozenset({oid}), assignments=rows, denies=denies, version=self.changes))

    def attributes(self, oid: str) -> Mapping[str, object]:
        return {}

    def set(self, oid: str, *grants: Grant) -> None:
        self.by_principal[oid] = list(grants)
        self.changes += 1

    def deny(self, oid: str, *denies: DenyAssignment) -> None:
        self.denies[oid] = list(denies)
        self.changes += 1


@dataclass
class Tokens:
    """Knows tokens of the form `token-{oid}`."""

    disabled: set[str] = field(default_factory=set)
    # To whom signatures of others were given, and by which mark they are known.
    recipients: set[tuple[str, str]] = field(default_factory=set)
    # Since when those are there who were removed and made again.
    later: dict[str, str] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)

    async def identify(self, call: Call) -> Caller:
        return await self.of_token(call.headers.get("authorization", "").removeprefix("Bearer "))

    async def of_token(self, token: str) -> Caller:
        if not token.startswith("token-"):
            raise Unauthenticated("There is no token that we know.")
        oid = token.removeprefix("token-")
        return Caller(oid=oid, tenant=TENANT, since=await self.since(oid) or "")

    async def find(self, oid: str, tenant: str) -> Caller | None:
        return None if oid in self.disabled | self.removed or tenant != TENANT else Caller(oid=oid, tenant=tenant)

    async def since(self, oid: str) -> str | None:
        return None if oid in self.removed else self.later.get(oid, BEGINNING)

    async def may_hold(self, oid: str, mark: str) -> bool:
        return (oid, mark) in self.recipients


class Credential:
    """A client's credential that hands out such a token."""

    def __init__(self, oid: str) -> None:
        self._oid = oid

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        assert scopes == ("https://storage.azure.com/.default",)
        return AccessToken(f"token-{self._oid}", int(datetime.now(UTC).timestamp()) + 3600)

    def close(self) -> None:
        """Nothing is open."""


class Studio:
    """A running service. Everything asynchronous happens on its own thread's loop."""

    def __init__(self, home: Path, rates: Rates | None = None) -> None:
        self.home = home
        self._rates = rates
        self.objects = home / "objects"
        self.grants, self.tokens = Grants(), Tokens()
        self.grants.set(OWNER, Grant("Storage Blob Data Owner", GROUP), Grant("Owner", GROUP))
        self.grants.set(READER, Grant("Storage Blob Data Reader", GROUP))
        self.grants.set(MEMBER, Grant("Storage Blob Data Contributor", GROUP, project_condition(PROJECT)))
        self.certificate = write_certificate(home)
        self._listener = socket.socket(socket.AF_INET6)
        self._listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self._listener.bind(("::", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: uvloop.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(20)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self.store = SqliteStore(self.home / "studiolo.db")
        gate = Gate(self.grants)
        self.keys = keys = KeyRing(self.store, MASTER_KEY)
        at = Address(SUFFIX, self.port, f"https://localhost:{self.port}")
        self.room: Room = room(self.store, self.objects, keys, self.tokens, self.tokens, gate, at)
        operations = Operations(self.store, owner="test")
        self.control = Control(Catalog([SUBSCRIPTIONS, GROUPS, *self.room.types]), self.store, gate, operations)
        await self.room.start()
        await self._furnish()
        surfaces = [*self.room.surfaces, ArmSurface(self.control, self.tokens)]
        front = Front(surfaces, lambda host: host.endswith("localhost"), Nowhere(), rates=self._rates)
        config = uvicorn.Config(
            front, log_level="error", lifespan="off", ssl_certfile=self.certificate, ssl_keyfile=self.home / "key.pem", access_log=False
        )
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(server.serve(sockets=[self._listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)  # noqa: TID251
        self._ready.set()
        await self._stop.wait()
        server.should_exit = server.force_exit = True
        for connection in list(server.server_state.connections):
            connection.transport.abort()  # clients keep theirs open
        await serving
        await self.room.stop()
        await operations.stop()
        await self.store.close()

    async def _furnish(self) -> None:
        await self.control.put(PLATFORM, parse("/subscriptions/s1"), {})
        await self.control.put(PLATFORM, parse(GROUP), {"location": "local"})
        for name, keyed in ((ACCOUNT, False), (KEYED, True)):
            body = {
                "location": "local",
                "sku": {"name": "Standard_LRS"},
                "kind": "StorageV2",
                "properties": {"allowSharedKeyAccess": keyed},
            }
            await self.control.put(PLATFORM, account_id(name), body)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something on the service's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive()

    def url(self, account: str = ACCOUNT) -> str:
        return f"https://{account}.blob.{SUFFIX}:{self.port}"

    def service(self, who: Any = OWNER, account: str = ACCOUNT, **options: Any) -> Client:
        """A client: for a principal, or with a signature or key as its credential."""
        credential = Credential(who) if isinstance(who, str) and len(who) == len(OWNER) else who
        url = f"{self.url(account)}?{credential}" if isinstance(credential, str) and "sig=" in credential else self.url(account)
        signed = isinstance(credential, str) and "sig=" in credential
        options = {"retry_total": 0, "connection_verify": str(self.certificate), **options}
        return BlobServiceClient(url, credential=None if signed else credential, **options)

    def container(self, name: str, who: Any = OWNER, account: str = ACCOUNT, **options: Any) -> Client:
        return self.service(who, account, **options).get_container_client(name)

    def files(self) -> list[Path]:
        """The sealed objects that lie on disk."""
        self.run(self.room.storage.loose.settle())
        self.run(self.room.storage.purge.settle())
        self.run(self.room.storage.loose.settle())
        return sorted(path for path in self.objects.rglob("*") if path.is_file())


def account_id(name: str = ACCOUNT) -> ResourceId:
    return parse(f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{name}")


def write_certificate(home: Path) -> Path:
    """A self-signed certificate for the names of accounts; its key lies beside it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    names = [x509.DNSName(text) for text in ("localhost", f"*.blob.{SUFFIX}")]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (home / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    path = home / "certificate.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return path

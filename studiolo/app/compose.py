"""Builds the house: opens every room, plugs ports into back ends, and makes what the first start must find."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from studiolo.app.environment import ClientEnvironment
from studiolo.app.home import Home, RecordWitness
from studiolo.app.identity import Identity, open_identity
from studiolo.app.master import finish
from studiolo.app.outbound import GuardedOutbound
from studiolo.app.plugs import (
    DirectoryObjects,
    Furniture,
    Grantors,
    Identities,
    KeyPlaces,
    Recipients,
    Resources,
    ServedActions,
    Signatures,
    Unmetered,
    Workspaces,
)
from studiolo.app.served import served_surface
from studiolo.app.settings import Settings
from studiolo.app.surface import activity_surface, cloud, platform_surface
from studiolo.app.tree import ScopeTree
from studiolo.app.welcome import Welcome
from studiolo.kernel import clock
from studiolo.kernel.control import Control
from studiolo.kernel.gate import Gate
from studiolo.kernel.ids import parse
from studiolo.kernel.keys import KeyRing
from studiolo.kernel.operations import Operations
from studiolo.kernel.record import Recorder
from studiolo.kernel.resource import PLATFORM, Catalog, JsonObject, ResourceType
from studiolo.kernel.store.chain import Keeper
from studiolo.kernel.store.port import Emit, Entry, PutEntry, Store
from studiolo.kernel.store.sqlite import SqliteStore
from studiolo.rooms import assets, authorization, blobs, hubs, keys, models, records, secrets, templates, traces
from studiolo.rooms.authentication import Audiences, Authenticator, audiences_of
from studiolo.rooms.directory import Beginning
from studiolo.rooms.models.backends.absent import NoModels
from studiolo.rooms.models.backends.local.models import LocalModels
from studiolo.rooms.models.ports import Models
from studiolo.rooms.models.wire import PREFIXES as MODEL_PREFIXES
from studiolo.rooms.models.wire import render as render_model_fault
from studiolo.rooms.templates.backends.facade import KernelResources, KernelTypes
from studiolo.rooms.templates.backends.records import StoredRecords
from studiolo.rooms.templates.backends.seals import KeySeals
from studiolo.rooms.templates.wire import routes as deployment_routes
from studiolo.wire.arm import ArmSurface
from studiolo.wire.front import Answers, Front, Nowhere
from studiolo.wire.http import Surface, origin_of
from studiolo.wire.rates import DEFAULT_RATES, Rates
from studiolo.wire.render import render_arm

GROUP, HUB, PROJECT, PLACE = "studiolo", "home", "first-project", "local"
_SPACE = "studiolo"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(slots=True)
class House:
    """The rooms, opened, and the ports between them that are filled last."""

    store: Store
    ring: KeyRing
    resources: Resources
    identity: Identity
    actions: ServedActions
    gate: Gate
    blobs: blobs.Room
    models: models.Room
    hubs: hubs.WorkspaceService
    workspaces: Workspaces
    types: list[ResourceType]
    model_engine: Models
    templates: templates.Room
    keys: keys.WorkspaceKeys
    records: records.Room


class Application:
    """A composed studio; see `app.server.Application` for what the server asks of it."""

    def __init__(
        self, settings: Settings, home: Home, house: House, control: Control, operations: Operations, surfaces: Sequence[Answers]
    ) -> None:
        self.control = control
        self.surfaces = surfaces
        self._settings = settings
        self._home = home
        self._house = house
        self._operations = operations
        self._link: str | None = None
        self._warming: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self.asgi = Front(
            surfaces,
            _known_hosts(settings),
            Nowhere(),
            port=settings.port,
            origins=_origins(settings),
            rates=Rates({**DEFAULT_RATES, **settings.rates}),
            versions=house.identity.rights.grants,
            judge=house.gate,
        )

    async def start(self) -> None:
        """Make what the first start must find, take up what a crash left, and warm the model in the background."""
        await finish(self._house.ring, self._home)
        await self._house.identity.start()
        await self._house.blobs.start()
        await self._operations.recover(is_alone=True)
        beginning = await self._begin()
        code = await self._house.identity.authentication.sessions.new_code(beginning.owner)
        self._link = f"{self._settings.url}/signin?code={code}"
        self._keeping = asyncio.create_task(self._house.records.records.keep())
        if self._settings.has_model:
            self._warming = asyncio.create_task(self._warm())

    async def stop(self) -> None:
        """Put the work down and let go of all files."""
        for task in (self._warming, self._keeping):
            if task is not None:
                task.cancel()
        await self._operations.stop()
        await self._house.model_engine.close()
        await self._house.blobs.stop()
        await self._house.gate.stop()
        await self._house.store.close()

    def welcome(self) -> Welcome:
        """What to tell a person once requests are answered."""
        return Welcome(url=self._settings.url, sign_in_link=self._link, deployment="chat" if self._settings.has_model else None)

    async def _warm(self) -> None:
        from studiolo.kernel.faults import Fault

        try:
            await self._house.model_engine.warm()
        except Fault:
            return  # whoever calls the model is told the reason

    async def _begin(self) -> Beginning:
        """The subscription, the group, the first hub and project, and the environment of unchanged clients."""
        subscription = await _subscription(self._house.store)
        known = self._home.environment()
        if known is not None and known.subscription != subscription:
            known = None  # it belongs to another database
        beginning = await self._house.identity.directory.bootstrap.begin(subscription, has_cli_secret=known is not None)
        group = parse(f"/subscriptions/{subscription}/resourceGroups/{GROUP}")
        hub, project = (group.extension("Microsoft.MachineLearningServices/workspaces", name) for name in (HUB, PROJECT))
        if known is None:
            await self._house.resources.ensure(
                PLATFORM, parse(f"/subscriptions/{subscription}"), {"properties": {"displayName": "Studiolo"}}
            )
            await self._house.resources.ensure(PLATFORM, group, {"location": PLACE})
            await self._house.resources.ensure(PLATFORM, hub, {"location": PLACE, "kind": "Hub", "properties": {"friendlyName": "Home"}})
            body: JsonObject = {"hubResourceId": hub.text, "friendlyName": "First project"}
            await self._house.resources.ensure(PLATFORM, project, {"location": PLACE, "kind": "Project", "properties": body})
        if known is None or known.url != self._settings.url:
            model_key = known.model_key if known else (await self._house.models.accounts.project_keys(project))["primary"]
            self._home.write_environment(
                ClientEnvironment(
                    url=self._settings.url,
                    client_id=beginning.cli_client_id,
                    client_secret=beginning.cli_secret or (known.client_secret if known else ""),
                    subscription=subscription,
                    resource_group=GROUP,
                    hub=HUB,
                    project=PROJECT,
                    model_key=model_key,
                )
            )
        return beginning


async def compose(settings: Settings, home: Home) -> Application:
    """Open the store and the rooms, and join them; nothing is served yet."""
    house = await _open_rooms(settings, home)
    operations = Operations(house.store, owner=f"{os.getpid()}-{clock.new_tag()}")
    house.keys.attend(operations)
    control = Control(Catalog(house.types), house.store, house.gate, operations)
    house.resources.control = control
    surfaces = _surfaces(settings, house, control)
    house.actions.learn(house.types, surfaces)
    return Application(settings, home, house, control, operations, surfaces)


def _open_store(settings: Settings, home: Home) -> tuple[Store, KeyRing, Keeper]:
    """The store, the keys, and what seals the record."""
    keeper = Keeper.of(home.record_key(), RecordWitness(home))
    store = SqliteStore(settings.database_file(home.database), keeper)
    return store, _ring(settings, home, store), keeper


async def accept_rights(settings: Settings, home: Home) -> int:
    """Seal the authorization store's rows as they are now; gives how many. Nothing may be served meanwhile."""
    store, ring, _ = _open_store(settings, home)
    try:
        found = await authorization.accept_rights(store, ring)
        at = clock.stamp(clock.now())
        await store.commit(Emit(at, "Studiolo.Access/seal/action", "Succeeded", "/", PLATFORM.oid, msgspec.json.encode({"rows": found})))
    finally:
        await store.close()
    return found


async def upgrade_rights(settings: Settings, home: Home) -> dict[str, int]:
    """Seal, as they are now, the rows that an older release did not seal; gives how many of each type. Nothing may be served meanwhile.

    Raises:
        Conflict: the release that made the studio is too old (code `KeyRingOutdated`).
        Unavailable: what was sealed does not hold (code `AuthorizationStoreDamaged`).
    """
    store, ring, _ = _open_store(settings, home)
    try:
        await ring.require_readable()
        found = await authorization.extend_seals(store, ring)
        if found:
            at, detail = clock.stamp(clock.now()), msgspec.json.encode({"rows": found})
            await store.commit(Emit(at, "Studiolo.Access/upgrade/action", "Succeeded", "/", PLATFORM.oid, detail))
    finally:
        await store.close()
    return found


async def _open_rooms(settings: Settings, home: Home) -> House:
    store, ring, keeper = _open_store(settings, home)
    await ring.require_readable()
    resources = Resources()
    place = settings.url.partition("://")[2]
    actions = ServedActions()
    identity = await _identity(settings, store, ring, actions)
    people = identity.authentication
    recorder = Recorder(store)
    gate = Gate(identity.rights.grants, recorder)
    recipients = Recipients(identity.rights.grants, gate)
    blob_room = _blob_room(settings, home, store, ring, people.authenticator("blob"), recipients, gate)
    engine = LocalModels(home.cache) if settings.has_model else NoModels()
    workspaces = Workspaces(resources, f"core.{place}")
    identities = Identities(identity.directory.principals)
    model_room = models.room(
        store, ring, resources, identities, people.authenticator("model"), workspaces, engine, Unmetered(), base_url=settings.url
    )
    furniture = Furniture(resources, workspaces, model_room.accounts)
    subscription = await _subscription(store)
    kept, key_types = keys.room(ring, KeyPlaces(resources, workspaces), blob_room.storage.anew)
    service, hub_types = hubs.room(
        resources, identities, blob_room.storage, furniture, kept, gate, base_url=settings.url, subscription=subscription
    )
    workspaces.service = service
    asset_room = assets.assets(store, workspaces, Signatures(blob_room.storage, workspaces, identity.rights.grants, recipients))
    template_room = await _template_room(settings, store, ring, resources, identity.tenant)
    types = [
        *identity.types,
        *template_room.types,
        *hub_types,
        *blob_room.types,
        *asset_room.types,
        *model_room.types,
        *secrets.room(tenant=identity.tenant, vault_suffix=f"vault.{place}"),
        *traces.room(),
        *key_types,
    ]
    grantors = Grantors(identity.rights.grants, identity.authorization.reach)
    record = records.room(store, recorder, keeper, people.authenticator(), grantors)
    return House(
        store,
        ring,
        resources,
        identity,
        actions,
        gate,
        blob_room,
        model_room,
        service,
        workspaces,
        types,
        engine,
        template_room,
        kept,
        record,
    )


async def _identity(settings: Settings, store: Store, ring: KeyRing, actions: ServedActions) -> Identity:
    seals = await authorization.open_seals(store, ring)
    tree = ScopeTree(store, seals)
    await tree.load()
    outbound, audiences = GuardedOutbound(settings.providers), _audiences(settings.url)
    return await open_identity(store, ring, seals, audiences, settings.url, outbound, heirs=tree, known_actions=actions)


async def _template_room(settings: Settings, store: Store, ring: KeyRing, resources: Resources, tenant: str) -> templates.Room:
    return templates.room(
        resources=KernelResources(resources.get),
        records=StoredRecords(store),
        seals=KeySeals(await ring.data_key("templates")),
        types=KernelTypes(resources.get),
        tenant=tenant,
        environment=cloud(settings.url),
    )


def _blob_room(
    settings: Settings, home: Home, store: Store, ring: KeyRing, people: Authenticator, recipients: Recipients, gate: Gate
) -> blobs.Room:
    address = blobs.Address("core.localhost", settings.port, settings.url, is_https_only=settings.has_tls)
    return blobs.room(store, settings.blobs_folder(home.blobs), ring, people, recipients, gate, address)


def _ring(settings: Settings, home: Home, store: Store) -> KeyRing:
    own = [home.root, settings.database_file(home.database).parent, settings.blobs_folder(home.blobs)]
    return KeyRing(
        store,
        home.master_key(),
        previous=home.previous_master_key(),
        shares=keys.SharesFolder(home.shares),
        customers=keys.customer_keys(own, GuardedOutbound(settings.vaults), home.tokens_of_vaults()),
    )


def _surfaces(settings: Settings, house: House, control: Control) -> list[Answers]:
    gate, objects = house.gate, DirectoryObjects(house.resources)
    people = house.identity.authentication.authenticator()
    deployments = Surface("deployments", deployment_routes(house.templates.records, people), gate, render_arm)
    reference = served_surface(lambda: surfaces, control.catalog, people, gate)
    extras = [
        deployments,
        Surface("access", house.identity.routes(), gate, render_arm),
        Surface("record", house.records.routes, gate, render_arm),
        activity_surface(house.store, people, gate),
        reference,
    ]
    surfaces: list[Answers] = [
        ArmSurface(control, people, extras),
        *extras,
        *house.identity.surfaces(objects, gate),
        *house.blobs.surfaces,
        Surface("models", house.models.routes, gate, render_model_fault, prefixes=MODEL_PREFIXES),
        platform_surface(settings.url, house.store, control, people, gate),
    ]
    return surfaces


def _audiences(url: str) -> Audiences:
    place = url.partition("://")[2]
    port = place.rpartition(":")[2]
    origins = [url, *(f"{url.partition(':')[0]}://{name}:{port}" for name in ("127.0.0.1", "[::1]"))]
    return audiences_of(origins, ml=[f"https://ml.azure.{place}"], vaults=[f"https://vault.{place}"])


def _known_hosts(settings: Settings) -> Callable[[str], bool]:
    names = _LOOPBACK | {name.lower() for name in settings.names}

    def is_known(host: str) -> bool:
        return host in names or host.endswith((".blob.core.localhost", ".vault.localhost")) or host == "portal.studiolo.localhost"

    return is_known


def _origins(settings: Settings) -> frozenset[str]:
    """The origins of our own pages, which are on the main host alone."""
    scheme = "https" if settings.has_tls else "http"
    return frozenset(origin_of(scheme, name, settings.port) for name in _LOOPBACK | {name.lower() for name in settings.names})


async def _subscription(store: Store) -> str:
    """The id of the first subscription, made once."""
    entry = await store.entry(_SPACE, "subscription")
    if entry is not None:
        return msgspec.json.decode(entry.doc, type=str)
    made = clock.new_id()
    await store.commit(PutEntry(_SPACE, Entry("subscription", "1", msgspec.json.encode(made))))
    return made

"""Who takes part: the kept project's own people, whose requests are the controls, and the attackers with every kind of key."""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from studiolo.app.client.session import CLIENT_ID, Refusal
from studiolo.app.isolation.asking import STORAGE, Identity
from studiolo.app.isolation.attacks import BLOB_HEADERS
from studiolo.app.isolation.report import NotTried
from studiolo.app.isolation.world import PREFIX, Project, World
from studiolo.kernel import clock
from studiolo.kernel.faults import Forbidden, Unavailable
from studiolo.kernel.resource import JsonObject

_DIRECTORY: Final = "/providers/Studiolo.Directory"
_MEMBER: Final = ("Owner", "Azure AI Developer", "Cognitive Services OpenAI User")
_WRITER: Final = "Storage Blob Data Contributor"
_OWNER: Final = "Storage Blob Data Owner"
_DELEGATOR: Final = "Storage Blob Delegator"
_VAULTS: Final = "https://vault.azure.net"
_SAS_VERSION: Final = "2022-11-02"
_MINUTE: Final = timedelta(minutes=1)
NOBODY: Final = Identity("nobody")


@dataclass(slots=True)
class Person:
    """An application of the probe's, with its tokens."""

    name: str
    oid: str
    client: str
    secret: str
    main: Mapping[str, str]
    blob: Mapping[str, str]

    def identity(self, *, has_rights: bool) -> Identity:
        """The person as one who sends requests."""
        return Identity(self.name, {"main": self.main, "blob": self.blob}, has_rights=has_rights)


@dataclass(slots=True)
class Cast:
    """Who is allowed, in the order in which controls try them; who attacks; and which keys could not be had, each with why."""

    allowed: list[Identity] = field(default_factory=list[Identity])
    attackers: list[Identity] = field(default_factory=list[Identity])
    missing: list[NotTried] = field(default_factory=list[NotTried])


async def dressed(world: World) -> Cast:
    """Everybody. Raises Forbidden if the caller may not change the directory (code `DirectoryNotPermitted`)."""
    return await _Dresser(world).dress()


class _Dresser:
    def __init__(self, world: World) -> None:
        self._world = world
        self._studio = world.studio
        self._cast = Cast()

    async def dress(self) -> Cast:
        world, cast = self._world, self._cast
        insider = await self._person("the kept project's owner", _MEMBER, world.kept)
        await self._grant(insider.oid, _OWNER, world.kept.account_id)
        world.known |= {"insider": insider.oid, "insider_client": insider.client, "insider_secret": insider.secret, "cli_client": CLIENT_ID}
        env = self._studio.environment
        storage = await self._studio.token(env.client_id, env.client_secret, STORAGE)
        key = next(iter((await world.keys_of(world.kept)).values()))
        cast.allowed += [
            insider.identity(has_rights=True),
            Identity("the probe's operator", {"main": world.admin, "blob": storage}, has_rights=True),
            Identity("the directory's keeper", {"main": world.keeper}, has_rights=True),
            Identity("the kept project's key", {"main": {"api-key": str(key)}}, has_rights=True),
        ]
        cast.attackers.append(NOBODY)
        member = await self._people()
        world.known["client_secret"] = member.secret
        await self._keys(member)
        await self._signatures(insider)
        await self._workload()
        await self._session()
        await self._over(member)
        return cast

    # ── tokens ──

    async def _people(self) -> Person:
        near = self._world.near
        member = await self._person("member", _MEMBER, near)
        await self._grant(member.oid, _WRITER, _box(near))
        reader, stranger = await self._person("reader", ("Reader",), near), await self._person("stranger", (), near)
        self._cast.attackers += [member.identity(has_rights=True), reader.identity(has_rights=True), stranger.identity(has_rights=False)]
        return member

    async def _person(self, name: str, roles: Sequence[str], project: Project) -> Person:
        world, application, oid = self._world, clock.new_id(), clock.new_id()
        named = {"displayName": f"{PREFIX}-{name.partition(' ')[0]}"}
        client = f"{_DIRECTORY}/applications/{application}"
        try:
            await world.put(client, {"properties": named}, world.keeper)
        except Refusal as refusal:
            if refusal.status in (401, 403):
                raise Forbidden(
                    "A probe makes identities of its own, and you may not change the directory. Pass the one-time link that `studiolo up` "
                    "printed: studiolo doctor isolation --link LINK",
                    code="DirectoryNotPermitted",
                ) from None
            raise
        secret = (await self._studio.arm("POST", f"{client}/addPassword", world.keeper, {}))["secretText"]
        await world.put(f"{_DIRECTORY}/servicePrincipals/{oid}", {"properties": {**named, "appId": application}}, world.keeper)
        for role in roles:
            await self._grant(oid, role, project.id)
        main = await self._studio.token(application, secret, self._studio.url)
        return Person(name, oid, application, secret, main, await self._studio.token(application, secret, STORAGE))

    async def _grant(self, oid: str, role: str, scope: str, kind: str = "ServicePrincipal") -> None:
        body = {"roleDefinitionId": await self._world.role(role), "principalId": oid, "principalType": kind}
        await self._world.put(f"{scope}/providers/Microsoft.Authorization/roleAssignments/{clock.new_id()}", {"properties": body})

    async def _workload(self) -> None:
        """The managed identity of the attackers' project, as a program has it that is bound to it."""
        try:
            header = str((await bind(self._world, self._world.near))["identityHeader"])
        except Refusal as refusal:
            self._cast.missing.append(NotTried("attacker with a managed identity's token", refusal.message, is_stated=False))
            return
        tokens = {plane: await self._studio.workload_token(header, of) for plane, of in (("main", self._studio.url), ("blob", STORAGE))}
        self._cast.attackers.append(Identity("managed identity's token", tokens, has_rights=True))

    async def _session(self) -> None:
        """A browser's session of a person who owns the attackers' project."""
        world, oid, password = self._world, clock.new_id(), secrets.token_urlsafe(24)
        user, name = f"{_DIRECTORY}/users/{oid}", f"{oid}@probe.example"
        await world.put(user, {"properties": {"displayName": f"{PREFIX}-person", "userPrincipalName": name}}, world.keeper)
        await self._studio.arm("POST", f"{user}/setPassword", world.keeper, {"password": password})
        for role in _MEMBER:
            await self._grant(oid, role, world.near.id, "User")
        session = await self._studio.session({"name": name, "password": password})
        if session is None:
            self._cast.missing.append(NotTried("attacker with a session cookie", "the studio asks everybody for a second factor"))
            return
        self._cast.attackers.append(Identity("session cookie", {"main": session}, has_rights=True))

    async def _over(self, member: Person) -> None:
        """Tokens that are not worth anything here: of another audience, of another person's name, taken back."""
        ended = await self._person("token taken back", _MEMBER, self._world.kept)
        await self._studio.arm("POST", f"{_DIRECTORY}/applications/{ended.client}/revokeTokens", self._world.keeper, {})
        vaults = await self._studio.token(member.client, member.secret, _VAULTS)
        edited = {
            plane: _edited(token, oid=self._world.known["insider"]) for plane, token in (("main", member.main), ("blob", member.blob))
        }
        late = {
            plane: _edited(token, exp=int(clock.now().timestamp()) - 60) for plane, token in (("main", ended.main), ("blob", ended.blob))
        }
        self._cast.attackers += [
            Identity("token of another audience", {"main": member.blob, "blob": vaults}, has_twin=False),
            Identity(ended.name, {"main": ended.main, "blob": ended.blob}, has_twin=False),
            Identity("token in the owner's name", edited, has_twin=False),
            Identity("token with an end that is past", late, has_twin=False),
        ]
        why = (
            "no token lives for less than an hour; one that was taken back, one with a changed end and a signature that ended stand for it"
        )
        self._cast.missing.append(NotTried("attacker with a genuine token that has expired", why))

    # ── keys and signatures ──

    async def _keys(self, member: Person) -> None:
        key = str(next(iter((await self._world.keys_of(self._world.near)).values())))
        basic = base64.b64encode(f"{member.client}:{member.secret}".encode()).decode()
        self._cast.attackers += [
            Identity("project key", {"main": {"api-key": key}, "blob": {"authorization": f"Bearer {key}"}}, has_rights=True),
            Identity(
                "application secret",
                {"main": {"authorization": f"Basic {basic}"}, "blob": {"authorization": f"Bearer {member.secret}"}},
                has_twin=False,
            ),
            Identity("account key", {"blob": {"authorization": f"SharedKey {self._world.near.account}:{'A' * 43}="}}),
        ]

    async def _signatures(self, insider: Person) -> None:
        world, near, kept = self._world, self._world.near, self._world.kept
        place = f"{near.id}/datastores/workspaceblobstore/listSecrets"
        told = await self._studio.arm("POST", place, world.admin, {"expirableSecret": True, "expireAfterHours": 1})
        own = str(told["sasToken"]).lstrip("?")
        world.known["own_signature"] = own
        signer = await self._person("signer", (), near)
        await self._grant(signer.oid, _DELEGATOR, near.account_id)
        await self._grant(signer.oid, _WRITER, _box(near))
        theirs, ours = await self._delegation(near, signer), await self._delegation(kept, insider)
        now = clock.now()
        valid = _signed(ours, kept, "", now + 10 * _MINUTE)
        listing = f"{self._studio.blob_url(kept.account)}/{kept.container}?restype=container&comp=list&{valid}"
        if (await self._studio.send("GET", listing, BLOB_HEADERS)).status != 200:
            raise Unavailable("A signature of the probe's own opens nothing, so one that has ended would prove nothing.", code="ProbeBlind")
        self._cast.attackers += [
            Identity("managed identity's signature of its container", signature=own),
            Identity("signature of one's own container", signature=_signed(theirs, near, "", now + 30 * _MINUTE)),
            Identity("signature of one's own blob", signature=_signed(theirs, near, "own", now + 30 * _MINUTE)),
            Identity("the owner's signature that has ended", signature=_signed(ours, kept, "", now - _MINUTE), has_twin=False),
            *(Identity(name, signature=forged) for name, forged in _forged(own)),
        ]
        refused = await self._studio.send("GET", f"{self._studio.url}{quote(kept.id)}?api-version=2024-10-01", signer.main)
        world.known["decision"] = refused.headers.get("x-studiolo-decision-id", "")
        world.canaries.add(world.known["decision"], "the id of a decision")
        world.names.append(world.known["decision"])

    async def _delegation(self, project: Project, by: Person) -> dict[str, str]:
        """A user delegation key, as its fields."""
        now = clock.now()
        asked = f"<KeyInfo><Start>{_stamp(now - 30 * _MINUTE)}</Start><Expiry>{_stamp(now + 60 * _MINUTE)}</Expiry></KeyInfo>"
        url = f"{self._studio.blob_url(project.account)}/?restype=service&comp=userdelegationkey"
        reply = await self._studio.send("POST", url, {**by.blob, "x-ms-version": _SAS_VERSION}, asked.encode())
        if reply.status >= 300:
            reply.json()
        return dict(re.findall(r"<(\w+)>([^<]+)</", reply.body.decode()))


async def bind(world: World, project: Project) -> JsonObject:
    """A workload's binding to a project's identity. Raises Refusal."""
    place = f"{project.id}/providers/Studiolo.Identity/workloads"
    try:
        return await world.studio.arm("POST", place, world.admin, {"name": PREFIX})
    except Refusal:
        return await world.studio.arm("POST", place, world.keeper, {"name": PREFIX})


def _box(project: Project) -> str:
    return f"{project.account_id}/blobServices/default/containers/{project.container}"


def _stamp(at: object) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _edited(header: Mapping[str, str], **claims: object) -> dict[str, str]:
    """A token with other claims under its old signature."""
    head, body, signature = header["authorization"].removeprefix("Bearer ").split(".")
    told = msgspec.json.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    changed = base64.urlsafe_b64encode(msgspec.json.encode({**told, **claims})).decode().rstrip("=")
    return {"authorization": f"Bearer {head}.{changed}.{signature}"}


def _signed(key: Mapping[str, str], project: Project, blob: str, ends: object) -> str:
    """A signature with a user delegation key for a container, or one blob in it (Create a user delegation SAS, version 2022-11-02)."""
    begins = key["SignedStart"]
    letters, kind = ("racwdt", "b") if blob else ("racwdlt", "c")
    place = f"/blob/{project.account}/{project.container}" + (f"/{blob}" if blob else "")
    fields = {
        "skoid": key["SignedOid"],
        "sktid": key["SignedTid"],
        "skt": begins,
        "ske": key["SignedExpiry"],
        "sks": "b",
        "skv": key["SignedVersion"],
    }
    parts = [letters, begins, _stamp(ends), place, *fields.values(), *[""] * 5, _SAS_VERSION, kind, *[""] * 7]
    digest = hmac.digest(base64.b64decode(key["Value"]), "\n".join(parts).encode(), "sha256")
    shown = {"sp": letters, "st": begins, "se": _stamp(ends), **fields, "sv": _SAS_VERSION, "sr": kind}
    return urlencode({**shown, "sig": base64.b64encode(digest).decode()})


def _forged(signature: str) -> list[tuple[str, str]]:
    """One's own signature, changed into what one would like it to be."""
    fields = {name: value for name, _, value in (part.partition("=") for part in signature.split("&"))}
    changes: dict[str, dict[str, str]] = {
        "signature widened to all letters": {"sp": "racwdxltmeop"},
        "signature of an account": {"ss": "b", "srt": "sco", "sr": ""},
        "signature of a service": {"skoid": "", "sktid": "", "skt": "", "ske": "", "sks": "", "skv": ""},
        "signature of another kind": {"sr": "b"},
        "signature of a folder": {"sr": "d", "sdd": "0"},
        "signature without an end": {"se": "2099-01-01T00%3A00%3A00Z"},
    }
    return [(name, "&".join(f"{key}={value}" for key, value in {**fields, **change}.items() if value)) for name, change in changes.items()]

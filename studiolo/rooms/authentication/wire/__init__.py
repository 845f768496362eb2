"""What of the room speaks HTTP: who is calling, the token endpoint, the pages for people, keys, workloads."""

from __future__ import annotations

from dataclasses import dataclass

from studiolo.rooms.authentication.domain.tokens import Issuer
from studiolo.rooms.authentication.service.clients import Clients
from studiolo.rooms.authentication.service.consents import Consents
from studiolo.rooms.authentication.service.credentials import Credentials
from studiolo.rooms.authentication.service.federation import Federation
from studiolo.rooms.authentication.service.grants import TokenService
from studiolo.rooms.authentication.service.grants.authorization_code import AuthorizationCode
from studiolo.rooms.authentication.service.grants.device_code import DeviceCode
from studiolo.rooms.authentication.service.mint import Mint
from studiolo.rooms.authentication.service.reader import TokenReader
from studiolo.rooms.authentication.service.revocations import Revocations
from studiolo.rooms.authentication.service.sessions import Sessions
from studiolo.rooms.authentication.service.signin import SignIn
from studiolo.rooms.authentication.service.signing import SigningKeys
from studiolo.rooms.authentication.service.signouts import SignOuts
from studiolo.rooms.authentication.service.stamps import Stamps
from studiolo.rooms.authentication.service.throttle import Pace
from studiolo.rooms.authentication.wire.account import account_routes
from studiolo.rooms.authentication.wire.authenticator import Authenticator
from studiolo.rooms.authentication.wire.authorize import authorize_routes
from studiolo.rooms.authentication.wire.device import device_routes
from studiolo.rooms.authentication.wire.federation import federation_routes, offered
from studiolo.rooms.authentication.wire.forms import Forms
from studiolo.rooms.authentication.wire.keys import key_routes
from studiolo.rooms.authentication.wire.signin import render_page, signin_routes
from studiolo.rooms.authentication.wire.tokens import Tokens, token_surface
from studiolo.rooms.authentication.wire.workloads import workload_routes, workload_surface
from studiolo.wire.http import Judge, Surface

__all__ = ["Authenticator", "Front", "key_routes", "surfaces", "workload_routes", "workload_surface"]


@dataclass(frozen=True, slots=True)
class Front:
    """What the token endpoint and the pages for people stand on."""

    service: TokenService
    codes: AuthorizationCode
    devices: DeviceCode
    keys: SigningKeys
    reader: TokenReader
    revocations: Revocations
    issuer: Issuer
    sessions: Sessions
    stamps: Stamps
    signin: SignIn
    credentials: Credentials
    consents: Consents
    signouts: SignOuts
    clients: Clients
    pace: Pace
    mint: Mint


def surfaces(front: Front, federation: Federation, judge: Judge) -> list[Surface]:
    """The token endpoint, and the pages for people."""
    forms = Forms(front.sessions, front.stamps)

    async def others(goal: str) -> str:
        return offered(await federation.offers(), goal)

    tokens = Tokens(front.service, front.devices, front.keys, front.issuer, front.pace)
    pages = [
        *signin_routes(front.signin, front.sessions, forms, others),
        *federation_routes(federation),
        *account_routes(front.signin, front.credentials, front.consents, front.signouts, front.clients, forms),
        *device_routes(front.devices, forms, front.pace),
    ]
    return [
        token_surface(tokens, authorize_routes(front.codes, forms, front.issuer), judge),
        Surface("sign-in", pages, judge, render_page, prefixes=("signin", "signout", "account", "device")),
    ]

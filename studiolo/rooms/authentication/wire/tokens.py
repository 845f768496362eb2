"""The token endpoint, its discovery pages and its key set, as clients of the public cloud know them (v1 and v2)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from studiolo.kernel import clock
from studiolo.kernel.faults import Fault
from studiolo.kernel.resource import JsonObject
from studiolo.rooms.authentication.domain import refusals
from studiolo.rooms.authentication.domain.tokens import Issuer, Version
from studiolo.rooms.authentication.service.grants import TokenService
from studiolo.rooms.authentication.service.grants.asked import Asked
from studiolo.rooms.authentication.service.grants.client_credentials import NAME as CLIENT_CREDENTIALS
from studiolo.rooms.authentication.service.grants.device_code import INTERVAL_SECONDS, DeviceCode
from studiolo.rooms.authentication.service.mint import Issued
from studiolo.rooms.authentication.service.signing import SigningKeys
from studiolo.rooms.authentication.service.throttle import Pace
from studiolo.rooms.authentication.wire.forms import page_of
from studiolo.wire.http import Answer, Call, Judge, Permit, Public, Route, Surface
from studiolo.wire.render import status_of

ALIAS = "adfs"
ANY_TENANT = frozenset({"common", "organizations"})
"""Where clients send people whose tenant they do not know; this studio has one."""
_FORM = "application/x-www-form-urlencoded"
_MAX_FORM = 65_536
_MAX_FIELDS = 40
_UNSTORED = [("cache-control", "no-store"), ("pragma", "no-cache")]
_DISCOVERY = Public("tells where to sign in")
_SIGN_IN = Public("proves the caller itself, by what the grant asks for")
_STARTED_PER_MINUTE = 30


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the token endpoint stands on."""

    service: TokenService
    devices: DeviceCode
    keys: SigningKeys
    issuer: Issuer
    pace: Pace


def token_surface(tokens: Tokens, authorize: Sequence[Route], judge: Judge) -> Surface:
    """Everything below `/adfs`, `/{tenant id}` and the names of no tenant; `authorize` are the pages where a person says yes."""
    pages = _Pages(tokens)
    config = "/.well-known/openid-configuration"
    routes = [
        Route("GET", "/common/discovery/instance", _DISCOVERY, pages.instance, about="MSAL asks whether this authority exists"),
        Route("GET", "/{tenant}" + config, _DISCOVERY, pages.discovery_v1, about="OpenID discovery, version 1"),
        Route("GET", "/{tenant}/v2.0" + config, _DISCOVERY, pages.discovery_v2, about="OpenID discovery, version 2"),
        Route("GET", "/{tenant}/discovery/keys", _DISCOVERY, pages.keys, about="the public keys of tokens"),
        Route("GET", "/{tenant}/discovery/v2.0/keys", _DISCOVERY, pages.keys, about="the public keys of tokens"),
        Route("POST", "/{tenant}/oauth2/token", _SIGN_IN, pages.token_v1, about="tokens, version 1"),
        Route("POST", "/{tenant}/oauth2/v2.0/token", _SIGN_IN, pages.token_v2, about="tokens, version 2"),
        Route("POST", "/{tenant}/oauth2/devicecode", _SIGN_IN, pages.device_code, about="codes for a program without a browser"),
        Route("POST", "/{tenant}/oauth2/v2.0/devicecode", _SIGN_IN, pages.device_code, about="codes for a program without a browser"),
        *authorize,
    ]
    return Surface("tokens", routes, judge, render_entra, prefixes=(ALIAS, tokens.issuer.tenant, *sorted(ANY_TENANT)))


def check_tenant(tenant: str, issuer: Issuer) -> None:
    """Raise Invalid for another tenant than ours."""
    if tenant.lower() not in (ALIAS, issuer.tenant, *ANY_TENANT):
        raise refusals.unknown_tenant(tenant)


class _Pages:
    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._issuer = tokens.issuer

    async def instance(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        return Answer.json(
            {
                "tenant_discovery_endpoint": f"{call.origin}/{self._issuer.tenant}/v2.0/.well-known/openid-configuration",
                "api-version": "1.1",
                "metadata": [{"preferred_network": call.host, "preferred_cache": call.host, "aliases": [call.host]}],
            }
        )

    async def discovery_v1(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        return self._discovery(call, params["tenant"], "1.0")

    async def discovery_v2(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        return self._discovery(call, params["tenant"], "2.0")

    def _discovery(self, call: Call, tenant: str, version: Version) -> Answer:
        """The addresses are of the host that was asked; the issuer is the same for all of them."""
        check_tenant(tenant, self._issuer)
        here, part = f"{call.origin}/{tenant}", "/v2.0" if version == "2.0" else ""
        return Answer.json(
            {
                "issuer": self._issuer.name(version),
                "authorization_endpoint": f"{here}/oauth2{part}/authorize",
                "token_endpoint": f"{here}/oauth2{part}/token",
                "device_authorization_endpoint": f"{here}/oauth2{part}/devicecode",
                "end_session_endpoint": f"{here}/oauth2{part}/logout",
                "jwks_uri": f"{here}/discovery{part}/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic", "private_key_jwt"],
                "token_endpoint_auth_signing_alg_values_supported": ["RS256", "PS256"],
                "grant_types_supported": self._tokens.service.names,
                "response_types_supported": ["code"],
                "response_modes_supported": ["query", "form_post"],
                "code_challenge_methods_supported": ["S256"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "claims_supported": [
                    *("aud", "exp", "groups", "iat", "iss", "name", "nbf", "nonce", "oid", "preferred_username", "sid", "sub", "tid", "ver")
                ],
                "cloud_instance_name": call.host,
                "tenant_region_scope": None,
            }
        )

    async def keys(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        check_tenant(params["tenant"], self._issuer)
        issuer = self._issuer.name("2.0")
        return Answer.json(
            {"keys": [{**key, "issuer": issuer} for key in await self._tokens.keys.published()]}, headers=[("cache-control", "max-age=300")]
        )

    async def token_v1(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        issued = await self._token(call, params["tenant"], "1.0")
        shown = {
            **_shown(issued),
            "expires_on": issued.not_before + issued.life_seconds,
            "not_before": issued.not_before,
            "resource": issued.resource,
        }
        # Version 1 writes numbers as texts.
        return Answer.json({name: str(value) for name, value in shown.items()}, headers=_UNSTORED)

    async def token_v2(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        return Answer.json(_shown(await self._token(call, params["tenant"], "2.0")), headers=_UNSTORED)

    async def _token(self, call: Call, tenant: str, version: Version) -> Issued:
        check_tenant(tenant, self._issuer)
        fields = await _form(call)
        if tenant.lower() in ANY_TENANT and fields.get("grant_type") == CLIENT_CREDENTIALS:
            raise refusals.unknown_tenant(tenant)
        return await self._tokens.service.grant(Asked(fields, version, self._addresses(call)))

    async def device_code(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        check_tenant(params["tenant"], self._issuer)
        fields = await _form(call)
        self._tokens.pace.step(f"device codes/{call.client}", _STARTED_PER_MINUTE)
        started = await self._tokens.devices.start(fields, call.client)
        address = f"{call.origin}/device"
        return Answer.json(
            {
                "user_code": started.user_code,
                "device_code": started.device_code,
                "verification_uri": address,
                "verification_url": address,
                "expires_in": started.life_seconds,
                "interval": INTERVAL_SECONDS,
                "message": f"To sign in, use a web browser to open the page {address} and enter the code {started.user_code}.",
            },
            headers=_UNSTORED,
        )

    def _addresses(self, call: Call) -> frozenset[str]:
        """What an assertion may name as its audience: our token endpoint by each of its names, or the issuer."""
        tenants = (ALIAS, self._issuer.tenant, *ANY_TENANT)
        endpoints = {f"{call.origin}/{tenant}/oauth2{part}/token" for tenant in tenants for part in ("", "/v2.0")}
        return frozenset(endpoints | {self._issuer.name("1.0"), self._issuer.name("2.0")})


def _shown(issued: Issued) -> JsonObject:
    shown: JsonObject = {
        "token_type": "Bearer",
        "expires_in": issued.life_seconds - 1,
        "ext_expires_in": issued.life_seconds - 1,
        "access_token": issued.token,
    }
    further = {"scope": issued.scope, "refresh_token": issued.refresh, "id_token": issued.id_token, "client_info": issued.client_info}
    return shown | {name: value for name, value in further.items() if value}


async def _form(call: Call) -> dict[str, str]:
    """The request's fields; the client's proof may stand in a Basic header instead (RFC 6749, 2.3.1), but not in both."""
    if call.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise refusals.invalid_request(f"The request body must be of type {_FORM}.")
    raw = await call.body(_MAX_FORM)
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise refusals.invalid_request("The request body is not a valid form.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise refusals.invalid_request("The request body names a parameter twice.")
    header = call.headers.get("authorization")
    if header is None:
        return fields
    client, secret = _basic(header)
    if "client_secret" in fields or fields.get("client_id", client) != client:
        raise refusals.invalid_request("The client proves itself twice: in the header and in the body.")
    return {**fields, "client_id": client, "client_secret": secret}


def _basic(header: str) -> tuple[str, str]:
    scheme, _, text = header.partition(" ")
    try:
        client, colon, secret = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except ValueError:
        colon = ""
        client = secret = ""
    if scheme.lower() != "basic" or not colon:
        raise refusals.invalid_request("The 'Authorization' header of a token request must be of scheme Basic, with client id and secret.")
    return unquote_plus(client), unquote_plus(secret)


def render_entra(fault: Fault, call: Call) -> Answer:
    """The error shape of the token endpoint; a page's fault is a page."""
    if (shown := page_of(fault)) is not None:
        return shown
    number, at = refusals.number_of(fault), clock.now().strftime("%Y-%m-%d %H:%M:%SZ")
    correlation = call.headers.get("client-request-id") or call.correlation_id
    code = fault.code if fault.code[:1].islower() else "invalid_request"
    shape: dict[str, Any] = {
        "error": code,
        "error_description": f"AADSTS{number}: {fault.message} Trace ID: {call.request_id} Correlation ID: {correlation} Timestamp: {at}",
        "error_codes": [number],
        "timestamp": at,
        "trace_id": call.request_id,
        "correlation_id": correlation,
    }
    if "suberror" in fault.info:
        shape["suberror"] = fault.info["suberror"]
    status = status_of(fault)
    challenge = [("www-authenticate", f'Basic realm="{call.origin}"')] if status == 401 else []
    return Answer.json(shape, status, [*_UNSTORED, *challenge])

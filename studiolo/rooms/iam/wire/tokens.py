"""The token endpoint, its discovery pages and its key set, as clients of the public cloud know them (v1 and v2)."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from studiolo.kernel import clock
from studiolo.kernel.faults import Fault, NotOffered
from studiolo.kernel.resource import JsonObject
from studiolo.rooms.iam.domain import refusals
from studiolo.rooms.iam.domain.tokens import Version
from studiolo.rooms.iam.service.signing import SigningKeys
from studiolo.rooms.iam.service.tokens import GRANT, TokenService
from studiolo.wire.http import Answer, Call, Judge, Permit, Public, Route, Surface
from studiolo.wire.render import status_of

ALIAS = "adfs"
_FORM = "application/x-www-form-urlencoded"
_MAX_FORM = 65_536
_MAX_FIELDS = 40
_UNSTORED = [("cache-control", "no-store"), ("pragma", "no-cache")]
_DISCOVERY = Public("tells where to sign in")
_SIGN_IN = Public("proves the caller itself, by a client secret")


def token_surface(service: TokenService, keys: SigningKeys, judge: Judge) -> Surface:
    """Everything below `/adfs` and `/{tenant id}`, and the instance discovery of MSAL."""
    pages = _Pages(service, keys)
    routes = [
        Route("GET", "/common/discovery/instance", _DISCOVERY, pages.instance, about="MSAL asks whether this authority exists"),
        Route("GET", "/{tenant}/.well-known/openid-configuration", _DISCOVERY, pages.discovery_v1, about="OpenID discovery, version 1"),
        Route(
            "GET", "/{tenant}/v2.0/.well-known/openid-configuration", _DISCOVERY, pages.discovery_v2, about="OpenID discovery, version 2"
        ),
        Route("GET", "/{tenant}/discovery/keys", _DISCOVERY, pages.keys, about="the public keys of access tokens"),
        Route("GET", "/{tenant}/discovery/v2.0/keys", _DISCOVERY, pages.keys, about="the public keys of access tokens"),
        Route("POST", "/{tenant}/oauth2/token", _SIGN_IN, pages.token_v1, about="an access token, version 1"),
        Route("POST", "/{tenant}/oauth2/v2.0/token", _SIGN_IN, pages.token_v2, about="an access token, version 2"),
        Route("GET", "/{tenant}/oauth2/authorize", _DISCOVERY, pages.authorize, about="not offered: interactive sign-in of applications"),
        Route(
            "GET", "/{tenant}/oauth2/v2.0/authorize", _DISCOVERY, pages.authorize, about="not offered: interactive sign-in of applications"
        ),
    ]
    return Surface("tokens", routes, judge, render_entra, prefixes=(ALIAS, service.issuer.tenant, "common"))


class _Pages:
    def __init__(self, service: TokenService, keys: SigningKeys) -> None:
        self._service = service
        self._keys = keys

    async def instance(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        return Answer.json(
            {
                "tenant_discovery_endpoint": f"{call.origin}/{self._service.issuer.tenant}/v2.0/.well-known/openid-configuration",
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
        self._check_tenant(tenant)
        here, part = f"{call.origin}/{tenant}", "/v2.0" if version == "2.0" else ""
        return Answer.json(
            {
                "issuer": self._service.issuer.name(version),
                "authorization_endpoint": f"{here}/oauth2{part}/authorize",
                "token_endpoint": f"{here}/oauth2{part}/token",
                "jwks_uri": f"{here}/discovery{part}/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
                "grant_types_supported": [GRANT],
                "response_types_supported": ["none"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "claims_supported": ["aud", "exp", "iat", "iss", "nbf", "oid", "sub", "tid", "ver"],
                "cloud_instance_name": call.host,
                "tenant_region_scope": None,
            }
        )

    async def keys(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        self._check_tenant(params["tenant"])
        issuer = self._service.issuer.name("2.0")
        return Answer.json(
            {"keys": [{**key, "issuer": issuer} for key in await self._keys.published()]}, headers=[("cache-control", "max-age=300")]
        )

    async def token_v1(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        shown = await self._token(call, params["tenant"], "1.0")
        # Version 1 writes numbers as texts.
        return Answer.json({name: str(value) for name, value in shown.items()}, headers=_UNSTORED)

    async def token_v2(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        shown = await self._token(call, params["tenant"], "2.0")
        return Answer.json(
            {name: shown[name] for name in ("token_type", "expires_in", "ext_expires_in", "access_token")}, headers=_UNSTORED
        )

    async def _token(self, call: Call, tenant: str, version: Version) -> JsonObject:
        self._check_tenant(tenant)
        issued = await self._service.grant(await _form(call), version)
        return {
            "token_type": "Bearer",
            "expires_in": issued.life_seconds - 1,
            "ext_expires_in": issued.life_seconds - 1,
            "expires_on": issued.not_before + issued.life_seconds,
            "not_before": issued.not_before,
            "resource": issued.resource,
            "access_token": issued.token,
        }

    async def authorize(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        raise NotOffered(
            "Signing in to applications in the browser is not offered; sign in with a client id and secret.",
            code="unsupported_response_type",
        )

    def _check_tenant(self, tenant: str) -> None:
        if tenant.lower() not in (ALIAS, self._service.issuer.tenant):
            raise refusals.unknown_tenant(tenant)


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
    except (binascii.Error, UnicodeDecodeError):
        colon = ""
        client = secret = ""
    if scheme.lower() != "basic" or not colon:
        raise refusals.invalid_request("The 'Authorization' header of a token request must be of scheme Basic, with client id and secret.")
    return unquote_plus(client), unquote_plus(secret)


def render_entra(fault: Fault, call: Call) -> Answer:
    """The error shape of the token endpoint."""
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
    status = status_of(fault)
    challenge = [("www-authenticate", f'Basic realm="{call.origin}"')] if status == 401 else []
    return Answer.json(shape, status, [*_UNSTORED, *challenge])

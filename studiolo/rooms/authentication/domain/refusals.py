"""Why a token is not given out, with the public cloud's numbers, which people look up and clients print."""

from __future__ import annotations

from studiolo.kernel.faults import Fault, Invalid, Unauthenticated


def invalid_request(text: str) -> Invalid:
    """The request lacks a parameter, or says one twice."""
    return Invalid(text, code="invalid_request", info={"aadsts": 900144})


def unknown_tenant(tenant: str) -> Invalid:
    """Another tenant than ours."""
    text = f"Tenant '{tenant[:100]}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
    return Invalid(text, code="invalid_request", info={"aadsts": 90002})


def unsupported_grant(grant: str) -> Invalid:
    """A way of signing in that is not offered."""
    text = f"The app requested an unsupported grant type '{grant[:100]}'."
    if grant == "password":
        text += (
            " A program never gets a person's password here: sign in with a browser or with a device code, or give the program a secret "
            "or certificate of its own."
        )
    return Invalid(text, code="unsupported_grant_type", info={"aadsts": 70003})


def invalid_scope(scope: str) -> Invalid:
    """A scope that is not one resource with everything that the application may do there."""
    text = (
        f"The provided value for scope {scope[:200]} is not valid. Client credential flows must have a scope value with /.default "
        "suffixed to the resource identifier (application ID URI)."
    )
    return Invalid(text, code="invalid_scope", info={"aadsts": 1002012})


def unknown_resource(resource: str, tenant: str) -> Invalid:
    """A resource that nothing here is."""
    text = (
        f"The resource principal named {resource[:200]} was not found in the tenant named {tenant}. Tokens for another cloud's "
        "services are not made here: check the endpoints that the client is configured with."
    )
    return Invalid(text, code="invalid_resource", info={"aadsts": 500011})


def unknown_client(client: str, tenant: str) -> Invalid:
    """No application has this client id, or none that has a service principal here."""
    text = f"Application with identifier '{client[:100]}' was not found in the directory '{tenant}'."
    return refused(text, code="unauthorized_client", aadsts=700016)


def missing_secret() -> Unauthenticated:
    """The application did not prove itself."""
    return Unauthenticated(
        "The request body must contain the following parameter: 'client_secret'.", code="invalid_client", info={"aadsts": 7000216}
    )


def wrong_secret(client: str) -> Unauthenticated:
    """The secret is none of the application's."""
    text = (
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret "
        f"ID, for a secret added to app '{client}'."
    )
    return Unauthenticated(text, code="invalid_client", info={"aadsts": 7000215})


def expired_secret(client: str) -> Unauthenticated:
    """The secret was the application's until its end."""
    text = f"The provided client secret keys for app '{client}' are expired. Add a new one."
    return Unauthenticated(text, code="invalid_client", info={"aadsts": 7000222})


def disabled_client(client: str) -> Invalid:
    """The service principal was switched off."""
    return refused(f"Application '{client}' is disabled.", code="unauthorized_client", aadsts=7000112)


def wrong_assertion(client: str, why: str) -> Unauthenticated:
    """The client's assertion proves nothing."""
    text = f"Client assertion of app '{client}' is not accepted: {why}."
    return Unauthenticated(text, code="invalid_client", info={"aadsts": 700027})


def missing_proof() -> Unauthenticated:
    """A confidential client did not prove itself."""
    text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
    return Unauthenticated(text, code="invalid_client", info={"aadsts": 7000218})


def public_proof(client: str) -> Unauthenticated:
    """A public client sent a secret, which it cannot keep."""
    text = f"Client '{client}' is public so neither 'client_assertion' nor 'client_secret' should be presented."
    return Unauthenticated(text, code="invalid_client", info={"aadsts": 700025})


def not_public(client: str) -> Unauthenticated:
    """A confidential client asked for what only public ones get."""
    text = f"App '{client}' is not marked as a public client ('isFallbackPublicClient'), so it cannot use this grant without a proof."
    return Unauthenticated(text, code="invalid_client", info={"aadsts": 7000218})


def unknown_scope(scope: str) -> Invalid:
    """The resource has no such permission."""
    text = f"The provided value for the input parameter 'scope' is not valid. The scope '{scope[:200]}' does not exist."
    return Invalid(text, code="invalid_scope", info={"aadsts": 70011})


def dead_refresh_token() -> Invalid:
    """No refresh token, or one that was taken back or has ended."""
    text = "The refresh token is not valid: it expired, was revoked, or is another client's. Sign in again."
    return refused(text, code="invalid_grant", aadsts=70043)


def reused_refresh_token() -> Invalid:
    """A refresh token that was used before: two hold it."""
    text = (
        "The refresh token was used before, so somebody else may hold a copy: everything that was given with it is revoked. Sign in again."
    )
    return refused(text, code="invalid_grant", aadsts=50089)


def bad_code() -> Invalid:
    """No authorization code, or one that has ended or is another client's."""
    text = "The provided authorization code is invalid or has expired."
    return refused(text, code="invalid_grant", aadsts=70008)


def reused_code() -> Invalid:
    """An authorization code that was redeemed before."""
    text = "OAuth2 Authorization code was already redeemed; what was given for it is revoked. Sign in again."
    return refused(text, code="invalid_grant", aadsts=54005)


def bad_verifier() -> Invalid:
    """The proof key of the code does not fit (RFC 7636)."""
    text = "The Code_Verifier does not match the code_challenge supplied in the authorization request."
    return refused(text, code="invalid_grant", aadsts=501481)


def bad_assertion(why: str) -> Invalid:
    """The token on whose behalf somebody acts proves nothing."""
    return refused(f"AssertionFailed: the assertion is not accepted: {why}.", code="invalid_grant", aadsts=500131)


def no_leave(client: str, resource: str) -> Invalid:
    """An application may not use a resource on behalf of people."""
    text = (
        f"The application '{client}' may not use '{resource[:200]}' on behalf of its users: whoever administers it adds the resource to "
        "its 'delegatedResources'."
    )
    return refused(text, code="invalid_grant", aadsts=65001, suberror="consent_required")


def refused(text: str, *, code: str, **info: int | str) -> Invalid:
    """What RFC 6749 answers with 400 though it tells somebody no: it stands in the record like every other refusal."""
    fault = Invalid(text, code=code, info=dict(info))
    fault.is_refusal = True
    return fault


def no_consent(client: str, resource: str) -> Invalid:
    """A person's consent does not name the resource that an application wants to use on their behalf."""
    text = (
        f"The user has not consented to the use of '{resource[:200]}' by the application '{client}' on their behalf. Send an interactive "
        "authorization request for this user and the application: its page names what the application may use now."
    )
    return Invalid(text, code="invalid_grant", info={"aadsts": 65001, "suberror": "consent_required"})


def number_of(fault: Fault) -> int:
    """The number that goes with a refusal; the general one for a fault from elsewhere."""
    found = fault.info.get("aadsts")
    return found if isinstance(found, int) else 900000

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
    text = f"The app requested an unsupported grant type '{grant[:100]}'. This server offers client_credentials with a client secret."
    return Invalid(text, code="unsupported_grant_type", info={"aadsts": 70003})


def unsupported_assertion() -> Invalid:
    """A client that proves itself with a certificate."""
    text = "Client assertions (certificates, federated identities) are not offered; send client_id and client_secret."
    return Invalid(text, code="invalid_client", info={"aadsts": 7000218})


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
    return Invalid(text, code="unauthorized_client", info={"aadsts": 700016})


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
    return Invalid(f"Application '{client}' is disabled.", code="unauthorized_client", info={"aadsts": 7000112})


def number_of(fault: Fault) -> int:
    """The number that goes with a refusal; the general one for a fault from elsewhere."""
    found = fault.info.get("aadsts")
    return found if isinstance(found, int) else 900000

"""The resource types of sign-in: its policy, and providers elsewhere."""

from __future__ import annotations

from studiolo.kernel.principals import demands
from studiolo.kernel.resource import Action, ResourceType
from studiolo.rooms.authentication import schema
from studiolo.rooms.authentication.domain import federation, policies
from studiolo.rooms.authentication.domain.federation import PROVIDERS
from studiolo.rooms.authentication.domain.policies import SIGN_IN_POLICIES
from studiolo.rooms.authentication.service.providers import Providers


def types(providers: Providers) -> list[ResourceType]:
    """All types of this room."""
    return [_policies(), _identity_providers(providers)]


def _policies() -> ResourceType:
    return ResourceType(
        name=SIGN_IN_POLICIES,
        about="What is asked of everybody who signs in with a password.",
        schema=schema.SignInPolicy,
        admit=policies.admit_policy,
        demands=demands,
        name_pattern="^default$",
    )


def _identity_providers(providers: Providers) -> ResourceType:
    return ResourceType(
        name=PROVIDERS,
        about="Providers of OpenID Connect elsewhere that people sign in by, and which of their groups mean which of ours.",
        schema=schema.IdentityProvider,
        admit=federation.admit_provider,
        needs=federation.provider_needs,
        demands=demands,
        guard=providers.guard,
        retire=providers.retire,
        view=providers.view,
        name_pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,39}$",
        actions=(Action("setClientSecret", providers.set_secret, is_secret=True),),
    )

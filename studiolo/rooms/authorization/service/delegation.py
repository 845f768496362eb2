"""Nobody grants, by whatever way, what they could not grant by an assignment (check L8 of the access specification).

Who may give roles only under a condition gives no role that could undo the condition; and whoever adds a member to a
group, or a secret to an application, gives what the group or the application holds. Nor does anybody take somebody out of
the reach of a deny assignment, by letting them be one whom it spares or no longer one whom it names, who could not remove it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from studiolo.kernel.access.blocks import blocks_of
from studiolo.kernel.access.grants import Assignment, Role
from studiolo.kernel.access.names import GIVES_ROLES, PRINCIPAL_ID, PRINCIPAL_TYPE, ROLE_DEFINITION_ID
from studiolo.kernel.access.scopes import ROOT, scope_key
from studiolo.kernel.documents import resource_of
from studiolo.kernel.faults import Forbidden
from studiolo.kernel.gate import Gate, Grants
from studiolo.kernel.principals import CUSTOM_ATTRIBUTES
from studiolo.kernel.resource import Caller, Change, JsonObject, Resource
from studiolo.rooms.authorization.domain.assignments import by_principal
from studiolo.rooms.authorization.domain.denials import by_excluded
from studiolo.rooms.authorization.domain.roles import DENY_ASSIGNMENTS, ROLE_DEFINITIONS
from studiolo.rooms.authorization.ports import Reading
from studiolo.rooms.authorization.service.owners import UNDENIES, covers

GRANTING: Final = (
    GIVES_ROLES,
    f"{ROLE_DEFINITIONS}/write",
    f"{DENY_ASSIGNMENTS}/write",
    f"{DENY_ASSIGNMENTS}/delete",
    "Studiolo.Directory/users/write",
    "Studiolo.Directory/groups/write",
    "Studiolo.Directory/servicePrincipals/write",
    "Studiolo.Directory/applications/write",
    "Studiolo.Directory/applications/addPassword/action",
    "Studiolo.Directory/applications/addKey/action",
    "Studiolo.Directory/users/createPasswordLink/action",
    "Studiolo.Directory/users/resetCredentials/action",
    "Studiolo.Directory/users/setPassword/action",
    "Studiolo.Directory/identityProviders/write",
    "Microsoft.Management/managementGroups/write",
    "Microsoft.Management/managementGroups/subscriptions/write",
)
"""Actions by which somebody can come to hold, or let others hold, more than before."""


class Delegation:
    """Asks what a caller may grant."""

    def __init__(self, store: Reading, gate: Gate, grants: Grants) -> None:
        self._store = store
        self._gate = gate
        self._grants = grants

    async def require_role(self, caller: Caller, role: Role, scope: str, condition: str | None) -> None:
        """Refuse a role by which its holder could grant more than the caller, who grants under a condition only, may.

        Such a role may be given on under the very condition that the caller has.

        Raises:
            Forbidden: code `RoleBeyondDelegation`.
        """
        if caller.is_platform or not covers(role.permissions, *GRANTING) or await self._gate.may(caller, GIVES_ROLES, scope):
            return
        if condition is not None and condition in await self._conditions(caller, scope):
            return
        raise Forbidden(
            f"The role '{role.name}' lets its holder give roles or change who holds them, and you may give roles at '{scope}' under a "
            "condition only: its holder would not be bound by it. Give it with the same condition, or let somebody give it whose right "
            "to assign roles has none.",
            code="RoleBeyondDelegation",
            target="properties.roleDefinitionId",
        )

    async def require_holdings(self, caller: Caller, holder: str, name: str, members: Iterable[tuple[str, str]]) -> None:
        """Refuse to let `members` (object ids and types) hold what `holder` holds, unless the caller could assign all of it to them.

        Nor may they be spared what the holder is spared, unless the caller could remove the deny assignments that spare it.

        Raises:
            Forbidden: codes `MembershipBeyondDelegation`, `MembershipUndoesDenial`.
        """
        await self._require_undenial(caller, holder, by_excluded, f"'{name}' is spared by")
        for oid, kind in members:
            await self._require(caller, holder, name, {PRINCIPAL_ID: oid, PRINCIPAL_TYPE: kind}, f"{kind} '{oid}'")

    async def require_anybody(self, caller: Caller, holder: str, name: str) -> None:
        """Refuse to let whomever a provider elsewhere names hold what `holder` holds, unless the caller could assign it to any user.

        A condition on whom the caller may give roles to cannot be met: nobody knows yet who it will be. Raises as
        `require_holdings` does.
        """
        await self._require_undenial(caller, holder, by_excluded, f"'{name}' is spared by")
        await self._require(caller, holder, name, {PRINCIPAL_TYPE: "User"}, "any user")

    async def _require(self, caller: Caller, holder: str, name: str, receiver: Mapping[str, str], shown: str) -> None:
        if caller.is_platform:
            return
        held: Sequence[Assignment] = (await self._grants.facts(holder)).facts.assignments
        for each in held:
            try:
                await self._gate.require(caller, GIVES_ROLES, each.id, request={ROLE_DEFINITION_ID: each.role.id, **receiver})
            except Forbidden:
                raise Forbidden(
                    f"'{name}' holds '{each.role.name}' at '{each.scope}', and you may not assign that to {shown}: by this "
                    f"change it would come to hold it. It needs '{GIVES_ROLES}' there.",
                    code="MembershipBeyondDelegation",
                ) from None

    async def require_attributes(self, change: Change) -> None:
        """Refuse to change somebody's custom security attributes, on which roles anywhere may hang, to who could not give roles everywhere.

        Raises:
            Forbidden: code `AttributesBeyondDelegation`.
        """
        before, after = _spelled(change.old.properties if change.old else {}), _spelled(change.new.properties)
        if before == after or await self._gate.may(change.caller, GIVES_ROLES, ROOT):
            return
        raise Forbidden(
            f"Conditions at any scope may give roles by custom security attributes, so to change them needs '{GIVES_ROLES}' at '{ROOT}', "
            "without a condition.",
            code="AttributesBeyondDelegation",
            target=f"properties.{CUSTOM_ATTRIBUTES}",
        )

    async def require_release(self, caller: Caller, holder: str, name: str) -> None:
        """Refuse to let somebody be `holder`, or a member of it, no longer, unless the caller could remove what denies them by it.

        Raises:
            Forbidden: a deny assignment names the holder or a group that holds it (code `MembershipUndoesDenial`).
        """
        await self._require_undenial(caller, holder, by_principal, f"'{name}' is denied by")

    async def _require_undenial(self, caller: Caller, holder: str, facet: Callable[[str], str], how: str) -> None:
        """Refuse unless the caller could remove every deny assignment that a principal, or a group that holds it, carries as a facet."""
        if caller.is_platform:
            return
        for oid in sorted((await self._grants.facts(holder)).facts.ids):
            after: str | None = ""
            while after is not None:
                page = await self._store.by_facet(DENY_ASSIGNMENTS.lower(), facet(oid), after=after)
                for row in page.rows:
                    await self._require_one_undenial(caller, resource_of(row), how)
                after = page.next

    async def _require_one_undenial(self, caller: Caller, deny: Resource, how: str) -> None:
        try:
            await self._gate.require(caller, UNDENIES, deny.id.text)
        except Forbidden:
            raise Forbidden(
                f"{how} the deny assignment '{deny.properties.get('denyAssignmentName')}' at '{deny.properties.get('scope')}', which this "
                f"change would undo for somebody. It needs '{UNDENIES}' there.",
                code="MembershipUndoesDenial",
            ) from None

    async def require_person(self, caller: Caller, user: Resource) -> None:
        """Refuse to hand over a person's sign-in to who could not assign to them what they hold. Raises as `require_holdings` does."""
        await self._gate.require(caller, GIVES_ROLES, user.id.text)
        oid = user.name.lower()
        await self.require_holdings(caller, oid, user.properties.get("displayName") or oid, [(oid, "User")])

    async def _conditions(self, caller: Caller, scope: str) -> set[str]:
        """The conditions under which the caller may give roles at a scope."""
        facts = (await self._grants.facts(caller.oid)).facts
        chain = frozenset(facts.hierarchy.chain(scope_key(scope)))
        return {
            each.condition
            for each in facts.assignments
            if each.condition is not None
            and each.timing(facts.moment) == "now"
            and scope_key(each.scope) in chain
            and any(block.condition is None for block in blocks_of(each.role.permissions).covering("control", GIVES_ROLES.lower()))
        }


def _spelled(properties: JsonObject) -> bytes:
    """Custom security attributes as one text: as values of Python, true and 1 would be the same."""
    return msgspec.json.encode(properties.get(CUSTOM_ATTRIBUTES) or {}, order="deterministic")

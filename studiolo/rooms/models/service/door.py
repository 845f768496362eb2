"""Who calls, and for which project: keys and tokens at the door of the model calls."""

from __future__ import annotations

from dataclasses import dataclass

from studiolo.kernel.faults import Fault, Forbidden, Invalid, Unauthenticated
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.resource import Caller
from studiolo.rooms.models.domain.accounts import KEY_ACTIONS, account_of
from studiolo.rooms.models.domain.keys import PREFIX
from studiolo.rooms.models.ports import Callers, Projects
from studiolo.rooms.models.service.keys import Holder, Keys


@dataclass(frozen=True, slots=True)
class Visit:
    """One caller at one project."""

    caller: Caller
    project: ResourceId
    account: ResourceId


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who is at the door, and the visit that they ask for; None where there is no such project, which they must not learn."""

    caller: Caller
    visit: Visit | None


class Door:
    """Turns a credential and the project's name in the address into an arrival. It decides nothing: the engine does."""

    def __init__(self, keys: Keys, callers: Callers, projects: Projects) -> None:
        self._keys = keys
        self._callers = callers
        self._projects = projects

    async def open(self, project: str | None, *, api_key: str | None, token: str | None) -> Arrival:
        """Whom these credentials prove, and where they want to go.

        Raises:
            Unauthenticated: no credential, or one that opens nothing here.
            Invalid: a token without a project in the address (code `ProjectMissing`).
        """
        if api_key is None and token is not None and token.startswith(PREFIX):
            api_key = token
        if api_key is not None:
            return await self._by_key(project, api_key)
        if token is None:
            raise Unauthenticated(
                "You did not provide a credential: send a project key in the header 'api-key' or 'Authorization: Bearer KEY', "
                "or an access token as bearer.",
                code="invalid_api_key",
            )
        caller = await self._callers.of_token(token)
        if project is None:
            raise Invalid(
                "An access token names no project: call '/projects/{project}/openai/…'. Only a project key works without.",
                code="ProjectMissing",
            )
        found = await self._projects.find(project)
        return Arrival(caller, Visit(caller, found.id, account_of(found.id)) if found is not None else None)

    async def _by_key(self, project: str | None, text: str) -> Arrival:
        holder = await self._keys.find(text)
        if holder is None or (project is not None and not holder.names_project(project)):
            raise Unauthenticated(
                "Incorrect API key provided, or it belongs to another project than the address names. "
                "A project's keys are those of its model account (listKeys).",
                code="invalid_api_key",
            )
        caller = _caller(holder)
        return Arrival(caller, Visit(caller, parse(holder.project), parse(holder.account)))


def _caller(holder: Holder) -> Caller:
    return Caller(
        oid=holder.identity, kind="ProjectKey", name=f"{holder.slot} key of {holder.project.rpartition('/')[2]}", limited_to=KEY_ACTIONS
    )


def refusal(action: str, project: str | None, why: Fault | None = None) -> Forbidden:
    """The same words for a project that does not exist and for one where the caller may not do this; the record knows which.

    `why` is what the engine said; None where there was nothing to ask about.
    """
    where = f"the project '{project}'" if project else "this project"
    refused = Forbidden(
        f"The caller lacks the required data action '{action}' on {where}, or there is no such project.", code="PermissionDenied"
    )
    if why is not None:
        refused.decision = why.decision
    return refused

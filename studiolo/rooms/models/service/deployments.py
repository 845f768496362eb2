"""Deployments by name, as calls ask for them: remembered until a commit changes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from studiolo.kernel.faults import NotFound
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.store.port import DropResource, PutResource, Row, Store, Write
from studiolo.rooms.models.domain.accounts import DEPLOYMENT, Model, deployment_of, find_model, read_deployment

_KEY = DEPLOYMENT.lower()
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Deployment:
    """A model under a name. `created` is in seconds since the epoch, as model lists have it."""

    name: str
    model: Model
    created: int


class Deployments:
    """Finds deployments."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Deployment] = {}
        self._changes = 0
        store.listen(self._forget)

    async def get(self, account: ResourceId, name: str) -> Deployment:
        """The deployment of this name.

        Raises:
            NotFound: the account has no such deployment (code `DeploymentNotFound`).
        """
        found = await self.find(account, name)
        if found is None:
            raise NotFound(
                f"There is no deployment '{name[:100]}' here. A new project has 'chat' and 'embeddings'; "
                "others are made on the project's model account.",
                code="DeploymentNotFound",
                target="model",
            )
        return found

    async def find(self, account: ResourceId, name: str) -> Deployment | None:
        """The deployment of this name, or None."""
        id_ = deployment_of(account, name)
        if id_ is None:
            return None
        found = self._known.get(id_.key)
        if found is None:
            before = self._changes
            row = await self._store.find(id_.key)
            found = _deployment(row) if row else None
            if found is None:
                return None
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            if before == self._changes:
                self._known[id_.key] = found
        return found

    async def list(self, account: ResourceId) -> list[Deployment]:
        """All deployments of the account, by name."""
        found: list[Deployment] = []
        after = ""
        while True:
            page = await self._store.page(f"{account.key}/deployments", after=after)
            found += [deployment for row in page.rows if (deployment := _deployment(row)) is not None]
            if page.next is None:
                return found
            after = page.next

    def _forget(self, writes: Sequence[Write]) -> None:
        for write in writes:
            match write:
                case PutResource(row=Row(key=key, type=kind)) | DropResource(key=key, type=kind) if kind == _KEY:
                    self._known.pop(key, None)
                    self._changes += 1
                case _:
                    pass


def _deployment(row: Row) -> Deployment | None:
    body = read_deployment(row.doc)
    model = find_model(body.properties.model.name)
    created = int(datetime.fromisoformat(row.created).timestamp())
    return Deployment(body.name, model, created) if model else None

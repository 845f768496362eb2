"""The keys of hubs and projects: established, shown, rotated with or without sealing anew, guarded by a customer, destroyed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from studiolo.kernel import clock
from studiolo.kernel.faults import Conflict, Fault, Forbidden, NotFound, Stale, Unavailable
from studiolo.kernel.keys import KeyRing, Rotation
from studiolo.kernel.operations import Operations
from studiolo.kernel.operations.worker import Run
from studiolo.kernel.resource import Accepted, Invocation, JsonObject, Resource
from studiolo.kernel.store.port import Write
from studiolo.rooms.keys import domain
from studiolo.rooms.keys.ports import Owners, Places, Sealed

REENCRYPT: Final = "reencrypt"
_TOLD_SECONDS = 0.5


class WorkspaceKeys:
    """The use cases of the keys of workspaces."""

    def __init__(self, ring: KeyRing, places: Places, sealed: Sealed) -> None:
        self._ring = ring
        self._rotation = Rotation(ring)
        self._places = places
        self._sealed = sealed
        self._operations: Operations | None = None

    def attend(self, operations: Operations) -> None:
        """Take the worker by which things are sealed anew in the background."""
        self._operations = operations
        operations.register(REENCRYPT, self._reencrypt, _leave)

    # ── when a workspace is made, changed, removed ───────────────────────────────────────────────────────────────

    async def prepare(self, workspace: Resource) -> None:
        """See that the workspace's keys are there, each under its parent. Safe to repeat."""
        owners = await self._places.owners(workspace)
        await self._rotation.establish(owners.root, None, has_share=True)
        if owners.account is not None:
            kept = await self._ring.find(owners.account)
            if kept is None or kept[1].parent is None:  # an account that several hubs name is under the first one's key
                await self._rotation.establish(owners.account, owners.root)
        if owners.own is not None:
            await self._rotation.establish(owners.own, owners.root, has_share=True)
            for owner in owners.below:
                await self._rotation.establish(owner, owners.own)

    async def guard(self, workspace: Resource) -> None:
        """Let the customer's key that the workspace names guard its key, if that is not so already.

        Raises:
            Invalid, Forbidden, Unavailable: the customer's key cannot be used; nothing was changed.
        """
        encryption: JsonObject = workspace.properties.get("encryption") or {}
        vault: JsonObject = encryption.get("keyVaultProperties") or {}
        address: str = vault.get("keyIdentifier") or ""
        if encryption.get("status") != "Enabled" or not address:
            return
        owners = await self._places.owners(workspace)
        found = await self._ring.find(owners.root)
        if found is None or found[1].customer is None or found[1].customer.address != address:
            await self._rotation.guard(owners.root, address)

    async def release(self, workspace: Resource) -> None:
        """Destroy the keys of a workspace that goes. Safe to repeat.

        An account outlives the hub that it was made for, so its key moves under the master key first. If a customer's key
        is withdrawn it cannot move; then the hub's key stays, so that all is there when the customer's key comes back.
        """
        owners = await self._places.owners(workspace)
        if owners.own is not None:
            await self._ring.destroy(owners.own)
        if workspace.kind == "Project":
            return
        found = await self._ring.find(owners.account) if owners.account is not None else None
        if owners.account is not None and found is not None and found[1].parent == owners.root:
            try:
                await self._rotation.establish(owners.account, None)
            except (Forbidden, Unavailable) as refusal:
                if refusal.code != "KeyDestroyed":
                    return
        await self._ring.destroy(owners.root)

    # ── what people do ───────────────────────────────────────────────────────────────────────────────────────────

    async def show(self, call: Invocation) -> JsonObject:
        """What can be said of the workspace's key: never the key."""
        workspace = call.resource
        owners = await self._places.owners(workspace)
        owner = owners.own or owners.root
        found = await self._ring.find(owner)
        if found is None:
            raise NotFound(f"'{workspace.name}' has no key.", code="KeyNotFound")
        _, kept = found
        root = await self._ring.find(owners.root)
        customer = root[1].customer if root is not None else None
        stale = 0
        for one in [] if kept.destroyed else await self._sealing(workspace, owners):
            holder = await self._ring.find(one)
            if holder is not None and len(holder[1].generations) > 1:  # else there is nothing to look through
                stale += (await self._sealed.count(one, holder[1].newest.number))[1]
        wrapped_by = f"{kept.parent} (version {kept.newest.by})" if kept.parent and kept.generations else kept.parent or "master key"
        return {
            "workspace": workspace.id.text,
            **domain.shown(kept, wrapped_by, stale),
            "customerKey": customer.address if customer is not None else None,
            "rotation": self._under_way(workspace),
        }

    async def rotate(self, call: Invocation) -> JsonObject | Accepted:
        """Give the workspace's key a new version and wrap anew what hangs on it; with `reencrypt`, seal anew what it sealed.

        Raises:
            Forbidden: the caller may not change the workspace, or the key is destroyed or a customer's is withdrawn.
            Conflict: things are being sealed anew already (code `RotationUnderWay`).
        """
        workspace = call.resource
        owners = await self._places.owners(workspace)
        if self._under_way(workspace) is not None:
            raise _under_way(workspace)
        await self._rotation.rotate(owners.own or owners.root)
        if owners.own is None:
            await self._rotation.retire(owners.root)
        if call.body.get("reencrypt") is not True:
            return await self.show(call)
        sealing = await self._sealing(workspace, owners)
        for owner in sealing:
            if owner != owners.own:
                await self._rotation.rotate(owner)
        return await self._begin(call, sealing)

    async def destroy(self, call: Invocation) -> JsonObject:
        """Destroy the workspace's key for good; the body must name the workspace.

        Raises:
            Forbidden: the caller may not.
            Invalid: the body names something else (code `NameDoesNotMatch`).
        """
        workspace = call.resource
        domain.check_name(call.body, workspace.name)
        owners = await self._places.owners(workspace)
        await self._ring.shred(owners.own or owners.root)
        return await self.show(call)

    # ── sealing anew ─────────────────────────────────────────────────────────────────────────────────────────────

    async def _begin(self, call: Invocation, sealing: Sequence[str]) -> Accepted:
        if self._operations is None:
            raise Unavailable("Nothing works in the background of this process.")
        target = call.resource.id.extension(domain.ROTATIONS, "current")
        operation = self._operations.new(
            REENCRYPT, target, call.caller, f"{domain.ROTATIONS}/write", context={"owners": list(sealing), "progress": _progress(0, 0)}
        )
        try:
            row = await self._operations.run(operation, patience_seconds=0.0)
        except Stale:
            raise _under_way(call.resource) from None
        return Accepted(row.id)

    async def _reencrypt(self, run: Run) -> Sequence[Write]:
        owners: list[str] = run.report.context["owners"]
        newest = {owner: await self._newest(owner) for owner in owners}
        totals = {owner: (await self._sealed.count(owner, newest[owner]))[0] for owner in owners}
        total, before, kept = sum(totals.values()), 0, 0
        last = 0.0

        async def told(done: int) -> None:
            nonlocal last
            run.report.context["progress"] = _progress(before + min(done, totals[owner]), total)
            if clock.monotonic() - last > _TOLD_SECONDS:
                last = clock.monotonic()
                await run.write()

        for owner in owners:
            try:
                is_all = await self._sealed.seal(owner, newest[owner], told)
                # Somebody may have rotated the key again meanwhile; then the older versions are theirs to retire.
                if is_all and await self._newest(owner) == newest[owner]:
                    await self._rotation.retire(owner)
                kept += not is_all
            except Forbidden as fault:
                if fault.code != "KeyDestroyed":
                    raise
            before += totals[owner]
        run.report.context["progress"] = _progress(total, total) | {"keysStillInUse": kept}
        return ()

    async def _newest(self, owner: str) -> int:
        found = await self._ring.find(owner)
        return found[1].newest.number if found is not None and found[1].generations else 0

    async def _sealing(self, workspace: Resource, owners: Owners) -> list[str]:
        """The owners whose keys seal a workspace's bytes; for a hub, its account's and its projects'."""
        found: list[str] = []
        if owners.account is not None:
            kept = await self._ring.find(owners.account)
            found += [owners.account] if kept is not None and kept[1].parent == owners.root else []
        if owners.own is not None:
            found.append(owners.own)
        for project in await self._places.projects(workspace):
            with suppress(NotFound):
                own = (await self._places.owners(project)).own
                kept = await self._ring.find(own) if own is not None else None
                found += [own] if own is not None and kept is not None and not kept[1].destroyed else []
        return found

    def _under_way(self, workspace: Resource) -> str | None:
        hold = self._operations.hold_on(workspace.id.extension(domain.ROTATIONS, "current").key) if self._operations else None
        return hold.operation if hold is not None else None


async def _leave(run: Run, fault: Fault) -> Sequence[Write]:
    """A sealing anew that failed leaves older versions in place: everything opens, and the next rotation goes on."""
    del run, fault
    return ()


def _progress(done: int, total: int) -> JsonObject:
    return {"percentComplete": domain.percent(done, total) if total else 0, "done": done, "total": total}


def _under_way(workspace: Resource) -> Conflict:
    return Conflict(f"The bytes of '{workspace.name}' are being sealed anew already; wait for that.", code="RotationUnderWay")

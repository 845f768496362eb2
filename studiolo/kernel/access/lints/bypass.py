"""L6: a condition that changes nothing, because its principal holds the same without it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from studiolo.kernel.access.blocks import blocks_of
from studiolo.kernel.access.compiled import CompiledFacts
from studiolo.kernel.access.conditions import Condition
from studiolo.kernel.access.grants import Permission
from studiolo.kernel.access.lints.coverage import granted, listed
from studiolo.kernel.access.lints.findings import Finding
from studiolo.kernel.access.scopes import scope_key


def bypassed(condition: Condition, permissions: Iterable[Permission], scope: str, holder: CompiledFacts, own: str) -> Iterator[Finding]:
    """Other assignments of the principal, or of its groups, at this or a higher scope that grant the same without a condition.

    `own` is the id of the assignment that is written; only actions that its condition restricts count.
    """
    restricted = [
        offer
        for offer in granted(permissions)
        if any(not condition.residue(offer.action, way.sub_operations).is_fixed for way in offer.variants)
    ]
    if any(offer.plane == "data" for offer in restricted):
        # Reader and its like read the properties of containers everywhere: that is no way to the bytes which are guarded.
        restricted = [offer for offer in restricted if offer.plane == "data" or not offer.action.endswith("/read")]
    chain = frozenset(holder.facts.hierarchy.chain(scope_key(scope)))
    for other in sorted(holder.facts.assignments, key=lambda each: each.id):
        if other.condition is not None or other.id.lower() == own.lower() or scope_key(other.scope) not in chain:
            continue
        covers = blocks_of(other.role.permissions).covering
        same = [each.action for each in restricted if any(block.condition is None for block in covers(each.plane, each.action))]
        if same:
            yield Finding(
                "L6",
                f"the principal holds {listed(same)} through '{other.role.name}' at '{other.scope}' without a condition ({other.id})",
                "remove that assignment, or give it the condition",
            )

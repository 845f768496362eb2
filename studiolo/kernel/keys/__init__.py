"""The key ring: keys by owner in generations, wrapped by parents, shares and customers' keys; small secrets; rotation."""

from __future__ import annotations

from studiolo.kernel.keys.ports import CustomerKeys, Shares
from studiolo.kernel.keys.rewrap import Rotation
from studiolo.kernel.keys.ring import PENDING, DataKeys, KeyRing, generation_of
from studiolo.kernel.keys.stored import SPACE, Customer, Kept, derived, gone

__all__ = [
    "PENDING",
    "SPACE",
    "Customer",
    "CustomerKeys",
    "DataKeys",
    "Kept",
    "KeyRing",
    "Rotation",
    "Shares",
    "derived",
    "generation_of",
    "gone",
]

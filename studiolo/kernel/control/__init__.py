"""The pipeline that every resource of every type goes through."""

from studiolo.kernel.control.pipeline import Control, Deleted, Outcome

__all__ = ["Control", "Deleted", "Outcome"]

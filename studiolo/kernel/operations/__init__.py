"""Long operations: leased, fenced, journalled step by step, and taken up again after a crash."""

from studiolo.kernel.operations.worker import Hold, Operations, Report, status_of

__all__ = ["Hold", "Operations", "Report", "status_of"]

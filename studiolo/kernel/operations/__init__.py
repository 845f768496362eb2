"""Long operations: leased, fenced, journalled step by step, and taken up again after a crash."""

from studiolo.kernel.operations.worker import Operations, Report, status_of

__all__ = ["Operations", "Report", "status_of"]

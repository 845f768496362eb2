"""The proof of the wall between projects, made on a running studio through its public API alone.

Two throw-away projects are made in one hub. One is filled with canaries: names and contents that nobody can guess. For
every route, verb and action that the studio says it serves there is a valid request, which the project's owner sends first:
that is the control. Then the identities of the other project send the same with every kind of key, and every byte that comes
back is searched for canaries. What the control does not show to be valid is not counted as refused.
"""

from studiolo.app.isolation.report import check_report, signed_report
from studiolo.app.isolation.run import Options, probe

__all__ = ["Options", "check_report", "probe", "signed_report"]

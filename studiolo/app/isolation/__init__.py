"""The proof of the wall between projects, made on a running studio through its public API alone.

Two throw-away projects are made in one hub. One is filled with canaries: names and contents that nobody can guess. Then
the identities of the other attack it by every route and every verb that the studio says it serves, with every kind of
key, and every byte that comes back is searched for canaries.
"""

from studiolo.app.isolation.report import check_report, signed_report
from studiolo.app.isolation.run import Options, probe

__all__ = ["Options", "check_report", "probe", "signed_report"]

"""Policy unit tests: files of decisions that somebody expects of the engine.

A fixtures file (JSON) names the world: `groups` (group -> members), `disabled` principals, `mgParent` (management group
-> parent), `mgOfSub` (subscription -> management group), `scopes` (short name -> scope), `custom` (role name ->
{permissions}), `conds` (name -> condition, `$1` stands for the argument of `NAME(argument)`). All parts are optional.

A vector file is one decision a line, or one JSON object with lists under `decisions`, `expr`, `write` and `http`:

    decision    id · as: [[principal, role, scope, condition?]] · rq: {p, a, s, d?, sub?, res?, req?, pri?, env?}
                · da?: [{s, p, x?, a?, na?, da?, nda?, noChild?, c?}] · x: allow, deny or reject (malformed)
    expr        id · e: condition · a?, sub?, res?, req?, pri?, env? · x: T, F or U
    write       id · c: condition · v?: conditionVersion · x: accept or reject
    http        id · raw: path of a request · x: [container, blob] or "400"

`why` may explain any of them. Roles are named by their custom or built-in name, or by a built-in's id. Attributes have
their full names or the short ones of `names.SHORT_NAMES`. In `da`, `p` may hold `*` for everyone.
"""

from studiolo.kernel.access.vectors.run import Disagreement, Report, run_vectors

__all__ = ["Disagreement", "Report", "run_vectors"]

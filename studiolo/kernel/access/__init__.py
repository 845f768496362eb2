"""Who may do what: the pure engine that decides every call of the control plane and of the data planes.

    ask.py          what is asked          decision.py     decide(ask, facts) -> Verdict
    grants.py       what is known          visibility.py   visible(facts, action, plane, scope) -> Filter, for lists
    scopes.py       where                  explanation.py  explain(ask, facts) -> Explanation, for people
    patterns.py     permission patterns    compiled.py     facts made ready for many asks
    blocks.py       permission blocks      plans.py        the plan of one question
    conditions/     the condition language names.py        from a raw URL path to the names that are decided on
    world.py        everybody's facts      reach.py        who_can(ask, world), abilities(facts, ask, actions)
    simulation.py   what a change would do: simulate(before, after, actions)
    built_in.py     the roles that exist everywhere        vectors.py      policy tests that people write

Nothing here reads a clock, a store, the environment or a socket. Given the same ask and the same facts the answer is
the same, in any order of the facts. What is missing, malformed or unknown never grants.
"""

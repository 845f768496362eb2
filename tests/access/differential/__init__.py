"""Generated worlds and questions, put to the engine and to the second opinion of `tests.access.oracle`.

values.py      what attributes and literals are drawn from      worlds.py    principals, groups, roles, assignments, denials, questions
conditions.py  condition texts, spelled in every way            engine.py    the same world in the engine's words; what it answers
campaign.py    many seeds; what was reached; `python -m tests.access.differential.campaign --help`
"""

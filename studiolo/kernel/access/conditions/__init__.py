"""The condition language 2.0: `@Resource[…containers:name] StringStartsWith 'ws1-'`.

    lexer.py     text -> tokens              values.py      what attribute values mean to each family of operators
    parser.py    tokens -> syntax tree       operators.py   the table of operators
    syntax.py    the tree                    attributes.py  finding them in an ask
    writing.py   what may be written         atoms.py       one atom -> three values
                                             evaluation.py  the tree -> three values
                                             condition.py   compile_condition, read_condition, Condition

Three values: True, False and UNKNOWN (None). Unknown comes from a missing, null or empty attribute, from a value of the
wrong type, and from two or more values where one is compared; Kleene's tables join them. Only True grants.
"""

from studiolo.kernel.access.conditions.atoms import UNKNOWN, Truth
from studiolo.kernel.access.conditions.condition import AtomOutcome, Condition, compile_condition, read_condition
from studiolo.kernel.access.conditions.writing import check_condition

__all__ = ["UNKNOWN", "AtomOutcome", "Condition", "Truth", "check_condition", "compile_condition", "read_condition"]

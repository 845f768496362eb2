"""Condition texts: every operator and quantifier, spelled in every way that the language allows, and some that it does not."""

import random
from dataclasses import dataclass

from tests.access.differential import values

BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
TAGS = f"{BLOBS}/tags"
TAG_KEYS = ("Project", "project", "Class", "a b")
FAMILIES = {"String": "string", "Numeric": "numeric", "DateTime": "datetime", "Guid": "guid", "Bool": "bool"}
ORDERS = ("Equals", "NotEquals", "GreaterThan", "GreaterThanEquals", "LessThan", "LessThanEquals")
OPERATORS = (
    *(f"String{no}{way}{case}" for way in ("Equals", "StartsWith", "Like") for no in ("", "Not") for case in ("", "IgnoreCase")),
    *(f"{family}{order}" for family in ("Numeric", "DateTime") for order in ORDERS),
    *(f"{family}{order}" for family in ("Guid", "Bool") for order in ("Equals", "NotEquals")),
)
QUANTIFIERS = ("ForAnyOfAnyValues", "ForAllOfAnyValues", "ForAnyOfAllValues", "ForAllOfAllValues")
QUANTIFIED = tuple(f"{quantifier}:{name}" for quantifier in QUANTIFIERS for name in OPERATORS if not name.startswith(("DateTime", "Bool")))
LABELS = (*OPERATORS, *QUANTIFIED)


@dataclass(frozen=True)
class Known:
    """An attribute that the bags of questions have, most of the time."""

    source: str
    name: str
    family: str


ATTRIBUTES = (
    *(Known(source, f"x:{family}", family) for source in ("Resource", "Request") for family in values.OF_FAMILY),
    Known("Resource", "Microsoft.Storage/storageAccounts/blobServices/containers:name", "string"),
    Known("Resource", f"{BLOBS}:path", "string"),
    Known("Request", f"{BLOBS}:prefix", "string"),
    Known("Request", "Microsoft.Authorization/roleAssignments:RoleDefinitionId", "guid"),
    Known("Principal", "Microsoft.Directory/CustomSecurityAttributes/Id:Engineering_Project", "string"),
    Known("Principal", "Microsoft.Directory/CustomSecurityAttributes/Id:Engineering_Level", "numeric"),
    Known("Environment", "UtcNow", "datetime"),
    Known("Environment", "isPrivateLink", "bool"),
)
TAG_FORMS = (f"{TAGS}:%s<$key_case_sensitive$>", f"{TAGS}:%s", f"{TAGS}&$keys$&")
BROKEN = (
    "(",
    "1 NumericEquals",
    "x",
    "'a' StringContains 'a'",
    "1 NumericEquals 1 AND",
    "",
    " ",
    "NOT",
    "1 Equals 1",
    "@X[a] StringEquals 'a'",
)


def family_of(label: str) -> str:
    """The family of an operator, quantified or not."""
    name = label.rpartition(":")[2]
    return next(family for start, family in FAMILIES.items() if name.startswith(start))


class Writer:
    """Writes conditions by chance; `action_patterns` are what ActionMatches asks for."""

    def __init__(
        self, chance: random.Random, palette: values.Palette, action_patterns: tuple[str, ...], sub_operations: tuple[str, ...]
    ) -> None:
        self.chance = chance
        self.palette = palette
        self.action_patterns = action_patterns
        self.sub_operations = sub_operations

    def condition(self, label: str | None = None) -> str:
        """A condition; with a label, a small one in which that operator decides often."""
        chance = self.chance
        drawn = chance.random()
        if label is not None:
            atom = self.comparison(label)
            return atom if drawn < 0.6 else self.joined([atom, self.atom()]) if drawn < 0.8 else self.negated(atom)
        if drawn < 0.03:
            return chance.choice(BROKEN)
        if drawn < 0.04:
            return self.too_many_steps()
        return self.tree(chance.choice((0, 0, 1, 1, 2, 3)))

    def tree(self, depth: int) -> str:
        chance = self.chance
        if depth == 0 or chance.random() < 0.2:
            return self.atom()
        if chance.random() < 0.25:
            return self.negated(self.tree(depth - 1))
        return self.joined([self.tree(depth - 1) for _ in range(chance.choice((2, 2, 3)))])

    def joined(self, parts: list[str]) -> str:
        word = self.chance.choice(("AND", "&&", "OR", "||", "and", "Or"))
        return f"{self.gap()}{word}{self.gap()}".join(f"({part})" for part in parts)

    def negated(self, part: str) -> str:
        return f"{self.chance.choice(('NOT ', '!', 'not', '! NOT !'))}({part})"

    def gap(self) -> str:
        return self.chance.choice((" ", " ", "  ", "\n", "\t ", "\r\n"))

    def cased(self, word: str) -> str:
        return self.chance.choice((word, word, word, word.lower(), word.upper()))

    def atom(self) -> str:
        chance = self.chance
        drawn = chance.random()
        space = chance.choice(("", " "))
        if drawn < 0.15:
            return f"{self.cased('ActionMatches')}{space}{{{space}'{chance.choice(self.action_patterns)}'}}"
        if drawn < 0.22:
            return f"{self.cased('SubOperationMatches')}{space}{{'{chance.choice(self.sub_operations)}'}}"
        if drawn < 0.30:
            return f"{self.cased(chance.choice(('Exists', 'NotExists')))}{chance.choice((' ', ''))}{self.attribute(None)}"
        return self.comparison(chance.choice(LABELS))

    def comparison(self, label: str) -> str:
        """`left [quantifier:]operator right`, mostly of types that fit."""
        chance = self.chance
        family = family_of(label)
        quantifier, _, name = label.rpartition(":")
        if not quantifier and chance.random() < 0.02:
            quantifier = chance.choice(QUANTIFIERS)  # also where none is taken
        like = "Like" in name
        is_set = bool(quantifier) or chance.random() < 0.02
        if chance.random() < 0.2:  # equal sides, which chance alone rarely makes
            one = self.literal(family, like=like)
            return f"{one} {quantifier}{':' if quantifier else ''}{self.cased(name)} {one}"
        left = self.attribute(family) if chance.random() < 0.85 else self.written(family, is_set=is_set)
        right = self.attribute(family) if chance.random() < 0.15 else self.written(family, is_set=is_set, like=like)
        quantifier = f"{self.cased(quantifier)}{chance.choice((':', ':', ' : '))}" if quantifier else ""
        before_brace = "" if right.startswith("{") and chance.random() < 0.5 else self.gap()
        return f"{left}{self.gap()}{quantifier}{self.cased(name)}{before_brace}{right}"

    def attribute(self, family: str | None) -> str:
        chance = self.chance
        if family in {None, "string"} and chance.random() < 0.3:
            form = chance.choice(TAG_FORMS)
            name = form % chance.choice(TAG_KEYS) if "%" in form else form
            return f"@{chance.choice(('Resource', 'Request'))}[{name}]"
        fitting = [known for known in ATTRIBUTES if family is None or known.family == family or chance.random() < 0.03]
        known = chance.choice(fitting)
        name = known.name if chance.random() < 0.9 else self.cased(known.name)
        name = "x:missing" if chance.random() < 0.02 else name
        return f"@{self.cased(known.source)}[{name}]"

    def written(self, family: str, *, is_set: bool, like: bool = False) -> str:
        chance = self.chance
        if not is_set:
            return self.literal(family, like=like)
        separator = chance.choice((",", ", ", " ,"))
        return "{" + separator.join(self.literal(family, like=like) for _ in range(chance.choice((1, 2, 2, 3)))) + "}"

    def literal(self, family: str, *, like: bool = False) -> str:
        chance = self.chance
        if chance.random() < 0.03:
            family = chance.choice(tuple(values.OF_FAMILY))
        if family == "string":
            return quoted(chance, self.palette.pattern() if like else str(self.palette.good(family)))
        if family == "datetime":
            return f"'{self.palette.good(family) if chance.random() < 0.9 else chance.choice(values.NO_MOMENTS)}'"
        if family == "guid":
            guid = str(self.palette.good(family))
            return guid if not guid.startswith("/") and chance.random() < 0.6 else f"'{guid}'"
        value = self.palette.good(family)
        return self.cased(str(value).lower()) if isinstance(value, bool) else str(value)

    def too_many_steps(self) -> str:
        """One comparison of more than ten thousand pairs, none of which decides before the last."""
        items = ",".join(str(number) for number in range(1000, 1101))
        return f"{{{items}}} ForAnyOfAnyValues:NumericLessThan {{{items.replace('1', '0', 1)}, 1}}"


def quoted(chance: random.Random, text: str) -> str:
    """A string literal; stars and question marks escaped or not, by chance."""
    if chance.random() < 0.05:
        text = text.replace("*", "\\*")
    return "'" + text.replace("'", "\\'") + "'"

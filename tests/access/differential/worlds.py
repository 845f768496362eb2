"""Worlds and questions by seed, in the words of the second opinion."""

import random

from tests.access.differential import values
from tests.access.differential.conditions import ATTRIBUTES, LABELS, OPERATORS, TAG_KEYS, TAGS, Writer, family_of
from tests.access.oracle.judge import Assignment, Block, Denial, Question, World
from tests.access.oracle.truth import Bag

USERS = ("alice", "bob", "carol", "spn1", "dead")
GROUPS = ("g1", "g2", "g3", "g4", "g5")
MG = "/providers/Microsoft.Management/managementGroups/"
RG = "/subscriptions/s1/resourceGroups/rg1"
ML = "providers/Microsoft.MachineLearningServices/workspaces"
SCOPES = (
    *("/", "/subscriptions", "/providers", "/subscriptions/s1", "/subscriptions/s2", "/subscriptions/s3", RG, f"{RG}0", f"{RG}/{ML}/hub1"),
    *(f"{RG}/{ML}/ws1", f"{RG}/{ML}/ws10", f"{RG}/{ML}/ws1/jobs/j1", f"{RG}/{ML}/hub1/jobs/j1", f"{RG}/providers/Microsoft.Storage/a/b"),
    *("/subscriptions/s2/resourceGroups/rg1", f"/subscriptions/s2/resourceGroups/rg1/{ML}/ws2", f"{RG}/{ML}/ws1/providers/A.B/locks/l"),
    *(f"{MG}{name}" for name in ("root", "mga", "mgb", "mgx", "mgy")),
    *(f"{MG}mga/providers/A.B/locks/l", "/subscriptions/s9"),
)
MALFORMED = (
    *("", "subscriptions/s1", "//", "/subscriptions//s1", f"{RG}/..", f"{RG}/./x", f"{RG}%2f", f"{RG}\\x", f"{RG}//", "/\u212a"),
    *(f"{RG}/\x00", f"{RG}/\u00e9", "/subscriptions/s1/../s2", f"{RG}/a\n"),
)
HEIRS = {f"{RG}/{ML}/ws1": f"{RG}/{ML}/hub1", f"/subscriptions/s2/resourceGroups/rg1/{ML}/ws2": f"{RG}/{ML}/hub1"}
NOUNS = ("Box", "Box/items", "Box/items/parts", "Jar", "Boxes")
VERBS = ("read", "write", "delete", "open/action")
ACTIONS = tuple(f"Contoso.{noun}/{verb}" for noun in NOUNS for verb in VERBS)
NO_ACTIONS = ("", "*", "Contoso.Box/*", "Contoso.Box//read", "/read", "Contoso.Box/", "Contoso Box/read", "Contoso.B\u00f6x/read")
SUB_OPERATIONS = ("Blob.List", "Blob.Write.WithTagHeaders", "blob.list", "Blob.Write.Tier")
SUB_PATTERNS = ("Blob.List", "blob.*", "*", "Blob.Write.*", "*.list", "Blob?List", "")


class Maker:
    """Makes one world and its questions from a seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.palette = values.Palette(self.chance)
        self.writer = Writer(self.chance, self.palette, tuple(self.pattern() for _ in range(5)), SUB_PATTERNS)
        self.moments = self.chance.sample(values.CLOSE, 3)
        self.bags = {source: [self.bag(source) for _ in range(6)] for source in ("Request", "Resource", "Principal", "Environment")}
        # Each seed looks at one operator closely, so that a few hundred seeds reach every value of every operator.
        self.label = LABELS[seed % len(LABELS)]

    def world(self) -> World:
        chance = self.chance
        members: dict[str, list[str]] = {
            group: chance.sample((*USERS, *GROUPS), chance.choice((0, 1, 3, 4))) for group in GROUPS if chance.random() < 0.9
        }
        roles = {f"r{number}": tuple(self.block() for _ in range(chance.choice((1, 1, 2, 3)))) for number in range(5)}
        roles["all"] = (Block(("*",), data_actions=("*",)),)
        numbers = iter(chance.sample(range(100), 60))
        operations = frozenset((action.lower(), plane) for action in ACTIONS for plane in (False, True) if chance.random() < 0.9)
        return World(
            enabled={name: name != "dead" for name in (*USERS, *GROUPS)},
            members=members,
            group_parents={"mga": "root", "mgb": "mga", "mgx": "mgy", "mgy": "mgx"},
            subscription_groups={"s1": chance.choice(("mga", "mgb", "mgx")), "s2": "root"},
            inherited_roles={heir: (hub,) for heir, hub in HEIRS.items() if chance.random() < 0.7},
            roles=roles,
            assignments=[
                *(self.assignment(f"a{next(numbers):02}") for _ in range(chance.choice((3, 6, 12, 18)))),
                *(Assignment(f"a{next(numbers):02}", who, "all", "/", self.writer.comparison(self.label)) for who in USERS[:3]),
                *(Assignment(f"a{next(numbers):02}", "alice", "all", "/", text) for text in self.crowd()),
            ],
            denials=[self.denial(f"d{next(numbers):02}") for _ in range(chance.choice((0, 0, 0, 1, 2)))],
            operations=operations if chance.random() < 0.5 else None,
        )

    def crowd(self) -> list[str]:
        """Many conditions that ask the same of one attribute, each with another value; in one of three worlds."""
        if self.chance.random() >= 0.35:
            return []
        name = self.chance.choice(OPERATORS)
        known = self.chance.choice([each for each in ATTRIBUTES if each.family == family_of(name)])
        values_ = (self.writer.literal(known.family, like="Like" in name) for _ in range(12))
        return [
            f"@{known.source}[{known.name}] {name} {value}{self.chance.choice(('', '', ' AND 1 NumericEquals 1'))}" for value in values_
        ]

    def assignment(self, id: str) -> Assignment:
        chance = self.chance
        who = chance.choice((*USERS, *GROUPS))
        condition = self.condition(0.6)
        role, place, version = chance.choice(("r0", "r1", "r2", "r3", "r4")), self.place(), self.version()
        return Assignment(id, who, role, place, condition, version, *((self.bound(), self.bound()) if chance.random() < 0.4 else ()))

    def bound(self) -> str | None:
        """The start or the end of a schedule, close to the moments of the questions."""
        drawn = self.chance.random()
        if drawn < 0.35:
            return None
        return self.chance.choice(values.NO_MOMENTS if drawn < 0.4 else values.CLOSE)

    def moment(self) -> str | None:
        """What the clock of whoever answers says."""
        drawn = self.chance.random()
        # Mostly one and the same, so that the same facts are asked more than once.
        return None if drawn < 0.04 else self.moments[0] if drawn < 0.6 else self.chance.choice(self.moments)

    def denial(self, id: str) -> Denial:
        chance = self.chance
        people = (*USERS, *GROUPS)
        return Denial(
            id,
            self.place(),
            tuple(self.block(condition_share=0.1) for _ in range(chance.choice((1, 1, 2)))),
            principals=tuple(chance.sample(people, chance.choice((0, 1, 2)))),
            everyone=chance.random() < 0.4,
            excluded=tuple(chance.sample(people, 2)) if chance.random() < 0.35 else (),
            this_scope_only=chance.random() < 0.3,
            condition=self.condition(0.6),
            version=self.version(),
            effect="audit" if chance.random() < 0.15 else "enforced",
        )

    def condition(self, share: float) -> str | None:
        if self.chance.random() >= share:
            return None
        return self.writer.condition(self.label if self.chance.random() < 0.6 else None)

    def version(self) -> str:
        return "1.0" if self.chance.random() < 0.03 else "2.0"

    def block(self, condition_share: float = 0.2) -> Block:
        chance = self.chance

        def patterns(counts: tuple[int, ...]) -> tuple[str, ...]:
            return tuple(self.pattern() for _ in range(chance.choice(counts)))

        few, rare = (1, 2, 3), (0, 0, 1)
        return Block(patterns(few), patterns(rare), patterns(few), patterns(rare), self.condition(condition_share), self.version())

    def pattern(self) -> str:
        """An action with stars in the place of segments or parts of them, or a broad one."""
        chance = self.chance
        if chance.random() < 0.5:
            return chance.choice(
                ("*", "*/read", "Contoso.Box/*", "*/write", "Contoso.*/action", "Contoso.Box*", "*/*", "Contoso.*/*", "* ")
            )
        parts = chance.choice(ACTIONS).split("/")
        for _ in range(chance.choice((0, 1, 1, 2))):
            place = chance.randrange(len(parts))
            half = len(parts[place]) // 2
            parts[place] = chance.choice(("*", "*", "*", f"{parts[place][:half]}*", f"*{parts[place][half:]}"))
            if chance.random() < 0.3:
                parts.insert(place, "*")
        text = "/".join([*parts, "*"] if chance.random() < 0.05 else parts)
        return chance.choice((text, text, text, text.lower(), text.upper(), f" {text} "))

    def place(self) -> str:
        return self.spelled(self.chance.choice(("/", RG, "/subscriptions/s1", f"{MG}root") if self.chance.random() < 0.6 else SCOPES))

    def spelled(self, scope: str) -> str:
        drawn = self.chance.random()
        if drawn < 0.06:
            return scope.upper()
        return f"{scope}/" if drawn < 0.1 and scope != "/" else scope

    def question(self) -> Question:
        chance = self.chance
        action = chance.choice(ACTIONS)
        if chance.random() < 0.03:
            action = chance.choice(NO_ACTIONS)
        if chance.random() < 0.1:
            action = action.upper()
        where = chance.choice(SCOPES[6:]) if chance.random() < 0.6 else chance.choice(SCOPES)
        scope = chance.choice(MALFORMED) if chance.random() < 0.02 else self.spelled(where)
        who = "ghost" if chance.random() < 0.02 else chance.choice((*USERS[:4], *USERS[:4], *USERS, "g1"))
        data = chance.random() < 0.5
        sub_operations = tuple(chance.sample(SUB_OPERATIONS, chance.choice((0, 0, 0, 1, 2))))
        bags = {source: chance.choice(drawn) for source, drawn in self.bags.items() if chance.random() < 0.95}
        return Question(who, action, scope, data, sub_operations, bags, self.moment())

    def bag(self, source: str) -> Bag:
        chance = self.chance
        found: dict[str, object] = {}
        for known in ATTRIBUTES:
            if known.source == source and chance.random() < 0.9:
                name = known.name.lower() if chance.random() < 0.05 else known.name
                found[name] = self.palette.attribute(known.family)
        if source in {"Request", "Resource"} and chance.random() < 0.85:
            found[TAGS] = {key: self.palette.attribute("string") for key in chance.sample(TAG_KEYS, chance.choice((0, 1, 2, 3)))}
        return found

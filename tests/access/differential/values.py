"""What attributes and literals are drawn from: few values, many of which nearly agree."""

import random

TEXTS = (
    *("", "a", "A", "ab", "abc", "AbC", "b", " a", "a ", "ws1-", "ws1-azureml", "WS1-azureml", "ws10-azureml", "ws1", "ws1\u2010azureml"),
    *(
        "readonly/a",
        "Readonly/a",
        "readonly/",
        "a/b/c",
        "a*c",
        "a?c",
        "abbc",
        "a\\*c",
        "a\\c",
        "\\",
        "it's",
        "*",
        "?",
        "ss-x",
        "SS-X",
        "\u00df-x",
    ),
    *("k", "K", "\u212a", "s", "S", "\u017f", "i", "I", "\u0131", "\u0130", "\u00b5", "\u03bc", "\u039c", "\u00e9", "\u00c9", "e\u0301"),
    *("\u01c6", "\u01c5", "\u01c4", "\u0149", "\ufb01", "\U00010428", "\U00010400", "\U0001f600", "\u1e9e", "\u03c2", "\u03c3", "\u03a3"),
)
PATTERNS = (
    *(
        "*",
        "?",
        "",
        "a*",
        "*c",
        "a*c",
        "a?c",
        "*b*",
        "ws1-*",
        "WS1-*",
        "*-azureml",
        "w?1-*",
        "a\\*c",
        "a\\?c",
        "\\*",
        "\\?",
        "*a*b*c*",
        "??",
    ),
    *(
        "readonly/*",
        "*/c",
        "a/?/c",
        "**",
        "?*",
        "*?",
        "k*",
        "\u212a*",
        "*\u00df*",
        "\\",
        "a\\c",
        "s?-x",
        "*\U0001f600",
        "i",
        "*\u03c3",
        "ab*bc",
    ),
)
NUMBERS = (-1, 0, 1, 2, 3, 10, 2**63 - 1, 2**63 - 2, -(2**63))
MOMENTS = (
    *("2023-05-01T13:00:00Z", "2023-05-01T13:00:00.0Z", "2023-05-01T13:00:00.0000001Z", "2023-05-01T13:00:00.0000002Z"),
    *("2023-05-01T13:00:00.1Z", "2023-05-01T13:00:00.10Z", "2023-05-01T12:59:59.9999999Z", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
    *("2000-02-29T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z", "1970-01-01T00:00:00Z", "2022-12-31T23:59:59Z"),
)
NO_MOMENTS = (
    *("2023-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2023-05-01T13:00:00+00:00", "2023-05-01T15:00:00+02:00", "2023-05-01T13:00:00z"),
    *("2023-05-01t13:00:00Z", "2023-05-01T13:00:00", "2023-05-01 13:00:00Z", "2023-05-01", "2023-05-01T24:00:00Z", "2023-05-01T13:00:60Z"),
    *("2023-05-01T13:00:00.Z", "2023-05-01T13:00:00.00000001Z", "2023-13-01T00:00:00Z", "2023-00-01T00:00:00Z", "2023-05-01T13:00:00Z "),
    *("2023-05-01T13:00Z", "0000-01-01T00:00:00Z", "2023-5-1T13:00:00Z", "\u0662023-05-01T13:00:00Z", "2023-05-00T13:00:00Z", "now"),
)
CLOSE = MOMENTS[:7]
"""Moments that are the same, or a few ticks apart: for the bounds of schedules and the clocks that meet them."""
GUIDS = (
    *("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "8E3AF657-A8FF-443C-A75C-2FE8C4BCB635", "8e3af657a8ff443ca75c2fe8c4bcb635"),
    *("acdd72a7-3385-48ef-bd42-f606fba81ae7", "ACDD72A7338548EFBD42F606FBA81AE7", "00000000-0000-0000-0000-000000000000"),
    *("12345678901234567890123456789012", "b24988ac-6180-42a0-ab88-20f7382dd24c"),
)
GUID_PATHS = (
    "/subscriptions/s1/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    "/providers/Microsoft.Authorization/roleDefinitions/ACDD72A7-3385-48EF-BD42-F606FBA81AE7",
    "/8e3af657a8ff443ca75c2fe8c4bcb635",
)
NO_GUIDS = (
    *("{8e3af657-a8ff-443c-a75c-2fe8c4bcb635}", "8e3af657-a8ff-443c-a75c-2fe8c4bcb63", "8e3af657a8ff-443c-a75c-2fe8c4bcb635", "owner", ""),
    *(
        "/roleDefinitions/owner",
        "8e3af657-a8ff-443c-a75c-2fe8c4bcb63g",
        " 8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
        "/a/8e3af657a8ff443ca75c2fe8c4bcb635/",
    ),
)
OF_FAMILY: dict[str, tuple[object, ...]] = {
    "string": TEXTS,
    "numeric": NUMBERS,
    "datetime": MOMENTS,
    "guid": (*GUIDS, *GUID_PATHS),
    "bool": (True, False),
}
OF_NO_FAMILY: dict[str, tuple[object, ...]] = {
    "string": (1, True, {"a": "b"}, ["a"]),
    "numeric": ("1", 1.0, 1.5, True, 2**63, -(2**63) - 1, "", {}),
    "datetime": (*NO_MOMENTS, 1682946000, True),
    "guid": (*NO_GUIDS, 8, True),
    "bool": ("true", "True", 1, 0, "", "false"),
}


class Palette:
    """The values of one world: mostly a few, so that they meet."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._near = {family: chance.sample(pool, min(3, len(pool))) for family, pool in OF_FAMILY.items()}

    def good(self, family: str) -> object:
        """A value of the family."""
        chance = self._chance
        return chance.choice(self._near[family] if chance.random() < 0.6 else OF_FAMILY[family])

    def pattern(self) -> str:
        """A pattern of StringLike, often one that a near text follows."""
        chance = self._chance
        if chance.random() < 0.5:
            return chance.choice(PATTERNS)
        text = str(chance.choice(self._near["string"]))
        half = len(text) // 2
        return chance.choice((text, f"{text[:half]}*", f"*{text[half:]}", f"{text[:half]}?{text[half + 1 :]}", f"*{text}*"))

    def attribute(self, family: str) -> object:
        """One value of an attribute that is meant for operators of this family, good in three of four cases."""
        chance = self._chance
        drawn = chance.random()
        if drawn < 0.62:
            return self.good(family)
        if drawn < 0.72:
            return chance.choice(OF_NO_FAMILY[family])
        if drawn < 0.79:
            return None if drawn < 0.76 else []
        found = [self.good(family)] * chance.choice((1, 1, 2))
        if chance.random() < 0.5:
            found.append(self.good(family))
        if chance.random() < 0.1:
            found.append(chance.choice((None, *OF_NO_FAMILY[family])))
        return found

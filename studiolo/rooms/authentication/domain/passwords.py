"""Which passwords are taken: long ones that are not on everybody's list. Nothing is asked of their letters (NIST SP 800-63B)."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from studiolo.kernel.faults import Invalid

SHORTEST: Final = 12
LONGEST: Final = 256

# What people reach for when a password must be long: a word that everybody knows, alone or with digits and marks around it.
_WORDS: Final = """
    password passwort motdepasse contrasena passwd passw0rd p@ssword p@ssw0rd pa$$word pa$$w0rd admin administrator administrators root
    superuser welcome willkommen bienvenue welkom letmein iloveyou sunshine princess football baseball basketball superman batman
    dragon monkey shadow master michael jennifer charlie jordan harley ranger trustno whatever starwars pokemon computer internet
    qwerty qwertz azerty qwertyuiop qwertzuiop azertyuiop asdfghjkl zxcvbnm qazwsx qazwsxedc zaqwsx abcdef abcdefgh abcdefghijkl
    changeme changemenow changethis default secret topsecret mysecret temporary testing testtest tester guest username login
    loginlogin studiolo studio azure azureml microsoft openai cloud company summer winter spring autumn fall january february march
    april june july august september october november december monday tuesday wednesday thursday friday saturday sunday
    correcthorsebatterystaple thequickbrownfox loremipsum nopassword mypassword newpassword oldpassword yourpassword thepassword
    passwordpassword adminadmin welcomewelcome secretsecret rootroot administratoradministrator
"""
_COMMON: Final = frozenset(_WORDS.split())
_RUNS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "01234567890123456789",
)


def prepared(text: str) -> str:
    """A password as it is hashed: in one spelling of Unicode, so that every keyboard gives the same."""
    return unicodedata.normalize("NFKC", text)


def check_password(text: str, *names: str) -> None:
    """Raise Invalid for a password that is too short, too long, or that a guesser tries early.

    Args:
        text: the wished password.
        names: what the person is called, which a guesser knows.
    """
    wished = prepared(text)
    if not SHORTEST <= len(wished) <= LONGEST:
        raise Invalid(f"A password has {SHORTEST} to {LONGEST} characters.", code="PasswordLength", target="password")
    folded = wished.casefold()
    core = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", folded)
    squeezed = re.sub(r"[\W\d_]+", "", folded)
    known = {part for name in names for part in (*re.split(r"[\W\d_]+", name.casefold()), re.sub(r"[\W\d_]+", "", name.casefold())) if part}
    is_common = not squeezed or {core, squeezed} & (_COMMON | known)
    if is_common or len(set(folded)) < 5 or any(folded in run * 2 or folded in run[::-1] * 2 for run in _RUNS):
        raise Invalid(
            "This password is one of those that are tried first. Take several words that do not belong together, or let a password "
            "manager make one.",
            code="PasswordCommon",
            target="password",
        )

"""Microsoft Graph v1.0's view of the directory: its collections, what its objects look like, and its filters.

Source: the Graph v1.0 reference of user, group, servicePrincipal, application and directoryObject.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from studiolo.kernel.faults import Invalid, NotOffered
from studiolo.kernel.principals import APPLICATIONS, GROUPS, GUID, SERVICE_PRINCIPALS, USERS
from studiolo.kernel.resource import JsonObject

_MOST_ALTERNATIVES = 50
_TEXT: Final = r"'((?:[^']|'')*)'"
_EQ: Final = re.compile(rf"(\w+)\s+eq\s+(?:{_TEXT}|(true|false))", re.IGNORECASE)
_STARTS: Final = re.compile(rf"startswith\(\s*(\w+)\s*,\s*{_TEXT}\s*\)", re.IGNORECASE)
_ANY: Final = re.compile(rf"servicePrincipalNames/any\(\s*(\w+)\s*:\s*\1\s+eq\s+{_TEXT}\s*\)", re.IGNORECASE)
_IN: Final = re.compile(rf"(\w+)\s+in\s+\(\s*{_TEXT}(?:\s*,\s*{_TEXT})*\s*\)", re.IGNORECASE)
# A run of blanks is looked at from its first one alone: from each, a long run would cost its square.
_TOKEN: Final = re.compile(rf"{_TEXT}|(?<!\s)\s+(or|and)\s+", re.IGNORECASE)


class Kind(msgspec.Struct, frozen=True):
    """One collection: its name in paths, the type that keeps its objects, and the fields of its objects.

    `writable` are those that a body may carry; `indexed` those by which an object is found without a walk.
    """

    name: str
    type_name: str
    odata: str
    fields: tuple[str, ...]
    writable: frozenset[str]
    indexed: frozenset[str]

    def shape(self, body: Mapping[str, Any]) -> JsonObject:
        """A stored object as Graph shows it."""
        found = body["properties"]
        shown: JsonObject = {"id": body["name"], "createdDateTime": body["systemData"]["createdAt"]}
        shown |= {field: found.get(field) for field in self.fields}
        return shown | _DERIVED[self.name](found)

    def typed(self, body: Mapping[str, Any]) -> JsonObject:
        """The same with its type, for collections of several kinds."""
        return {"@odata.type": f"#microsoft.graph.{self.odata}", **self.shape(body)}


# Where people are sent back to: of these objects the addresses are kept, and nothing else.
_ANSWERED: Final = ("web", "publicClient")


def _of_application(found: Mapping[str, Any]) -> JsonObject:
    shown: JsonObject = {"signInAudience": "AzureADMyOrg", "passwordCredentials": found.get("passwordCredentials") or []}
    kept: Mapping[str, JsonObject] = {name: found.get(name) or {} for name in _ANSWERED}
    return shown | {name: {"redirectUris": inner.get("redirectUris") or []} for name, inner in kept.items()}


def _of_service_principal(found: Mapping[str, Any]) -> JsonObject:
    return {"servicePrincipalNames": [found.get("appId")], "alternativeNames": found.get("alternativeNames") or []}


_DERIVED: Final[Mapping[str, Callable[[Mapping[str, Any]], JsonObject]]] = {
    "users": lambda _: {"userType": "Member"},
    "groups": lambda _: {"securityEnabled": True, "mailEnabled": False, "groupTypes": []},
    "servicePrincipals": _of_service_principal,
    "applications": _of_application,
}
_USER: Final = ("displayName", "userPrincipalName", "mail", "accountEnabled")
_GROUP: Final = ("displayName", "description")
KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind("users", USERS, "user", _USER, frozenset(_USER), frozenset({"displayName", "userPrincipalName", "mail"})),
        Kind(
            "groups", GROUPS, "group", ("displayName", "description"), frozenset({"displayName", "description"}), frozenset({"displayName"})
        ),
        Kind(
            "servicePrincipals",
            SERVICE_PRINCIPALS,
            "servicePrincipal",
            ("displayName", "appId", "accountEnabled", "servicePrincipalType"),
            frozenset({"displayName", "appId", "accountEnabled"}),
            frozenset({"displayName", "appId"}),
        ),
        Kind(
            "applications",
            APPLICATIONS,
            "application",
            ("displayName", "appId", "isFallbackPublicClient"),
            frozenset({"displayName", "isFallbackPublicClient", *_ANSWERED}),
            frozenset({"displayName"}),
        ),
    )
}
PRINCIPALS: Final = tuple(KINDS[name] for name in ("users", "groups", "servicePrincipals"))
# What clients send although nothing can differ here; a value that means something else is refused.
_FIXED: Final[Mapping[str, object]] = {
    "securityEnabled": True,
    "mailEnabled": False,
    "groupTypes": [],
    "signInAudience": "AzureADMyOrg",
    "userType": "Member",
}
_IGNORED: Final = frozenset({"@odata.type", "mailNickname", "tags"})
# What is read elsewhere: see `password_in` and `members_in`.
_OWN_WAY: Final[Mapping[str, str]] = {"users": "passwordProfile", "groups": "members@odata.bind"}
_MEMBERS: Final = ("members", "members@odata.bind")
_MOST_BOUND: Final = 20  # Graph's own limit
# Why something that clients may well send is not taken, and what to do instead.
_INSTEAD: Final[Mapping[str, str]] = {
    "passwordCredentials": "POST addPassword at the application, which makes a strong secret and shows it once",
    "keyCredentials": "POST addKey at the application in the resource manager, or `studiolo app certificate add`",
    "members": "POST members/$ref at the group",
}


def properties_of(kind: Kind, body: Mapping[str, Any]) -> JsonObject:
    """The properties that a body of a create or an update means.

    Raises:
        NotOffered: the body asks for something that the directory does not keep; nothing is ignored in silence.
    """
    found: JsonObject = {}
    for name, value in body.items():
        if name in kind.writable:
            found[name] = _addresses(name, value) if name in _ANSWERED else value
        elif name in _FIXED and value == _FIXED[name]:
            continue
        elif name not in (*_IGNORED, _OWN_WAY.get(kind.name)) and value not in (None, [], {}):
            instead = _INSTEAD.get(name)
            advice = f"leave it out, and {instead}" if instead else "leave it out"
            raise NotOffered(f"'{name[:100]}' of {kind.name} is not offered here; {advice}.", target=name[:100])
    return found


def _addresses(name: str, value: object) -> JsonObject | None:
    """`web` or `publicClient` with the redirect addresses alone, which are what is kept of it."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Invalid(f"'{name}' is an object with 'redirectUris'.", code="Request_BadRequest", target=name)
    given = cast("JsonObject", value)
    for inner, each in given.items():
        if inner != "redirectUris" and _means_something(each):
            raise NotOffered(f"'{name}.{inner}' of applications is not offered here; leave it out.", target=f"{name}.{inner}")
    return {"redirectUris": given["redirectUris"] or []} if "redirectUris" in given else {}


def _means_something(value: object) -> bool:
    """Whether a value asks for anything: nothing, false, and objects of such do not."""
    if isinstance(value, dict):
        return any(map(_means_something, cast("JsonObject", value).values()))
    return value not in (None, False, "", [])


def members_in(kind: Kind, body: Mapping[str, Any]) -> JsonObject:
    """The members that the body of a new group refers to, as a property; nothing if it refers to none.

    Raises:
        Invalid: a reference is malformed, or there are more than 20.
    """
    given = body.get("members@odata.bind") if kind.name == "groups" else None
    if given is None:
        return {}
    references = cast("Sequence[object]", given) if isinstance(given, list) else ()
    if not isinstance(given, list) or len(references) > _MOST_BOUND:
        text = f"'members@odata.bind' is a list of at most {_MOST_BOUND} references; add more members by POST members/$ref."
        raise Invalid(text, code="Request_BadRequest", target="members@odata.bind")
    return {"members": [referred(each, "members@odata.bind") for each in references]}


def check_update(kind: Kind, body: Mapping[str, Any]) -> None:
    """Return if an update leaves a group's members to the calls that are for them.

    Raises:
        Invalid: it names members (code `Request_BadRequest`).
    """
    named = next((name for name in _MEMBERS if name in body), None) if kind.name == "groups" else None
    if named is not None:
        text = (
            f"An update of a group does not change its members: leave '{named}' out, and POST members/$ref at the group, or DELETE there."
        )
        raise Invalid(text, code="Request_BadRequest", target=named)


def referred(reference: object, target: str) -> str:
    """The object id that a reference ends in. Raises Invalid if it ends in none."""
    found = oid_of(str(reference).rpartition("/")[2])
    if found is None:
        raise Invalid(f"'{target}' must end in the object id of the new member.", code="Request_BadRequest", target=target)
    return found


def password_in(kind: Kind, body: Mapping[str, Any], check: Callable[..., None]) -> str | None:
    """The password that a body gives to a user, if it gives one. `check` refuses one that is too easy for somebody of these names.

    Raises:
        Invalid: it is malformed, or too easy for this user (codes `PasswordLength`, `PasswordCommon`).
        NotOffered: it is to be changed at the next sign-in.
    """
    given = body.get("passwordProfile") if kind.name == "users" else None
    if given is None:
        return None
    profile = cast("JsonObject", given) if isinstance(given, dict) else {}
    password = profile.get("password")
    if not isinstance(password, str):
        raise Invalid("'passwordProfile' must hold a 'password'.", code="Request_BadRequest", target="passwordProfile")
    if profile.get("forceChangePasswordNextSignIn") or profile.get("forceChangePasswordNextSignInWithMfa"):
        raise NotOffered(
            "A password that must be changed at the next sign-in is not offered: leave passwordProfile out, and send the person the link "
            "that createPasswordLink (or `studiolo user add`) gives.",
            target="passwordProfile.forceChangePasswordNextSignIn",
        )
    check(password, str(body.get("userPrincipalName") or ""), str(body.get("displayName") or ""))
    return password


def oid_of(text: str) -> str | None:
    """An object id in small letters; None if the text is none."""
    return text.lower() if GUID.fullmatch(text) else None


# ── filters ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Term(msgspec.Struct, frozen=True):
    """One comparison: a field is one of some values, or begins with one."""

    field: str
    values: tuple[object, ...]
    is_prefix: bool = False

    def holds(self, shown: Mapping[str, Any]) -> bool:
        """Whether an object, as Graph shows it, meets the comparison; texts compare without case."""
        found = shown.get(self.field)
        each: list[object] = found if isinstance(found, list) else [found]  # pyright: ignore[reportUnknownVariableType]
        wanted = tuple(map(_folded, self.values))
        if self.is_prefix:
            return any(isinstance(one, str) and one.lower().startswith(tuple(map(str, wanted))) for one in each)
        return any(_folded(one) in wanted for one in each)


def _folded(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def read_filter(kind: Kind, text: str) -> Sequence[Sequence[Term]]:
    """`$filter` as alternatives of comparisons that must all hold; none for no filter.

    Raises:
        Invalid: it is malformed, or compares what the objects do not have (code `Request_UnsupportedQuery`).
    """
    if not text.strip():
        return ()
    fields = {name.lower(): name for name in ("id", *kind.fields, *_DERIVED[kind.name]({}))}
    alternatives: list[list[Term]] = [[]]
    for word, piece in _pieces(text):
        term = _term(piece)
        if term is None or term.field.lower() not in fields:
            raise _unsupported(piece, fields.values())
        if word == "or":
            alternatives.append([])
        alternatives[-1].append(msgspec.structs.replace(term, field=fields[term.field.lower()]))
    if len(alternatives) > _MOST_ALTERNATIVES:
        raise Invalid(f"$filter has at most {_MOST_ALTERNATIVES} alternatives.", code="Request_UnsupportedQuery", target="$filter")
    return alternatives


def _pieces(text: str) -> Iterable[tuple[str, str]]:
    """The comparisons with the word before each; words inside quotes are none."""
    word, start = "", 0
    for match in _TOKEN.finditer(text):
        if match[2]:
            yield word, text[start : match.start()].strip()
            word, start = match[2].lower(), match.end()
    yield word, text[start:].strip()


def _term(piece: str) -> Term | None:
    if match := _EQ.fullmatch(piece):
        return Term(match[1], (_unquoted(match[2]) if match[2] is not None else match[3].lower() == "true",))
    if match := _STARTS.fullmatch(piece):
        return Term(match[1], (_unquoted(match[2]),), is_prefix=True)
    if match := _ANY.fullmatch(piece):
        return Term("servicePrincipalNames", (_unquoted(match[2]),))
    if match := _IN.fullmatch(piece):
        return Term(match[1], tuple(map(_unquoted, re.findall(_TEXT, piece))))
    return None


def _unquoted(text: str) -> str:
    return text.replace("''", "'")


def _unsupported(piece: str, fields: Iterable[str]) -> Invalid:
    return Invalid(
        f"$filter cannot hold '{piece[:100]}': it takes FIELD eq 'VALUE', FIELD in ('A', 'B') and startswith(FIELD, 'VALUE') for "
        f"{', '.join(fields)}, joined by 'or' and 'and'.",
        code="Request_UnsupportedQuery",
        target="$filter",
    )


def selected(shown: JsonObject, select: Sequence[str]) -> JsonObject:
    """The object with the fields of `$select` alone; with all if none is named."""
    if not select:
        return shown
    wanted = {name.strip().lower() for name in select}
    return {name: value for name, value in shown.items() if name.lower() in wanted or name.startswith("@")}

"""What a valid request of each route looks like, with the kept project in it.

A route that is served needs a line here, or a test says which one lacks it. `{name}` stands for what the world knows by that
name. The owner's request is the control: it must succeed before a refusal of the same request counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

Judged = Literal["refused", "filtered", "open"]
"""What is right: a refusal; one for those without rights, and nothing of the kept project for others; nothing of it for anybody."""


@dataclass(frozen=True, slots=True)
class Example:
    """One route's valid request.

    `names` say what stands for the template's names where it is not what usually does, `control` what the owner's request
    has instead, so that what is attacked stays; `spare` is the directory type of which it gets a fresh object as `id`.
    `tells` are answers ("409 Code") that only come once the decision was a yes. `why` says why there is no control.
    """

    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | dict[str, Any] = b""
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    control: Mapping[str, str] = field(default_factory=dict[str, str])
    spare: str = ""
    tells: tuple[str, ...] = ()
    why: str = ""
    judged: Judged = "refused"
    has_twin: bool = True
    # Why an attacker's request may be malformed where the owner's is not.
    unfit: str = ""
    # The directory object that a success makes, to be put away.
    makes: str = ""
    # The proof stands in the request itself, which therefore carries no other credential.
    is_bare: bool = False


_DIRECTORY: Final = "/providers/Studiolo.Directory"
_XML: Final = b'<?xml version="1.0" encoding="utf-8"?>'
_TAGS: Final = _XML + b"<Tags><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tags>"
_BLOCKS: Final = _XML + b"<BlockList><Latest>QUFBQQ==</Latest></BlockList>"
_KEY_INFO: Final = _XML + b"<KeyInfo><Start>{start}</Start><Expiry>{expiry}</Expiry></KeyInfo>"
_PART: Final = (
    b"--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: 0\r\n\r\n"
    b"DELETE /{container}/{blob}{signature} HTTP/1.1\r\n{credential}x-ms-version: 2025-11-05\r\ncontent-length: 0\r\n\r\n--b--\r\n"
)
_MIXED: Final = {"content-type": "multipart/mixed; boundary=b"}
_FORM: Final = {"content-type": "application/x-www-form-urlencoded"}

_PLAIN: Final = Example()
_FILTERED: Final = Example(judged="filtered")
_OPEN: Final = Example(judged="open", has_twin=False)
_HUMAN: Final = Example(judged="open", has_twin=False, why="public: a step of a person's sign-in, which needs what only that person has")
_SECOND: Final = {"blob": "{second}"}
_QUESTION: Final = Example(body={"who": "me", "action": "Microsoft.MachineLearningServices/workspaces/read"})
_WHO: Final = Example(body={"action": "Microsoft.MachineLearningServices/workspaces/read"})
_CAN: Final = Example(body={"who": "me"})
_PLAN: Final = Example(body={"change": {}})
_GRANT: Final = b"grant_type=client_credentials&client_id={insider_client}&client_secret={client_secret}"
_TOKEN: Final = Example(
    headers=_FORM,
    body=_GRANT + b"&scope={origin}/.default",
    control={"client_secret": "{insider_secret}"},
    has_twin=False,
    is_bare=True,
)
_DEVICE: Final = Example(headers=_FORM, body=b"client_id={cli_client}&scope=openid", judged="open", has_twin=False, is_bare=True)

_AZURE: Final = "api-version=2024-10-21"
_CHAT: Final = {"model": "chat", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
_TEXT: Final = {"model": "chat", "prompt": "hi", "max_tokens": 1}
_VECTOR: Final = {"model": "embeddings", "input": "hi"}
_OFF: Final = ("503 ModelsAreOff",)
_UNNAMED: Final = "a token names no project in an address without one; a key answers for its own project"


def _models() -> dict[str, Example]:
    found: dict[str, Example] = {}
    places: tuple[tuple[str, Judged, str], ...] = (("/openai", "open", _UNNAMED), ("/projects/{project}/openai", "refused", ""))
    for where, judged, unfit in places:
        for part, body, name in (
            ("chat/completions", _CHAT, "chat"),
            ("completions", _TEXT, "chat"),
            ("embeddings", _VECTOR, "embeddings"),
        ):
            found[f"models POST {where}/v1/{part}"] = Example(body=body, tells=_OFF, judged=judged, unfit=unfit)
            found[f"models POST {where}/deployments/{{deployment}}/{part}"] = Example(
                query=_AZURE, body=body, names={"deployment": name}, tells=_OFF, judged=judged, unfit=unfit
            )
        for part in ("v1/models", "v1/models/{model}", "models", "models/{model}", "deployments", "deployments/{deployment}"):
            query = "" if part.startswith("v1/") else _AZURE
            found[f"models GET {where}/{part}"] = Example(query=query, judged=judged, unfit=unfit)
    return found


def _graph() -> dict[str, Example]:
    found: dict[str, Example] = {}
    made: dict[str, dict[str, Any]] = {
        "users": {"displayName": "{fresh}", "userPrincipalName": "{fresh}@probe.example", "accountEnabled": True},
        "groups": {"displayName": "{fresh}", "securityEnabled": True, "mailEnabled": False},
        "servicePrincipals": {"displayName": "{fresh}", "appId": "{free_application}"},
        "applications": {"displayName": "{fresh}"},
    }
    for kind, body in made.items():
        who = {"id": f"{{{kind}}}"}
        found[f"graph GET /v1.0/{kind}"] = Example(query="$top=200")
        found[f"graph POST /v1.0/{kind}"] = Example(body=body, makes=f"{_DIRECTORY}/{kind}")
        for key in ("/{id}", "({id})"):
            found[f"graph GET /v1.0/{kind}{key}"] = Example(names=who)
            found[f"graph PATCH /v1.0/{kind}{key}"] = Example(names=who, body={"displayName": f"{{{kind}_secret}}"})
            found[f"graph DELETE /v1.0/{kind}{key}"] = Example(names=who, spare=f"Studiolo.Directory/{kind}")
        for name in ("memberOf", "transitiveMemberOf"):
            found[f"graph GET /v1.0/{kind}/{{id}}/{name}"] = Example(names=who)
    for gone in ("users({id})", "groups({id})"):
        for verb in ("GET", "PATCH", "DELETE"):
            del found[f"graph {verb} /v1.0/{gone}"]
    for name in ("memberOf", "transitiveMemberOf"):
        del found[f"graph GET /v1.0/applications/{{id}}/{name}"]
    group, application = {"id": "{groups}"}, {"id": "{applications}"}
    for name in ("members", "transitiveMembers"):
        found[f"graph GET /v1.0/groups/{{id}}/{name}"] = Example(names=group)
    found |= {
        "graph POST /v1.0/groups/{id}/members/$ref": Example(
            names={**group, "member": "{servicePrincipals}"},
            control={"member": "{insider}"},
            body={"@odata.id": "{origin}/v1.0/directoryObjects/{member}"},
        ),
        "graph DELETE /v1.0/groups/{id}/members/{member}/$ref": Example(
            names={**group, "member": "{users}"}, control={"member": "{insider}"}
        ),
        "graph POST /v1.0/applications/{id}/addPassword": Example(names=application, body={}),
        "graph POST /v1.0/applications/{id}/removePassword": Example(
            names=application, body={"keyId": "{password}"}, control={"password": "{spare_password}"}
        ),
        "graph POST /v1.0/directoryObjects/getByIds": Example(body={"ids": ["{users}"]}),
        "graph GET /v1.0/me": Example(judged="open", has_twin=False),
    }
    return found


def _blobs() -> dict[str, Example]:
    blob, box = "/{container}/{blob:path}", "/{container}"
    gone = Example(control={"container": "{spare_container}"})
    return {
        f"blobs GET {blob}?comp=blocklist": Example(query="blocklisttype=all"),
        f"blobs GET {blob}?comp=tags": _PLAIN,
        f"blobs GET {blob}?restype=container&comp=list": _PLAIN,
        f"blobs GET {blob}?restype=account&comp=properties": _PLAIN,
        f"blobs GET {blob}": _PLAIN,
        f"blobs HEAD {blob}": _PLAIN,
        f"blobs PUT {blob}?comp=block": Example(query="blockid=QUFBQQ==", body=b"x", names=_SECOND),
        f"blobs PUT {blob}?comp=blocklist": Example(body=_BLOCKS, names=_SECOND),
        f"blobs PUT {blob}?comp=metadata": Example(headers={"x-ms-meta-a": "b"}, names=_SECOND),
        f"blobs PUT {blob}?comp=properties": Example(headers={"x-ms-blob-content-type": "text/plain"}, names=_SECOND),
        f"blobs PUT {blob}?comp=tags": Example(body=_TAGS, names=_SECOND),
        f"blobs PUT {blob}?comp=tier": Example(headers={"x-ms-access-tier": "Cool"}, names=_SECOND),
        f"blobs PUT {blob}?comp=copy": Example(
            query="copyid={fresh_id}", headers={"x-ms-copy-action": "abort"}, names=_SECOND, tells=("409 NoPendingCopyOperation",)
        ),
        f"blobs PUT {blob}": Example(body=b"x", names=_SECOND),
        f"blobs DELETE {blob}": Example(names={"blob": "{third}"}, control={"blob": "{spare_blob}"}),
        f"blobs GET {box}?restype=container&comp=list": _PLAIN,
        f"blobs GET {box}?restype=container": _PLAIN,
        f"blobs HEAD {box}?restype=container": _PLAIN,
        f"blobs GET {box}?restype=account&comp=properties": _PLAIN,
        f"blobs PUT {box}?restype=container": gone,
        f"blobs PUT {box}?restype=container&comp=metadata": Example(headers={"x-ms-meta-a": "b"}),
        f"blobs DELETE {box}?restype=container": gone,
        "blobs GET /?comp=list": _FILTERED,
        "blobs GET /?restype=service&comp=properties": _PLAIN,
        "blobs GET /?restype=account&comp=properties": _PLAIN,
        "blobs POST /?restype=service&comp=userdelegationkey": Example(body=_KEY_INFO, judged="filtered"),
        f"blobs POST {box}?restype=container&comp=batch": Example(
            body=_PART, headers=_MIXED, names={"blob": "{fourth}"}, control={"blob": "{batch_blob}"}
        ),
        "blobs POST /?comp=batch": Example(body=_PART, headers=_MIXED, names={"blob": "{fifth}"}, control={"blob": "{other_batch_blob}"}),
    }


_STEPS: Final = "/subscriptions/{subscription}/resourcegroups/{group}/deployments/{deployment}/operations"
_DEPLOYED: Final = {"deployment": "{deployments}"}
_ACCESS, _AUDIT, _HOUSE = "/providers/Studiolo.Access", "/providers/Studiolo.Audit", "/providers/Studiolo.House"
_WORKLOADS: Final = "/{scope:path}/providers/Studiolo.Identity/workloads"
_AT: Final = "/{scope:path}"

ROUTES: Final[Mapping[str, Example]] = {
    f"deployments GET {_STEPS}": Example(names=_DEPLOYED),
    f"deployments GET {_STEPS}/{{operation}}": Example(names=_DEPLOYED, tells=("404 DeploymentOperationNotFound",)),
    f"access POST {_ACCESS}/explain": _QUESTION,
    f"access POST {_AT}{_ACCESS}/explain": _QUESTION,
    f"access POST {_ACCESS}/whoCan": _WHO,
    f"access POST {_AT}{_ACCESS}/whoCan": _WHO,
    f"access POST {_ACCESS}/can": _CAN,
    f"access POST {_AT}{_ACCESS}/can": _CAN,
    f"access POST {_ACCESS}/simulate": _PLAN,
    f"access POST {_AT}{_ACCESS}/simulate": _PLAN,
    "access POST /providers/Studiolo.Directory/rotateTokenKeys": Example(
        why="it changes the keys that sign everybody's tokens; nothing in the request can be malformed"
    ),
    f"access POST {_WORKLOADS}": Example(body={"name": "probe"}, tells=("404 IdentityNotFound",)),
    f"access GET {_WORKLOADS}": _PLAIN,
    f"access DELETE {_WORKLOADS}/{{id}}": Example(names={"id": "{binding}"}, control={"id": "{spare_binding}"}),
    "workloads GET /msi/token": Example(
        query="resource={origin}&api-version=2019-08-01",
        headers={"x-identity-header": "{identity_header}"},
        control={"identity_header": "{kept_header}"},
        has_twin=False,
        is_bare=True,
    ),
    f"record GET {_AUDIT}/head": _FILTERED,
    f"record GET {_AUDIT}/lines": _FILTERED,
    f"record GET {_AT}{_AUDIT}/lines": _PLAIN,
    f"record GET {_AUDIT}/export": _FILTERED,
    f"record GET {_AT}{_AUDIT}/export": _PLAIN,
    f"record GET {_AUDIT}/retention": _FILTERED,
    f"record PUT {_AUDIT}/retention": Example(body=b'{"days":{retention}}'),
    f"record GET {_ACCESS}/decisions": _FILTERED,
    f"record GET {_AT}{_ACCESS}/decisions": _PLAIN,
    f"record GET {_ACCESS}/decisions/{{decision}}": _PLAIN,
    "activity GET /subscriptions/{subscription}/providers/Microsoft.Insights/eventtypes/management/values": Example(
        query="$filter=resourceUri eq '/{scope}'"
    ),
    f"house GET {_HOUSE}/routes": _PLAIN,
    f"house GET {_HOUSE}/types": _PLAIN,
    f"house GET {_AT}{_HOUSE}/routes": _PLAIN,
    f"house GET {_AT}{_HOUSE}/types": _PLAIN,
    "tokens GET /common/discovery/instance": _OPEN,
    "tokens GET /{tenant}/.well-known/openid-configuration": _OPEN,
    "tokens GET /{tenant}/v2.0/.well-known/openid-configuration": _OPEN,
    "tokens GET /{tenant}/discovery/keys": _OPEN,
    "tokens GET /{tenant}/discovery/v2.0/keys": _OPEN,
    "tokens POST /{tenant}/oauth2/token": replace(_TOKEN, body=_GRANT + b"&resource={origin}"),
    "tokens POST /{tenant}/oauth2/v2.0/token": _TOKEN,
    "tokens POST /{tenant}/oauth2/devicecode": _DEVICE,
    "tokens POST /{tenant}/oauth2/v2.0/devicecode": _DEVICE,
    **{f"tokens {verb} /{{tenant}}/oauth2{part}/authorize": _HUMAN for verb in ("GET", "POST") for part in ("", "/v2.0")},
    **{f"tokens GET /{{tenant}}/oauth2{part}/logout": _OPEN for part in ("", "/v2.0")},
    **{f"sign-in GET /{page}": _OPEN for page in ("signin", "account", "device")},
    **{f"sign-in GET /signin/{page}": _HUMAN for page in ("password", "with/{provider}", "from/{provider}")},
    **{f"sign-in POST /{page}": _HUMAN for page in ("signin", "signin/password", "signin/code", "signout", "device")},
    **{f"sign-in POST /account/{page}": _HUMAN for page in ("password", "codes", "signout")},
    **{f"platform GET /{page}": _OPEN for page in ("", "healthz", "metadata/endpoints", "discovery", "page.css")},
    "platform HEAD /healthz": _OPEN,
    **_graph(),
    **_blobs(),
    **_models(),
}


def label_of(route: Mapping[str, Any]) -> str:
    """How this table names a served route."""
    return f"{route['surface']} {line_of(route)}"


def line_of(route: Mapping[str, Any]) -> str:
    """How the report names a served route."""
    query = "&".join(f"{name}={value}" for name, value in route["query"].items())
    return f"{route['method']} {route['path']}" + (f"?{query}" if query else "")

"""Shared access signatures: known answers, what the vendor's client signs, and every small change to it."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from azure.storage.blob import (
    AccountSasPermissions,
    BlobSasPermissions,
    ContainerSasPermissions,
    ResourceTypes,
    UserDelegationKey,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)
from hypothesis import given
from hypothesis import strategies as st

from studiolo.kernel.faults import Forbidden, NotOffered
from studiolo.rooms.blobs.domain import sas

KEY = base64.b64encode(bytes(range(64))).decode()
BASE = {"sv": "2026-10-06", "spr": "https", "se": "2026-01-01T01:00:00Z"}
DELEGATED = {
    "skoid": "11111111-1111-1111-1111-111111111111",
    "sktid": "22222222-2222-2222-2222-222222222222",
    "skt": "2026-01-01T00:00:00Z",
    "ske": "2026-01-02T00:00:00Z",
    "sks": "b",
    "skv": "2025-11-05",
}
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
# Authorization specification, section 12.
KNOWN = {
    "service": (
        {**BASE, "st": "2026-01-01T00:00:00Z", "sp": "r", "sr": "b"},
        ("ws1-azureml", "a b/c.txt"),
        "40ue+DlVOcVvaJwUmIMYMyeQg/EK6A/xdnOoOqU6Rzc=",
    ),
    "delegation": ({**BASE, **DELEGATED, "sp": "rl", "sr": "c"}, ("ws1-azureml", ""), "6hSSQvJXxKGkGTq7gsrDZJjvMtsHgVbe2d4HFyjvVq8="),
    "account": ({**BASE, "sp": "r", "ss": "b", "srt": "o"}, ("", ""), "2QizyPUkLAekb5K7PfQiFeRSX3azL4q7A2RvyPmzwec="),
}


def is_accepted(query: dict[str, str], container: str, blob: str, key: str = KEY, account: str = "hubsa") -> bool:
    signed = sas.read(query)
    return sas.is_signed_with(key, sas.text_to_sign(signed, account, container, blob, {}, query), signed.get("sig"))


def fields_of(token: str) -> dict[str, str]:
    return dict(parse_qsl(token, strict_parsing=True))


@pytest.mark.parametrize("kind", KNOWN)
def test_the_known_answers_come_out(kind: str) -> None:
    fields, (container, blob), answer = KNOWN[kind]
    signed = sas.read(fields)
    assert signed.kind == kind
    assert sas.signature(KEY, sas.text_to_sign(signed, "hubsa", container, blob, {}, fields)) == answer


@pytest.mark.parametrize("kind", KNOWN)
def test_one_changed_bit_anywhere_is_refused(kind: str) -> None:
    fields, (container, blob), answer = KNOWN[kind]
    query = {**fields, "sig": answer}
    assert is_accepted(query, container, blob)
    for name, value in query.items():
        for place in range(len(value)):
            for bit in range(7):
                changed = value[:place] + chr(ord(value[place]) ^ (1 << bit)) + value[place + 1 :]
                try:
                    assert not is_accepted({**query, name: changed}, container, blob), (name, changed)
                except (Forbidden, NotOffered):
                    continue
    assert not is_accepted(query, container, blob, account="hubsb") or kind == "account"


@pytest.mark.parametrize("kind", ["service", "delegation"])
def test_a_signature_is_for_one_target(kind: str) -> None:
    fields, (container, blob), answer = KNOWN[kind]
    query = {**fields, "sig": answer}
    assert not is_accepted(query, "ws2-azureml", blob)
    assert is_accepted(query, container, "other") == (kind == "delegation")  # sr=c holds for all blobs of the container


LETTERS = st.lists(st.sampled_from("racwdxyltmei"), unique=True, min_size=1).map(lambda found: [x for x in "racwdxyltmei" if x in found])
NAMES = st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\\/"), min_size=1, max_size=20)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(lambda at: at.replace(tzinfo=UTC, microsecond=0))  # noqa: DTZ001


@given(letters=LETTERS, blob=NAMES, until=MOMENTS, ip=st.sampled_from([None, "10.0.0.1", "10.0.0.1-10.0.0.9"]), disposition=NAMES)
def test_what_the_vendors_client_signs_is_accepted_and_nothing_else(
    letters: list[str], blob: str, until: datetime, ip: str | None, disposition: str
) -> None:
    text = "".join(letters)
    delegated = UserDelegationKey()
    delegated.signed_oid, delegated.signed_tid = DELEGATED["skoid"], DELEGATED["sktid"]
    delegated.signed_start, delegated.signed_expiry = DELEGATED["skt"], DELEGATED["ske"]
    delegated.signed_service, delegated.signed_version, delegated.value = "b", "2026-10-06", KEY
    common: dict[str, Any] = {"expiry": until, "start": until - timedelta(hours=1), "ip": ip, "content_disposition": disposition}
    of_blob = BlobSasPermissions.from_string(text.replace("l", "") or "r")
    of_container = ContainerSasPermissions.from_string(text)
    tokens = [
        (generate_blob_sas("hubsa", "box", blob, account_key=KEY, permission=of_blob, **common), blob),
        (generate_blob_sas("hubsa", "box", blob, user_delegation_key=delegated, permission=of_blob, **common), blob),
        (generate_container_sas("hubsa", "box", account_key=KEY, permission=of_container, **common), ""),
        (generate_container_sas("hubsa", "box", user_delegation_key=delegated, permission=of_container, **common), ""),
    ]
    for token, target in tokens:
        query = fields_of(token)
        assert is_accepted(query, "box", target)
        assert not is_accepted({**query, "se": "2030-01-01T00:00:00Z"}, "box", target)
        assert not is_accepted(query, "box", target, key=base64.b64encode(bytes(64)).decode())


def test_an_account_signature_of_the_vendors_client_is_accepted() -> None:
    permission = AccountSasPermissions(read=True, write=True, list=True, create=True, delete=True)
    token = generate_account_sas("hubsa", KEY, ResourceTypes(service=True, container=True, object=True), permission, NOON)
    assert is_accepted(fields_of(token), "", "")


def test_signed_headers_and_parameters_must_come_as_they_were_signed() -> None:
    delegated = UserDelegationKey()
    delegated.signed_oid, delegated.signed_tid = DELEGATED["skoid"], DELEGATED["sktid"]
    delegated.signed_start, delegated.signed_expiry = DELEGATED["skt"], DELEGATED["ske"]
    delegated.signed_service, delegated.signed_version, delegated.value = "b", "2026-10-06", KEY
    token = generate_blob_sas(
        "hubsa",
        "box",
        "a",
        user_delegation_key=delegated,
        permission=BlobSasPermissions(read=True),
        expiry=NOON,
        request_headers={"x-ms-encryption-scope": "one", "Cache-Control": "two"},
        request_query_params={"timeout": "3"},
    )
    query = {**fields_of(token), "timeout": "3"}
    headers = {"x-ms-encryption-scope": "one", "cache-control": "two"}
    signed = sas.read(query)

    def fits(headers: dict[str, str], query: dict[str, str]) -> bool:
        return sas.is_signed_with(KEY, sas.text_to_sign(signed, "hubsa", "box", "a", headers, query), signed.get("sig"))

    assert fits(headers, query)
    assert not fits({**headers, "cache-control": "three"}, query)
    assert not fits(headers, {**query, "timeout": "4"})
    with pytest.raises(Forbidden):
        fits({}, query)


@pytest.mark.parametrize("version", ["2020-10-02", "2019-12-12", "2015-04-05", "2027-01-01", "", "latest"])
def test_a_version_that_is_too_old_or_unknown_is_refused(version: str) -> None:
    with pytest.raises(Forbidden) as refused:
        sas.read({**KNOWN["service"][0], "sv": version, "sig": "x"})
    assert refused.value.code == "AuthenticationFailed"


@pytest.mark.parametrize(
    "change",
    [
        {"sp": "wr"},
        {"sp": "rr"},
        {"sp": ""},
        {"sp": "q"},
        {"se": "tomorrow"},
        {"se": ""},
        {"sr": "f"},
        {"skoid": "1", "si": "policy"},
        {"ss": "b"},
        {"SE": "2026-01-01T01:00:00Z"},
        {"sdd": "1"},
        {"rscd": "a\r\nset-cookie: b=c"},
        {"rsct": "a\x00b"},
    ],
)
def test_a_malformed_signature_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(Forbidden):
        sas.read({**KNOWN["service"][0], "sig": "x", **change})


@pytest.mark.parametrize("change", [{"sr": "d"}, {"sr": "bs"}, {"sr": "bv"}, {"si": "policy"}, {"ses": "scope"}])
def test_what_is_not_there_is_said_so(change: dict[str, str]) -> None:
    with pytest.raises(NotOffered):
        sas.read({**KNOWN["service"][0], "sig": "x", **change})


@pytest.mark.parametrize(
    ("at", "is_in_force"),
    [
        ("2025-12-31T23:59:59Z", False),
        ("2026-01-01T00:00:00Z", True),
        ("2026-01-01T00:59:59Z", True),
        ("2026-01-01T01:00:00Z", False),
    ],
)
def test_a_signature_holds_from_its_start_to_before_its_end(at: str, *, is_in_force: bool) -> None:
    signed = sas.read(KNOWN["service"][0])
    now = datetime.fromisoformat(at)
    if is_in_force:
        sas.check_moment(signed, now)
    else:
        with pytest.raises(Forbidden):
            sas.check_moment(signed, now)


def test_a_delegation_key_lives_for_a_week_at_most() -> None:
    fields = {**KNOWN["delegation"][0], "se": "2026-02-01T00:00:00Z"}
    sas.check_moment(sas.read({**fields, "ske": "2026-01-08T00:00:00Z"}), NOON)
    with pytest.raises(Forbidden):
        sas.check_moment(sas.read({**fields, "ske": "2026-01-08T00:00:01Z"}), NOON)
    with pytest.raises(Forbidden):
        sas.check_moment(sas.read({**fields, "ske": "2026-01-01T11:00:00Z"}), NOON)


@pytest.mark.parametrize(
    ("fields", "client", "scheme", "is_let_in"),
    [
        ({}, "10.0.0.5", "http", True),
        ({"spr": "https"}, "10.0.0.5", "https", True),
        ({"spr": "https"}, "10.0.0.5", "http", False),
        ({"spr": "https,http"}, "10.0.0.5", "http", True),
        ({"sip": "10.0.0.5"}, "10.0.0.5", "https", True),
        ({"sip": "10.0.0.5"}, "10.0.0.6", "https", False),
        ({"sip": "10.0.0.1-10.0.0.9"}, "10.0.0.9", "https", True),
        ({"sip": "10.0.0.1-10.0.0.9"}, "10.0.0.10", "https", False),
        ({"sip": "10.0.0.1-10.0.0.9"}, "::1", "https", False),
        ({"sip": "10.0.0.1-10.0.0.9"}, "::ffff:10.0.0.9", "https", True),
        ({"sip": "everywhere"}, "10.0.0.9", "https", False),
    ],
)
def test_a_signature_may_ask_for_a_protocol_and_for_addresses(fields: dict[str, str], client: str, scheme: str, *, is_let_in: bool) -> None:
    signed = sas.read({"sv": "2026-10-06", "se": "2026-01-01T01:00:00Z", "sp": "r", "sr": "b", **fields})
    if is_let_in:
        sas.check_way(signed, client, scheme)
    else:
        with pytest.raises(Forbidden):
            sas.check_way(signed, client, scheme)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-01", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01T10:00Z", "2026-01-01T10:00:00+00:00"),
        ("2026-01-01T10:00:30.1234567Z", "2026-01-01T10:00:30.123456+00:00"),
        ("2026-01-01T10:00:00+02:00", "2026-01-01T08:00:00+00:00"),
        ("2026-01-01T10:00:00", None),
        ("2026-13-01", None),
        ("2026-01-01 10:00Z", None),
    ],
)
def test_the_forms_of_a_moment_are_the_documented_ones(text: str, expected: str | None) -> None:
    from studiolo.rooms.blobs.domain.times import iso_moment

    found = iso_moment(text)
    assert (found.isoformat() if found else None) == expected

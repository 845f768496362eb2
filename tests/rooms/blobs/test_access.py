"""Who may do what on the data plane: tokens, signatures of all kinds, account keys; and what refusals give away."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
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

from studiolo.kernel.resource import Caller
from studiolo.rooms.blobs import Recipient
from tests.rooms.blobs.studio import (
    ACCOUNT,
    ADDER,
    BEGINNING,
    KEYED,
    MEMBER,
    OTHER_PROJECT,
    OWNER,
    PROJECT,
    READER,
    STRANGER,
    TENANT,
    Client,
    Grant,
    Studio,
    account_id,
    project_condition,
)
from tests.rooms.blobs.wire import Reply, ask
from tests.support.kernel import GROUP

HOUR = timedelta(hours=1)
SMALL = {"x-ms-blob-type": "BlockBlob", "content-length": "1"}


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def refused(what: Any) -> Any:
    with pytest.raises(HttpResponseError) as found:
        what()
    return found.value  # typed without the code that it carries


def key_of(studio: Studio, who: str, life: timedelta = HOUR) -> UserDelegationKey:
    return studio.service(who).get_user_delegation_key(now() - timedelta(minutes=5), now() + life)


def signed_by(studio: Studio, who: str, container: str, letters: str, **options: Any) -> str:
    """A user delegation signature for a container."""
    permission = ContainerSasPermissions.from_string(letters)
    options = {"expiry": now() + HOUR, **options}
    return generate_container_sas(ACCOUNT, container, user_delegation_key=key_of(studio, who), permission=permission, **options)


@pytest.fixture
def other(studio: Studio) -> Client:
    """A container of another project in the same account, with one blob."""
    made = studio.container(f"{OTHER_PROJECT}-{uuid4().hex[:8]}")
    made.create_container()
    made.upload_blob("secret.txt", b"theirs")
    return made


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_call_without_a_credential_is_sent_for_one(studio: Studio, container: Client) -> None:
    reply = ask(studio, "GET", f"/{container.container_name}/a", {"authorization": ""})
    assert (reply.status, reply.code) == (401, "NoAuthenticationInformation")
    assert "resource_id=https://storage.azure.com" in reply.headers["www-authenticate"]
    assert f"authorization_uri=https://localhost:{studio.port}/adfs/" in reply.headers["www-authenticate"]
    reply = ask(studio, "GET", f"/{container.container_name}/a", {"authorization": "Bearer forged"})
    assert (reply.status, reply.code) == (401, "InvalidAuthenticationInfo")


def test_a_reader_reads_and_writes_nothing(studio: Studio, container: Client) -> None:
    container.upload_blob("a", b"x")
    mine = studio.container(container.container_name, READER)
    assert mine.download_blob("a").readall() == b"x"
    assert [blob.name for blob in mine.list_blobs()] == ["a"]
    blob = mine.get_blob_client("a")
    for refuse in (
        lambda: blob.upload_blob(b"y", overwrite=True),
        lambda: mine.upload_blob("new", b"y"),
        blob.delete_blob,
        lambda: blob.set_blob_metadata({"a": "b"}),
        blob.set_http_headers,
        lambda: blob.stage_block("b1", b"x"),
        lambda: blob.commit_block_list([]),
        lambda: blob.set_blob_tags({"a": "b"}),
        blob.get_blob_tags,
        mine.delete_container,
        lambda: mine.set_container_metadata({"a": "b"}),
        lambda: studio.container("readers-own", READER).create_container(),
    ):
        error = refused(refuse)
        assert (error.status_code, error.error_code) == (403, "AuthorizationPermissionMismatch")
    assert container.download_blob("a").readall() == b"x"


def test_a_project_reaches_its_own_containers_only(studio: Studio, container: Client, other: Client) -> None:
    mine, theirs = studio.container(container.container_name, MEMBER), studio.container(other.container_name, MEMBER)
    mine.upload_blob("a", b"x")
    assert mine.download_blob("a").readall() == b"x"
    for refuse in (
        lambda: theirs.download_blob("secret.txt"),
        lambda: theirs.upload_blob("a", b"x"),
        lambda: theirs.get_blob_client("secret.txt").delete_blob(),
        lambda: list(theirs.list_blobs()),
        theirs.get_container_properties,
        theirs.delete_container,
        lambda: list(studio.service(MEMBER).list_containers()),
        lambda: studio.container(f"{OTHER_PROJECT}-new", MEMBER).create_container(),
        lambda: studio.container("neither", MEMBER).create_container(),
    ):
        assert refused(refuse).status_code == 403
    studio.container(f"{PROJECT}-{uuid4().hex[:6]}", MEMBER).create_container()


def test_absent_and_forbidden_look_alike(studio: Studio, other: Client) -> None:
    there, absent = f"/{other.container_name}", f"/{OTHER_PROJECT}-{uuid4().hex[:8]}"
    for method, path, headers in (
        ("GET", "/secret.txt", {}),
        ("HEAD", "/secret.txt", {}),
        ("DELETE", "/secret.txt", {}),
        ("PUT", "/secret.txt", SMALL),
        ("PUT", "/secret.txt?comp=metadata", {}),
        ("GET", "?restype=container", {}),
        ("GET", "?restype=container&comp=list", {}),
        ("DELETE", "?restype=container", {}),
    ):
        for who in (MEMBER, STRANGER):
            body = b"x" if headers else b""
            replies = [
                ask(studio, method, base + path, {**headers, "authorization": f"Bearer token-{who}"}, body) for base in (there, absent)
            ]
            told = [plain(reply, other.container_name, absent[1:]) for reply in replies]
            assert told[0] == told[1], (method, path)
            assert replies[0].status == 403


@pytest.mark.parametrize("who", [STRANGER, "", "forged"])
def test_an_account_that_is_there_and_one_that_is_not_look_alike(studio: Studio, other: Client, who: str) -> None:
    """Whatever is asked for, also what is malformed; and the refusal names neither subscription nor scope."""
    box, to_list = f"/{other.container_name}", "?restype=container&comp=list"
    part = b"--b\r\nContent-Type: application/http\r\n\r\nDELETE /box/a HTTP/1.1\r\ncontent-length: 0\r\n\r\n--b--\r\n"
    signed = f"?sv=2026-06-06&sr=b&sp=r&se=2099-01-01T00:00:00Z&sig=AAAA&skoid={OWNER}&sktid={TENANT}&sks=b&skv=2026-06-06"
    signed += "&skt=2026-01-01T00:00:00Z&ske=2099-01-01T00:00:00Z"
    credential = f"Bearer {who}" if who == "forged" else f"Bearer token-{who}" if who else ""
    asked: list[tuple[str, str, dict[str, str], bytes]] = [
        ("GET", f"{box}/secret.txt", {}, b""),
        ("HEAD", f"{box}/secret.txt", {}, b""),
        ("PUT", f"{box}/secret.txt", SMALL, b"x"),
        ("PUT", f"{box}/secret.txt", {}, b"x"),
        ("PUT", f"{box}/secret.txt?comp=block", {}, b"x"),
        ("PUT", f"{box}/secret.txt?comp=tags", {}, b"<Tags/>"),
        ("PUT", f"{box}/secret.txt?comp=lease", {}, b""),
        ("DELETE", f"{box}/secret.txt", {}, b""),
        ("GET", box + to_list, {}, b""),
        ("GET", box + to_list + "&include=tags", {}, b""),
        ("GET", box + to_list + "&marker=%2B", {}, b""),
        ("PUT", f"{box}?restype=container", {}, b""),
        ("GET", "/?comp=list", {}, b""),
        ("GET", "/?restype=account&comp=properties", {}, b""),
        ("POST", "/?restype=service&comp=userdelegationkey", {}, b"<KeyInfo/>"),
        ("POST", "/?comp=batch", {"content-type": "multipart/mixed; boundary=b"}, part),
        ("GET", f"{box}/secret.txt{signed}", {"authorization": ""}, b""),
        ("GET", f"{box}/secret.txt{signed}&srh=x-a", {"authorization": ""}, b""),
    ]
    for method, target, more, body in asked:
        headers = {"authorization": credential, **more}
        there, gone = (ask(studio, method, target, headers, body, account) for account in (ACCOUNT, "nosuchaccount"))
        assert plain(there, ACCOUNT) == plain(gone, "nosuchaccount"), (method, target)
        assert there.status >= 400 or there.status == 202
        assert b"s1" not in there.body
        assert b"resourceGroups" not in there.body


def plain(reply: Reply, *names: str) -> tuple[int, dict[str, str], bytes]:
    """All of an answer, but for its ids, its times and the names that were asked for."""
    varying = ("x-ms-request-id", "x-ms-correlation-request-id", "x-ms-client-request-id", "x-studiolo-decision-id", "date")
    body = re.sub(rb"RequestId:\S+|Time:[^<]+|batchresponse_[\w-]+|x-studiolo-decision-id: \S+|x-ms-request-id: \S+", b"", reply.body)
    for name in names:
        body = body.replace(name.encode(), b"*")
    headers = {name: re.sub(r"batchresponse_[\w-]+", "", value) for name, value in reply.headers.items() if name not in varying}
    headers |= {name: "" for name in varying if name in reply.headers}
    if reply.headers.get("content-type", "").startswith("multipart"):
        headers.pop("content-length")
    return reply.status, headers, body


def test_a_revocation_holds_for_the_next_call(studio: Studio, container: Client) -> None:
    who = str(uuid4())
    mine = studio.container(container.container_name, who)
    studio.grants.set(who, Grant("Storage Blob Data Contributor", GROUP))
    mine.upload_blob("a", b"x")
    studio.grants.set(who)
    assert refused(lambda: mine.download_blob("a")).status_code == 403


def test_who_may_only_add_replaces_nothing(studio: Studio, container: Client) -> None:
    name = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
    studio.grants.set(
        ADDER, Grant("Storage Blob Data Owner", GROUP, f"!(ActionMatches{{'{name}/write'}}) OR @Resource[{name}:path] StringEquals 'never'")
    )
    mine = studio.container(container.container_name, ADDER)
    mine.upload_blob("new", b"x")
    error = refused(lambda: mine.upload_blob("new", b"y", overwrite=True))
    assert (error.status_code, error.error_code) == (403, "AuthorizationPermissionMismatch")
    assert mine.download_blob("new").readall() == b"x"


def test_conditions_see_paths_prefixes_and_tags(studio: Studio, container: Client) -> None:
    base = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
    who = str(uuid4())
    container.upload_blob("open/a", b"x", tags={"Project": "Cascade"})
    container.upload_blob("shut/a", b"x")
    mine = studio.container(container.container_name, who)
    path = f"@Resource[{base}:path] StringLike 'open/*'"
    studio.grants.set(who, Grant("Storage Blob Data Reader", GROUP, f"SubOperationMatches{{'Blob.List'}} OR {path}"))
    assert mine.download_blob("open/a").readall() == b"x"
    assert refused(lambda: mine.download_blob("shut/a")).status_code == 403
    assert len(list(mine.list_blobs())) == 2
    prefix = f"@Request[{base}:prefix] StringStartsWith 'open/'"
    studio.grants.set(who, Grant("Storage Blob Data Reader", GROUP, f"!(SubOperationMatches{{'Blob.List'}}) OR {prefix}"))
    assert [blob.name for blob in mine.list_blobs(name_starts_with="open/")] == ["open/a"]
    for start in (None, "shut/", "o"):
        assert refused(lambda start=start: list(mine.list_blobs(name_starts_with=start))).status_code == 403
    tags = f"@Resource[{base}/tags:Project<$key_case_sensitive$>] StringEquals 'Cascade'"
    studio.grants.set(who, Grant("Storage Blob Data Reader", GROUP, tags))
    assert mine.download_blob("open/a").readall() == b"x"
    assert refused(lambda: mine.download_blob("shut/a")).status_code == 403
    assert refused(lambda: mine.download_blob("absent")).status_code == 403


# ── user delegation signatures ───────────────────────────────────────────────────────────────────────────────────────


def test_a_delegation_is_worth_its_letters_and_what_its_maker_may(studio: Studio, container: Client, other: Client) -> None:
    name = container.container_name
    mine = studio.container(name, signed_by(studio, MEMBER, name, "rcwl"))
    mine.upload_blob("a", b"x")
    assert mine.download_blob("a").readall() == b"x"
    assert [blob.name for blob in mine.list_blobs()] == ["a"]
    assert refused(lambda: mine.delete_blob("a")).error_code == "AuthorizationPermissionMismatch"
    for client in (
        studio.container(other.container_name, signed_by(studio, MEMBER, other.container_name, "rwl")),
        studio.container(name, signed_by(studio, READER, name, "w")),
    ):
        assert refused(lambda client=client: client.upload_blob("b", b"x")).status_code == 403
    elsewhere = studio.container(other.container_name, signed_by(studio, OWNER, name, "rl"))
    assert isinstance(refused(lambda: elsewhere.download_blob("secret.txt")), ClientAuthenticationError)


def test_a_delegation_ends_with_the_rights_of_its_maker(studio: Studio, container: Client) -> None:
    who = str(uuid4())
    studio.grants.set(who, Grant("Storage Blob Data Contributor", GROUP))
    mine = studio.container(container.container_name, signed_by(studio, who, container.container_name, "rcwl"))
    mine.upload_blob("a", b"x")
    studio.grants.set(who, Grant("Storage Blob Data Contributor", GROUP, project_condition(OTHER_PROJECT)))
    assert refused(lambda: mine.download_blob("a")).status_code == 403
    studio.grants.set(who, Grant("Storage Blob Data Contributor", GROUP))
    assert mine.download_blob("a").readall() == b"x"
    studio.tokens.disabled.add(who)
    assert refused(lambda: mine.download_blob("a")).status_code == 403


def test_a_delegation_is_not_that_of_a_later_principal_of_the_same_id(studio: Studio, container: Client) -> None:
    who, name = str(uuid4()), container.container_name
    container.upload_blob("a", b"x")
    studio.grants.set(who, Grant("Storage Blob Data Contributor", GROUP))
    earlier = studio.container(name, signed_by(studio, who, name, "r"))
    assert earlier.download_blob("a").readall() == b"x"
    studio.tokens.removed.add(who)
    assert refused(lambda: earlier.download_blob("a")).error_code == "AuthenticationFailed"
    studio.tokens.removed.discard(who)
    studio.tokens.later[who] = "2026-01-02T00:00:00Z"
    assert refused(lambda: earlier.download_blob("a")).error_code == "AuthenticationFailed"
    assert studio.container(name, signed_by(studio, who, name, "r")).download_blob("a").readall() == b"x"


@pytest.mark.parametrize("more", ["", "&srh=x-ms-encryption-scope", "&srq=timeout"], ids=["plain", "headers", "parameters"])
def test_a_forged_delegation_does_not_tell_whether_its_principal_is_there(studio: Studio, container: Client, more: str) -> None:
    who = str(uuid4())
    studio.grants.set(who, Grant("Storage Blob Data Contributor", GROUP))
    forged = re.sub(r"sig=[^&]+", "sig=AAAA", signed_by(studio, who, container.container_name, "r")) + more
    told: list[tuple[int, str, bytes]] = []
    for removed in (set[str](), {who}):
        studio.tokens.removed.update(removed)
        reply = ask(studio, "GET", f"/{container.container_name}/a?{forged}", {"authorization": ""})
        told.append((reply.status, reply.code, re.sub(rb"RequestId:\S+|Time:\S+", b"", reply.body)))
    assert told[0] == told[1]
    assert told[0][:2] == (403, "AuthenticationFailed")


def test_delegations_can_be_revoked_for_one_and_for_all(studio: Studio, container: Client) -> None:
    name, accounts = container.container_name, studio.room.storage.accounts
    container.upload_blob("a", b"x")
    first, second = (studio.container(name, signed_by(studio, who, name, "r")) for who in (MEMBER, OWNER))
    assert first.download_blob("a").readall() == second.download_blob("a").readall() == b"x"
    account = studio.run(accounts.get(account_id()))
    studio.run(accounts.revoke(account, MEMBER))
    assert refused(lambda: first.download_blob("a")).error_code == "AuthenticationFailed"
    assert second.download_blob("a").readall() == b"x"
    studio.run(accounts.revoke(studio.run(accounts.get(account_id()))))
    assert refused(lambda: second.download_blob("a")).error_code == "AuthenticationFailed"
    third = studio.container(name, signed_by(studio, MEMBER, name, "r"))
    assert third.download_blob("a").readall() == b"x"


def test_a_signature_shows_tags_in_lists_by_its_own_letter(studio: Studio, container: Client) -> None:
    container.upload_blob("a", b"x", tags={"k": "v"})
    name = container.container_name
    without, with_tags = (studio.container(name, signed_by(studio, OWNER, name, letters)) for letters in ("rl", "rlt"))
    assert [blob.name for blob in without.list_blobs(include="metadata")] == ["a"]
    assert refused(lambda: list(without.list_blobs(include="tags"))).error_code == "AuthorizationPermissionMismatch"
    assert [blob.tags for blob in with_tags.list_blobs(include="tags")] == [{"k": "v"}]
    limited = studio.container(name, signed_by(studio, READER, name, "rlt"))
    assert refused(lambda: list(limited.list_blobs(include="tags"))).error_code == "AuthorizationPermissionMismatch"


def test_a_delegation_for_one_blob_opens_no_other(studio: Studio, container: Client) -> None:
    for name in ("a b/c.txt", "a b/d.txt"):
        container.upload_blob(name, name.encode())
    key = key_of(studio, MEMBER)
    token = generate_blob_sas(
        ACCOUNT,
        container.container_name,
        "a b/c.txt",
        user_delegation_key=key,
        permission=BlobSasPermissions(read=True),
        expiry=now() + HOUR,
        content_disposition="attachment; filename=cü日",
        content_type="text/x-special",
    )
    mine = studio.container(container.container_name, token)
    found = mine.download_blob("a b/c.txt")
    assert found.readall() == b"a b/c.txt"
    assert found.properties.content_settings.content_disposition.encode("latin-1").decode() == "attachment; filename=cü日"
    assert found.properties.content_settings.content_type == "text/x-special"
    assert refused(lambda: mine.download_blob("a b/d.txt")).error_code == "AuthenticationFailed"
    assert refused(lambda: list(mine.list_blobs())).status_code == 403


@pytest.mark.parametrize(
    "options",
    [
        {"expiry": now() - timedelta(seconds=1)},
        {"start": now() + HOUR, "expiry": now() + 2 * HOUR},
        {"expiry": now() + timedelta(days=8)},
        {"ip": "203.0.113.7"},
        {"protocol": "http"},
    ],
    ids=["expired", "not yet", "behind its key", "address", "protocol"],
)
def test_a_delegation_holds_only_when_and_where_it_says(studio: Studio, container: Client, options: dict[str, Any]) -> None:
    container.upload_blob("a", b"x")
    studio_key = key_of(studio, MEMBER, timedelta(seconds=1)) if options.get("expiry", now()) > now() + timedelta(days=7) else None
    token = signed_by(studio, MEMBER, container.container_name, "r", **options)
    if studio_key is not None:
        permission = ContainerSasPermissions(read=True)
        studio_key.signed_expiry = (now() - timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        token = generate_container_sas(ACCOUNT, container.container_name, user_delegation_key=studio_key, permission=permission, **options)
    assert refused(lambda: studio.container(container.container_name, token).download_blob("a")).status_code == 403


@pytest.mark.parametrize(
    ("starts", "ends"),
    [
        (timedelta(0), timedelta(days=8)),
        (timedelta(0), -HOUR),
        (2 * HOUR, HOUR),
        (timedelta(days=6), timedelta(days=9)),
        (-timedelta(days=5), timedelta(days=3)),
    ],
)
def test_a_delegation_key_with_bad_moments_is_not_given(studio: Studio, starts: timedelta, ends: timedelta) -> None:
    error = refused(lambda: studio.service(MEMBER).get_user_delegation_key(now() + starts, now() + ends))
    assert (error.status_code, error.error_code) == (400, "InvalidXmlNodeValue")


def test_a_delegation_key_needs_a_token_and_the_right(studio: Studio, container: Client) -> None:
    assert refused(lambda: key_of(studio, STRANGER)).error_code == "AuthorizationPermissionMismatch"
    token = signed_by(studio, OWNER, container.container_name, "rwdl")
    assert refused(lambda: studio.service(token).get_user_delegation_key(now(), now() + HOUR)).status_code == 403


def test_the_platforms_own_signatures_are_delegations(studio: Studio, container: Client) -> None:
    name, caller = container.container_name, Caller(oid=MEMBER, tenant=TENANT, since=BEGINNING)
    token = studio.run(studio.room.storage.delegate(account_id(), name, "racwl", caller, now() + timedelta(days=30)))
    mine = studio.container(name, token)
    mine.upload_blob("a", b"x")
    assert [blob.name for blob in mine.list_blobs()] == ["a"]
    assert "spr=https" in token
    studio.grants.set(MEMBER)
    try:
        assert refused(lambda: mine.download_blob("a")).status_code == 403
    finally:
        studio.grants.set(MEMBER, Grant("Storage Blob Data Contributor", GROUP, project_condition(PROJECT)))


def test_a_signature_given_to_somebody_holds_as_long_as_they_may_have_it(studio: Studio, container: Client) -> None:
    name, caller, holder = container.container_name, Caller(oid=MEMBER, tenant=TENANT, since=BEGINNING), str(uuid4())
    given = studio.room.storage.delegate(account_id(), name, "racwl", caller, now() + HOUR, to=Recipient(holder, "mark/1"))
    token = studio.run(given)
    mine = studio.container(name, token)
    assert refused(lambda: mine.upload_blob("a", b"x")).error_code == "AuthenticationFailed"
    studio.tokens.recipients.add((holder, "mark/1"))
    mine.upload_blob("a", b"x")
    studio.tokens.recipients.discard((holder, "mark/1"))
    assert refused(lambda: mine.download_blob("a")).error_code == "AuthenticationFailed"
    studio.tokens.recipients.add((holder, "mark/2"))
    for other in (token.replace("mark%2F1", "mark%2F2"), token.replace(holder, OWNER), token.replace(f"saoid={holder}&", "")):
        assert other != token
        assert refused(lambda other=other: studio.container(name, other).download_blob("a")).error_code == "AuthenticationFailed"


# ── account keys and what is signed with them ────────────────────────────────────────────────────────────────────────


def keys_of(studio: Studio, account: str) -> list[str]:
    accounts = studio.room.storage.accounts
    secrets = studio.run(accounts.secrets(studio.run(accounts.get(account_id(account)))))
    return [secrets.key1, secrets.key2]


def test_account_keys_work_where_the_account_permits_them(studio: Studio) -> None:
    for key in keys_of(studio, KEYED):
        service = studio.service({"account_name": KEYED, "account_key": key}, KEYED)
        name = f"box-{uuid4().hex[:8]}"
        made = service.create_container(name)
        blob = made.get_blob_client("a b/ü&c=d.txt")
        blob.upload_blob(b"x" * 100_000, metadata={"a_1": "1", "a1": "2", "b": "3"}, content_settings=None)
        assert blob.download_blob(5, 10).readall() == b"x" * 10
        assert [found.name for found in made.list_blobs(name_starts_with="a b/")] == ["a b/ü&c=d.txt"]
        assert name in [found.name for found in service.list_containers(name_starts_with="box-")]
        blob.delete_blob()
        made.delete_container()


def test_account_keys_are_off_by_default(studio: Studio, container: Client) -> None:
    key = keys_of(studio, ACCOUNT)[0]
    name = container.container_name
    permission = AccountSasPermissions(read=True, list=True)
    for credential in (
        {"account_name": ACCOUNT, "account_key": key},
        generate_account_sas(ACCOUNT, key, ResourceTypes(container=True, object=True), permission, now() + HOUR),
        generate_container_sas(
            ACCOUNT, name, account_key=key, permission=ContainerSasPermissions(read=True, list=True), expiry=now() + HOUR
        ),
    ):
        error = refused(lambda credential=credential: list(studio.container(name, credential).list_blobs()))
        assert (error.status_code, error.error_code) == (403, "KeyBasedAuthenticationNotPermitted")


def test_a_wrong_key_and_a_renewed_key_are_refused(studio: Studio) -> None:
    from base64 import b64encode

    wrong = studio.service({"account_name": KEYED, "account_key": b64encode(bytes(64)).decode()}, KEYED)
    assert isinstance(refused(lambda: list(wrong.list_containers())), ClientAuthenticationError)
    old = studio.service({"account_name": KEYED, "account_key": keys_of(studio, KEYED)[0]}, KEYED)
    assert isinstance(list(old.list_containers()), list)
    accounts = studio.room.storage.accounts
    studio.run(accounts.regenerate(studio.run(accounts.get(account_id(KEYED))), "key1"))
    assert refused(lambda: list(old.list_containers())).error_code == "AuthenticationFailed"


def test_an_account_signature_covers_its_levels_and_letters(studio: Studio) -> None:
    key = keys_of(studio, KEYED)[1]
    name = f"box-{uuid4().hex[:8]}"
    whole = generate_account_sas(
        KEYED,
        key,
        ResourceTypes(service=True, container=True, object=True),
        AccountSasPermissions(read=True, write=True, delete=True, list=True, create=True),
        now() + HOUR,
    )
    service = studio.service(whole, KEYED)
    made = service.create_container(name)
    made.upload_blob("a", b"x")
    assert made.download_blob("a").readall() == b"x"
    assert made.get_container_properties().name == name
    objects = generate_account_sas(KEYED, key, ResourceTypes(object=True), AccountSasPermissions(read=True, list=True), now() + HOUR)
    narrow = studio.container(name, objects, KEYED)
    assert narrow.download_blob("a").readall() == b"x"
    assert refused(lambda: list(narrow.list_blobs())).error_code == "AuthorizationResourceTypeMismatch"
    assert refused(lambda: narrow.upload_blob("b", b"x")).error_code == "AuthorizationPermissionMismatch"
    made.delete_container()


def test_a_service_signature_creates_or_overwrites_by_its_letter(studio: Studio) -> None:
    key = keys_of(studio, KEYED)[1]
    box = studio.service({"account_name": KEYED, "account_key": key}, KEYED).create_container(f"box-{uuid4().hex[:8]}")
    permission = ContainerSasPermissions(create=True, read=True)
    token = generate_container_sas(KEYED, box.container_name, account_key=key, permission=permission, expiry=now() + HOUR)
    mine = studio.container(box.container_name, token, KEYED)
    mine.upload_blob("a", b"x")
    assert refused(lambda: mine.upload_blob("a", b"y", overwrite=True)).status_code == 403
    assert refused(mine.delete_container).status_code == 403
    assert mine.download_blob("a").readall() == b"x"


@pytest.mark.parametrize("extra", ["&sig=again", "&sp=racwdl", "&SP=racwdl"])
def test_a_parameter_that_stands_twice_is_refused(studio: Studio, container: Client, extra: str) -> None:
    container.upload_blob("a", b"x")
    token = signed_by(studio, MEMBER, container.container_name, "r")
    target = f"/{container.container_name}/a?{token}"
    assert ask(studio, "GET", target, {"authorization": ""}).status == 200
    assert ask(studio, "GET", target + extra, {"authorization": ""}).status in (400, 403)
    assert ask(studio, "GET", target).status == 403  # a token as well: who is it?

"""Tokens that are not ours, or not for here, or not for now: none is believed.

The forger has everything that is public, and for some cases more: the private key itself, which shows that a good
signature alone is not enough. Each case is one change to a token that is taken as it stands.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from studiolo.kernel import clock
from studiolo.kernel.faults import Unauthenticated
from studiolo.kernel.ids import parse
from studiolo.kernel.keys import KeyRing
from studiolo.kernel.resource import PLATFORM
from tests.support.asgi import Reply, call
from tests.support.browser import Browser
from tests.support.oauth import command_line
from tests.support.studio import GROUP, HERE, ORIGIN, READER, Studio, guid

pytestmark = pytest.mark.anyio

OTHER = "https://login.microsoftonline.com"


@lru_cache(maxsize=1)
def stranger_key() -> RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@dataclass
class Forge:
    """A true token's parts, and the key that signs what a case makes of them."""

    key: RSAPrivateKey
    header: dict[str, Any]
    claims: dict[str, Any]
    true: str
    tenant: str
    now: int
    births: dict[str, str]

    def made(
        self,
        *,
        header: dict[str, Any] | bytes | None = None,
        claims: dict[str, Any] | bytes | None = None,
        key: RSAPrivateKey | None = None,
    ) -> str:
        """A token with other parts, signed with RS256; members that are None are left out."""
        signed = f"{self._part(self.header, header)}.{self._part(self.claims, claims)}"
        signature = (key or self.key).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{b64(signature)}"

    def unsigned(self, header: dict[str, Any], signature: Callable[[bytes], bytes], claims: dict[str, Any] | None = None) -> str:
        """A token whose signature the case makes."""
        signed = f"{self._part(self.header, header)}.{self._part(self.claims, claims)}"
        return f"{signed}.{b64(signature(signed.encode()))}"

    @property
    def person(self) -> str:
        """Somebody who is there and may read."""
        return guid(1)

    def persons_claims(self, **changes: Any) -> dict[str, Any]:
        """What the claims of a person's token are, with changes; born when whoever they name was, unless that is changed too."""
        said = {"idtyp": "user", "scp": "user_impersonation", "sid": guid(7), "oid": self.person, "sub": "a pairwise subject", **changes}
        return {"born": self.births.get(said["oid"]), **said}

    def persons(self, **changes: Any) -> str:
        """A person's token, with other claims."""
        return self.made(claims=self.persons_claims(**changes))

    @staticmethod
    def _part(true: dict[str, Any], change: dict[str, Any] | bytes | None) -> str:
        if isinstance(change, bytes):
            return b64(change)
        return b64(json.dumps({k: v for k, v in {**true, **(change or {})}.items() if v is not None}).encode())


@pytest.fixture
async def forge(studio: Studio) -> Forge:
    true = await studio.token()
    header, claims, _ = true.split(".")
    entry = await studio.store.entry("iam.signing-keys", "newest")
    assert entry is not None
    sealed = base64.b64decode(msgspec.json.decode(entry.doc)["sealed"])
    pem = await KeyRing(studio.store, b"k" * 32).open("iam/signing-keys", sealed)
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, RSAPrivateKey)
    read = [msgspec.json.decode(base64.urlsafe_b64decode(part + "==")) for part in (header, claims)]
    for number in (1, 2, 3):
        await studio.user(number, accountEnabled=True)
        await studio.assign(700 + number, guid(number), READER, HERE)
    await studio.group(30, guid(1))
    users = "/providers/Studiolo.Directory/users"
    await studio.control.act(PLATFORM, parse(f"{users}/{guid(2)}"), "revokeSignInSessions", {}, {}, "2024-01-01")
    await studio.put(f"{users}/{guid(3)}", {"displayName": "user-3", "accountEnabled": False})
    await studio.put(f"/providers/Studiolo.Directory/applications/{guid(60)}", {"displayName": "app"})
    places = {guid(number): f"{users}/{guid(number)}" for number in (1, 2, 3)} | {
        guid(30): f"/providers/Studiolo.Directory/groups/{guid(30)}"
    }
    found = {oid: await studio.control.find(parse(place)) for oid, place in places.items()}
    births = {oid: each.system.created_at for oid, each in found.items() if each is not None} | {read[1]["oid"]: read[1]["born"]}
    return Forge(key, read[0], read[1], true, studio.tenant, int(clock.now().timestamp()) - 1, births)


def public_pem(key: RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def public_der(key: RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def jwk(key: RSAPrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    return {"kty": "RSA", "n": b64(numbers.n.to_bytes(256, "big")), "e": b64(numbers.e.to_bytes(3, "big"))}


def hs(secret: bytes, digest: str = "sha256") -> Callable[[bytes], bytes]:
    return lambda signed: hmac.new(secret, signed, digest).digest()


def ps(key: RSAPrivateKey) -> Callable[[bytes], bytes]:
    return lambda signed: key.sign(signed, padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size), hashes.SHA256())


def rs(key: RSAPrivateKey, digest: hashes.HashAlgorithm) -> Callable[[bytes], bytes]:
    return lambda signed: key.sign(signed, padding.PKCS1v15(), digest)


def es(signed: bytes) -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).sign(signed, ec.ECDSA(hashes.SHA256()))


def es384(signed: bytes) -> bytes:
    return ec.generate_private_key(ec.SECP384R1()).sign(signed, ec.ECDSA(hashes.SHA384()))


def eddsa(signed: bytes) -> bytes:
    return ed25519.Ed25519PrivateKey.generate().sign(signed)


def doubled(part: dict[str, Any], extra: str) -> bytes:
    """JSON text with one member more than a dictionary can hold."""
    return (json.dumps(part)[:-1] + "," + extra + "}").encode()


def flipped(text: str, at: int) -> str:
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


def last_bits(token: str) -> str:
    """The same signature in another spelling: the unused bits of the last character are set."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + letters[letters.index(token[-1]) ^ 1]


Case = Callable[[Forge], str]
HEADERS: dict[str, Case] = {
    "alg none": lambda f: f.unsigned({"alg": "none"}, lambda _: b""),
    "alg none with the true signature": lambda f: f.made(header={"alg": "none"}),
    "alg None": lambda f: f.made(header={"alg": "None"}),
    "alg nOnE unsigned": lambda f: f.unsigned({"alg": "nOnE"}, lambda _: b""),
    "alg empty": lambda f: f.made(header={"alg": ""}),
    "alg absent": lambda f: f.made(header={"alg": None}),
    "alg a list": lambda f: f.made(header={"alg": ["RS256"]}),
    "alg rs256": lambda f: f.made(header={"alg": "rs256"}),
    "HS256 with the public key in PEM": lambda f: f.unsigned({"alg": "HS256"}, hs(public_pem(f.key))),
    "HS256 with the public key in PEM without its last line end": lambda f: f.unsigned({"alg": "HS256"}, hs(public_pem(f.key).strip())),
    "HS256 with the public key in DER": lambda f: f.unsigned({"alg": "HS256"}, hs(public_der(f.key))),
    "HS256 with the modulus": lambda f: f.unsigned({"alg": "HS256"}, hs(jwk(f.key)["n"].encode())),
    "HS256 with the key's id": lambda f: f.unsigned({"alg": "HS256"}, hs(f.header["kid"].encode())),
    "HS256 with an empty key": lambda f: f.unsigned({"alg": "HS256"}, hs(b"")),
    "HS384 with the public key": lambda f: f.unsigned({"alg": "HS384"}, hs(public_pem(f.key), "sha384")),
    "HS512 with the public key": lambda f: f.unsigned({"alg": "HS512"}, hs(public_pem(f.key), "sha512")),
    "an HMAC that says RS256": lambda f: f.unsigned({}, hs(public_pem(f.key))),
    "PS256 with our key": lambda f: f.unsigned({"alg": "PS256"}, ps(f.key)),
    "PS256 that says RS256": lambda f: f.unsigned({}, ps(f.key)),
    "RS384 with our key": lambda f: f.unsigned({"alg": "RS384"}, rs(f.key, hashes.SHA384())),
    "RS512 with our key": lambda f: f.unsigned({"alg": "RS512"}, rs(f.key, hashes.SHA512())),
    "RS384 that says RS256": lambda f: f.unsigned({}, rs(f.key, hashes.SHA384())),
    "ES256 with a stranger's key": lambda f: f.unsigned({"alg": "ES256"}, es),
    "a stranger's key under our key's id": lambda f: f.made(key=stranger_key()),
    "a stranger's key under its own id": lambda f: f.made(header={"kid": "mine"}, key=stranger_key()),
    "jwk": lambda f: f.made(header={"jwk": jwk(stranger_key())}, key=stranger_key()),
    "jwk without kid": lambda f: f.made(header={"jwk": jwk(stranger_key()), "kid": None}, key=stranger_key()),
    "our own jwk with our key": lambda f: f.made(header={"jwk": jwk(f.key)}),
    "jku": lambda f: f.made(header={"jku": "https://evil.example/keys"}, key=stranger_key()),
    "jku of our own key set": lambda f: f.made(header={"jku": f"{ORIGIN}/adfs/discovery/keys"}),
    "x5u": lambda f: f.made(header={"x5u": "https://evil.example/cert.pem"}, key=stranger_key()),
    "x5c": lambda f: f.made(header={"x5c": [base64.b64encode(public_der(stranger_key())).decode()]}, key=stranger_key()),
    "x5t#S256 of the stranger's key": lambda f: f.made(
        header={"x5t#S256": b64(hashlib.sha256(public_der(stranger_key())).digest())}, key=stranger_key()
    ),
    "crit": lambda f: f.made(header={"crit": ["exp"]}),
    "b64 false": lambda f: f.made(header={"b64": False, "crit": ["b64"]}),
    "zip": lambda f: f.made(header={"zip": "DEF"}),
    "kid absent": lambda f: f.made(header={"kid": None}),
    "kid empty": lambda f: f.made(header={"kid": ""}),
    "kid a path": lambda f: f.unsigned({"alg": "HS256", "kid": "../../../../dev/null"}, hs(b"")),
    "kid a path with RS256": lambda f: f.made(header={"kid": "/dev/null"}, key=stranger_key()),
    "kid a query": lambda f: f.made(header={"kid": "x' union select 'a'--"}, key=stranger_key()),
    "kid a list": lambda f: f.made(header={"kid": [f.header["kid"]]}),
    "kid a number": lambda f: f.made(header={"kid": 0}),
    "kid in another case": lambda f: f.made(header={"kid": f.header["kid"].swapcase()}),
    "typ at+jwt": lambda f: f.made(header={"typ": "at+jwt"}),
    "typ JWE": lambda f: f.made(header={"typ": "JWE"}),
    "typ absent": lambda f: f.made(header={"typ": None}),
    "cty": lambda f: f.made(header={"cty": "JWT"}),
    "alg twice": lambda f: f.made(header=doubled(f.header, '"alg": "none"')),
    "kid twice": lambda f: f.made(header=doubled(f.header, f'"kid": "{f.header["kid"]}"')),
    "a header that is no object": lambda f: f.made(header=b'["RS256"]'),
    "a header that is no JSON": lambda f: f.made(header=b"{"),
    "a deep header": lambda f: f.made(header=b"[" * 5000),
}
CLAIMS: dict[str, Case] = {
    "expired": lambda f: f.made(claims={"exp": f.now - 61}),
    "expired long ago": lambda f: f.made(claims={"exp": 0, "nbf": 0, "iat": 0}),
    "not valid yet": lambda f: f.made(claims={"nbf": f.now + 300}),
    "issued in the future": lambda f: f.made(claims={"iat": f.now + 3600}),
    "issued before its principal was made": lambda f: f.made(claims={"iat": f.now - 86400}),
    "of an earlier principal of the same id": lambda f: f.made(claims={"born": f.births[guid(1)]}),
    "born never": lambda f: f.made(claims={"born": None}),
    "of a person who was there before": lambda f: f.persons(born=f.claims["born"]),
    "exp absent": lambda f: f.made(claims={"exp": None}),
    "exp a text": lambda f: f.made(claims={"exp": str(f.claims["exp"])}),
    "exp true": lambda f: f.made(claims={"exp": True}),
    "exp NaN": lambda f: f.made(claims=json.dumps({**f.claims, "exp": float("nan")}).encode()),
    "exp infinite": lambda f: f.made(claims=json.dumps({**f.claims, "exp": float("inf")}).encode()),
    "exp a list": lambda f: f.made(claims={"exp": [f.claims["exp"]]}),
    "nbf absent": lambda f: f.made(claims={"nbf": None}),
    "iat absent": lambda f: f.made(claims={"iat": None}),
    "another tenant": lambda f: f.made(claims={"tid": guid(9)}),
    "another tenant and its issuer": lambda f: f.made(claims={"tid": guid(9), "iss": f"{ORIGIN}/{guid(9)}/v2.0"}),
    "tid absent": lambda f: f.made(claims={"tid": None}),
    "the public cloud's issuer": lambda f: f.made(claims={"iss": f"{OTHER}/{f.tenant}/v2.0"}),
    "an issuer on another port": lambda f: f.made(claims={"iss": f.claims["iss"].replace("8443", "9443")}),
    "an issuer that begins like ours": lambda f: f.made(claims={"iss": f.claims["iss"] + "/x"}),
    "iss absent": lambda f: f.made(claims={"iss": None}),
    "the issuer of version 1 in version 2": lambda f: f.made(claims={"iss": f"{ORIGIN}/{f.tenant}/"}),
    "version 1 with the issuer of version 2": lambda f: f.made(claims={"ver": "1.0", "appid": f.claims["azp"]}),
    "another version": lambda f: f.made(claims={"ver": "3.0"}),
    "ver absent": lambda f: f.made(claims={"ver": None}),
    "a storage token": lambda f: f.made(claims={"aud": "https://storage.azure.com"}),
    "a token for the public cloud": lambda f: f.made(claims={"aud": "https://management.azure.com"}),
    "an audience that begins like ours": lambda f: f.made(claims={"aud": f"{ORIGIN}.evil.example"}),
    "a list of audiences": lambda f: f.made(claims={"aud": [ORIGIN, "https://evil.example"]}),
    "aud absent": lambda f: f.made(claims={"aud": None}),
    "aud empty": lambda f: f.made(claims={"aud": ""}),
    "an id token": lambda f: f.made(claims={"idtyp": None, "nonce": "x"}),
    "a user's token": lambda f: f.made(claims={"idtyp": "user"}),
    "an application's token with a scope": lambda f: f.made(claims={"scp": "user_impersonation", "sid": guid(7)}),
    "an application's token that says it is a person's": lambda f: f.made(
        claims={"idtyp": "user", "scp": "user_impersonation", "sid": guid(7), "sub": "somebody"}
    ),
    "somebody else's object id": lambda f: f.made(claims={"oid": guid(8), "sub": guid(8)}),
    "a subject that is somebody else": lambda f: f.made(claims={"sub": guid(8)}),
    "oid absent": lambda f: f.made(claims={"oid": None}),
    "oid empty": lambda f: f.made(claims={"oid": "", "sub": ""}),
    "oid a list": lambda f: f.made(claims={"oid": [f.claims["oid"]]}),
    "another application": lambda f: f.made(claims={"azp": guid(8)}),
    "azp absent": lambda f: f.made(claims={"azp": None}),
    "exp twice": lambda f: f.made(claims=doubled(f.claims, '"exp": 9999999999')),
    "aud twice": lambda f: f.made(claims=doubled(f.claims, f'"aud": "{ORIGIN}"')),
    "oid twice": lambda f: f.made(claims=doubled(f.claims, f'"oid": "{f.claims["oid"]}"')),
    "claims that are a list": lambda f: f.made(claims=b"[]"),
    "claims that are no JSON": lambda f: f.made(claims=b"{"),
    "empty claims": lambda f: f.made(claims=b"{}"),
}
DELEGATED: dict[str, Case] = {
    "no scope": lambda f: f.persons(scp=None),
    "an empty scope": lambda f: f.persons(scp=""),
    "a scope of spaces": lambda f: f.persons(scp="  "),
    "another scope": lambda f: f.persons(scp="profile"),
    "a scope that begins like ours": lambda f: f.persons(scp="user_impersonation.read"),
    "a scope in another case": lambda f: f.persons(scp="User_Impersonation"),
    "a list of scopes": lambda f: f.persons(scp=["user_impersonation"]),
    "roles instead of a scope": lambda f: f.persons(scp=None, roles=["user_impersonation"]),
    "no consent": lambda f: f.persons(sid=None),
    "an empty consent": lambda f: f.persons(sid=""),
    "the object id as subject": lambda f: f.persons(sub=f.person),
    "no subject": lambda f: f.persons(sub=""),
    "an application's kind": lambda f: f.persons(idtyp="app"),
    "no kind, as an ID token": lambda f: f.persons(idtyp=None, nonce="x"),
    "the client as audience, as an ID token": lambda f: f.persons(aud=f.claims["azp"]),
    "a registered application as audience": lambda f: f.persons(aud=guid(60)),
    "somebody who is not there": lambda f: f.persons(oid=guid(9)),
    "a group": lambda f: f.persons(oid=guid(30)),
    "a service principal": lambda f: f.persons(oid=f.claims["oid"]),
    "issued before the person was made": lambda f: f.persons(iat=f.now - 86400),
    "issued before the last sign-out": lambda f: f.persons(oid=guid(2)),
    "switched off": lambda f: f.persons(oid=guid(3)),
    "no application": lambda f: f.persons(azp=None),
    "scope twice": lambda f: f.made(claims=doubled({**f.claims, **f.persons_claims(scp="profile")}, '"scp": "user_impersonation"')),
}
NESTED: dict[str, Case] = {
    "a token inside a token": lambda f: f.made(header={"cty": "JWT"}, claims=f.true.encode()),
    "a token as claims": lambda f: f.made(claims=json.dumps(f.true).encode()),
    "an encrypted token's header": lambda f: f.made(header={"alg": "RSA-OAEP", "enc": "A256GCM"}),
    "a signature in JSON": lambda f: json.dumps({"protected": f.true.split(".")[0], "payload": f.true.split(".")[1]}),
    "ES384 with a curve that is not ours": lambda f: f.unsigned({"alg": "ES384"}, es384),
    "EdDSA": lambda f: f.unsigned({"alg": "EdDSA"}, eddsa),
    "ES256K": lambda f: f.unsigned({"alg": "ES256K"}, es),
    "our key's id with a zero byte": lambda f: f.made(header={"kid": f.header["kid"] + "\0"}),
    "kid an object": lambda f: f.made(header={"kid": {"kid": f.header["kid"]}}),
    "nonce in the header": lambda f: f.made(header={"nonce": "x"}),
    "our own certificate chain": lambda f: f.made(header={"x5c": [base64.b64encode(public_der(f.key)).decode()]}),
    "a jku that begins like ours": lambda f: f.made(header={"jku": f"{ORIGIN}@evil.example/keys"}, key=stranger_key()),
    "an empty signature": lambda f: f.true.rpartition(".")[0] + ".AA",
    "a signature of zeros": lambda f: f.unsigned({}, lambda _: bytes(256)),
    "a signature of ones": lambda f: f.unsigned({}, lambda _: b"\xff" * 256),
}
TEXTS: dict[str, Case] = {
    "nothing": lambda _: "",
    "a word": lambda _: "token",
    "two parts": lambda f: f.true.rpartition(".")[0],
    "two parts and a dot": lambda f: f.true.rpartition(".")[0] + ".",
    "four parts": lambda f: f.true + ".e30",
    "five parts, as an encrypted token has": lambda f: f.true + ".e30.e30",
    "without its last character": lambda f: f.true[:-1],
    "without its last half": lambda f: f.true[: len(f.true) // 2],
    "a changed first character of the signature": lambda f: flipped(f.true, f.true.rindex(".") + 1),
    "a changed character of the claims": lambda f: flipped(f.true, f.true.index(".") + 20),
    "a changed character of the header": lambda f: flipped(f.true, 10),
    "another spelling of the same signature": lambda f: last_bits(f.true),
    "padded": lambda f: f.true + "==",
    "with a line end inside": lambda f: f.true[:50] + "\t" + f.true[50:],
    "in standard base64": lambda f: f.true.replace("-", "+").replace("_", "/") if set("-_") & set(f.true) else "x",
    "claims of another token": lambda f: ".".join([f.true.split(".")[0], f.made(claims={"uti": "x"}).split(".")[1], f.true.split(".")[2]]),
    "a huge token": lambda f: f.made(claims={"x": "y" * 20_000}),
    "the token twice": lambda f: f"{f.true},{f.true}",
}
CORPUS = {**HEADERS, **CLAIMS, **{f"a person's token: {name}": case for name, case in DELEGATED.items()}, **NESTED, **TEXTS}


async def shown(studio: Studio, token: str) -> Reply:
    return await call(studio.front, "GET", f"{HERE}?api-version=2022-04-01", headers={"authorization": f"Bearer {token}"})


async def test_the_forger_could_make_tokens_that_are_taken(studio: Studio, forge: Forge) -> None:
    own = forge.made(claims={"uti": "another", "exp": forge.now + 100, "nbf": forge.now + 30})
    old = forge.made(claims={"ver": "1.0", "appid": forge.claims["azp"], "azp": None, "iss": f"{ORIGIN}/{forge.tenant}/"})
    for token in (forge.true, own, old, forge.persons(iat=forge.now + 1)):
        assert (await shown(studio, token)).status == 200


async def test_no_forged_token_is_believed(studio: Studio, forge: Forge) -> None:
    challenge = f'Bearer authorization_uri="{ORIGIN}/{forge.tenant}"'
    believed: list[str] = []
    for name, case in CORPUS.items():
        token = case(forge)
        for reply in (await shown(studio, token), await shown(studio, token)):
            if reply.status != 401 or not reply.headers["www-authenticate"].startswith(challenge):
                believed.append(f"{name}: {reply.status} {reply.body.decode()}")
            assert len(token) < 50 or token not in reply.body.decode()
    assert believed == []


async def test_a_service_principal_cannot_speak_for_the_owner(studio: Studio, forge: Forge) -> None:
    token = forge.made(claims={"oid": studio.beginning.owner, "sub": studio.beginning.owner})
    assert (await shown(studio, token)).status == 401


async def test_real_tokens_of_other_kinds_open_nothing(studio: Studio) -> None:
    browser = Browser(studio)
    await browser.sign_in(studio.beginning.owner)
    tokens = await command_line(studio).tokens(browser)
    assert (await shown(studio, tokens["access_token"])).status == 200
    for kind in ("id_token", "refresh_token"):
        assert (await shown(studio, tokens[kind])).status == 401, kind
    only_who = await command_line(studio).tokens(browser, scope="openid profile")
    assert (await shown(studio, only_who["access_token"])).status == 401


def test_the_corpus_has_the_size_that_is_promised() -> None:
    assert len(CORPUS) >= 80


# ── what changes after a token was read once ─────────────────────────────────────────────────────────────────────


async def test_a_token_that_was_read_once_still_ends(studio: Studio, forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await shown(studio, forge.true)).status == 200
    later = clock.now() + timedelta(minutes=92)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert (await shown(studio, forge.true)).code == "ExpiredAuthenticationToken"


async def test_a_switched_off_principal_is_refused_at_the_next_call(studio: Studio, forge: Forge) -> None:
    assert (await shown(studio, forge.true)).status == 200
    path = f"/providers/Studiolo.Directory/servicePrincipals/{forge.claims['oid']}"
    body = {"displayName": "studiolo-cli", "appId": forge.claims["azp"]}
    await studio.put(path, {**body, "accountEnabled": False})
    assert (await shown(studio, forge.true)).status == 401
    await studio.put(path, body)
    assert (await shown(studio, forge.true)).status == 401, "switched on again, everybody begins anew"
    assert (await shown(studio, await studio.token())).status == 200


async def test_a_token_for_one_surface_opens_no_other(studio: Studio) -> None:
    kinds = {
        "arm": {ORIGIN},
        "ml": {ORIGIN, "https://ml.azure.localhost", "https://ai.azure.com"},
        "blob": {ORIGIN, "https://storage.azure.com"},
        "vault": {ORIGIN, "https://vault.azure.net"},
        "model": {ORIGIN, "https://cognitiveservices.azure.com", "https://ai.azure.com", "https://ml.azure.localhost"},
    }
    resources = sorted(set[str]().union(*kinds.values()))
    for resource in resources:
        token = await studio.token(scope=f"{resource}/.default")
        for kind, taken in kinds.items():
            if resource in taken:
                assert (await studio.authenticator(kind).of_token(token)).application == studio.beginning.cli_client_id
                continue
            with pytest.raises(Unauthenticated) as caught:
                await studio.authenticator(kind).of_token(token)
            assert caught.value.code == "InvalidAuthenticationTokenAudience", (resource, kind)


async def test_without_a_credential_the_answer_says_where_to_sign_in(studio: Studio) -> None:
    reply = await call(studio.front, "GET", f"{GROUP}?api-version=2022-04-01")
    assert (reply.status, reply.code) == (401, "AuthenticationFailed")
    assert reply.headers["www-authenticate"] == f'Bearer authorization_uri="{ORIGIN}/{studio.tenant}"'


@pytest.mark.parametrize("header", ["Basic eDp5", "SharedKey a:b", "Bearer", "Bearer ", "bearer a b", "Negotiate x", "Bearer tökén"])
async def test_other_schemes_prove_nothing(studio: Studio, header: str) -> None:
    reply = await call(studio.front, "GET", f"{GROUP}?api-version=2022-04-01", headers={"authorization": header})
    assert reply.status == 401

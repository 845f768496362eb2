"""Secret writes: passwords of applications, and keys of a model account."""

from __future__ import annotations

from tests.recovery.hand import good
from tests.recovery.traffic.kind import Traffic


class Passwords(Traffic):
    """A secret that was shown opens, one that was taken back does not, and no answer means one more at most."""

    def prepare(self) -> None:
        self.person = self.hand.person("changer")
        self.path = f"/applications/{self.person.client_id}"
        [self.own] = self.shown()
        self.good: dict[str, str] = {}
        self.gone: list[str] = []
        self.removing: str | None = None
        self.is_adding = False

    def shown(self) -> set[str]:
        """The ids of the application's secrets."""
        return {each["keyId"] for each in self.hand.directory("GET", self.path).json()["properties"]["passwordCredentials"]}

    def act(self) -> None:
        if self.good and (len(self.good) > 6 or self.chance.random() < 0.4):
            self.removing = self.chance.choice(list(self.good))
            good(self.hand.directory("POST", f"{self.path}/removePassword", {"keyId": self.removing}), 204)
            self.gone.append(self.good.pop(self.removing))
            self.removing = None
        else:
            self.is_adding = True
            minted = good(self.hand.directory("POST", f"{self.path}/addPassword", {}), 200)
            self.is_adding = False
            self.good[minted.json()["keyId"]] = minted.json()["secretText"]

    def opens(self, secret: str) -> bool:
        """Whether a secret gets a token."""
        reply = good(self.hand.ask_token(self.person.client_id, secret, scope=f"{self.hand.url}/.default"), 200, 401)
        return reply.status == 200

    def check(self) -> None:
        shown = self.shown()
        if self.removing is not None and self.removing not in shown:
            self.gone.append(self.good.pop(self.removing))
        assert set(self.good) | {self.own} <= shown, "a secret that was shown is gone"
        assert all(self.opens(secret) for secret in [self.person.secret, *self.good.values()])
        self.gone = self.gone[-3:]
        assert not any(self.opens(secret) for secret in self.gone)
        strange = shown - set(self.good) - {self.own}
        assert len(strange) <= self.is_adding, "a secret was made twice"
        for key in strange:  # nobody was told its text
            good(self.hand.directory("POST", f"{self.path}/removePassword", {"keyId": key}), 204)
        self.removing, self.is_adding = None, False


class ModelKeys(Traffic):
    """Keys of a model account: the newest one that was shown opens, and the one that it replaced does not."""

    def prepare(self) -> None:
        self.account = f"{self.hand.group}/providers/Microsoft.CognitiveServices/accounts/first-project"
        self.keys: dict[str, str] = self.hand.arm("POST", f"{self.account}/listKeys", {}).json()
        self.trying: str | None = None

    def act(self) -> None:
        slot = self.chance.choice(("key1", "key2"))
        old, self.trying = self.keys[slot], slot
        renewed = good(self.hand.arm("POST", f"{self.account}/regenerateKey", {"keyName": slot.replace("k", "K")}), 200)
        other = "key2" if slot == "key1" else "key1"
        assert (renewed.json()[slot] != old, renewed.json()[other]) == (True, self.keys[other])
        self.keys, self.trying = renewed.json(), None
        assert (self.opens(self.keys[slot]), self.opens(old)) == (True, False)

    def opens(self, key: str) -> bool:
        """Whether a key is taken by a model call."""
        reply = good(self.hand.send("GET", "/projects/first-project/openai/v1/models", None, {"api-key": key}), 200, 401)
        return reply.status == 200

    def check(self) -> None:
        found = self.hand.arm("POST", f"{self.account}/listKeys", {}).json()
        for slot, key in found.items():
            assert slot == self.trying or key == self.keys[slot], "a key that was shown is gone"
            assert self.opens(key)
            assert self.opens(self.keys[slot]) == (self.keys[slot] == key)
        self.keys, self.trying = found, None

"""An answer's way out: no field can end early and begin another."""

from typing import Any

import pytest

from studiolo.wire.http import Answer, Call
from studiolo.wire.reply import BEGIN, HEAD, write

pytestmark = pytest.mark.anyio


async def nothing() -> dict[str, Any]:
    return {"type": "http.disconnect"}


async def sent(name: str, value: str, *, is_ready_made: bool, **headers: str) -> list[bytes]:
    """What left: the fields as lines."""
    fields: list[bytes] = []

    def begin(status: int, head: bytes, length: int | None) -> None:
        assert (status, length) == (200, 2)
        fields.extend(head.split(b"\r\n"))

    async def send(message: dict[str, Any]) -> None:
        fields.extend(b"%b: %b" % field for field in message.get("headers", ()))

    asked = Call("GET", "localhost", 8443, "/", "/", "", headers, nothing, "id-1")
    await write(Answer(200, b"ok", [(name, value)]), asked, {HEAD: {BEGIN: begin}} if is_ready_made else None, send)
    return fields


@pytest.mark.parametrize("is_ready_made", [True, False])
@pytest.mark.parametrize("text", ["a\r\nset-cookie: x", "a\nb", "a\rb", "a\0", "a\x7f", "\x0bb", "a\n"])
async def test_a_field_with_a_control_character_never_leaves(text: str, *, is_ready_made: bool) -> None:
    for name, value in (("x-told", text), (text, "told")):
        with pytest.raises(ValueError, match="control character"):
            await sent(name, value, is_ready_made=is_ready_made)
    with pytest.raises(ValueError, match="control character"):
        await sent("x-told", "fine", is_ready_made=is_ready_made, **{"x-ms-client-request-id": text})


@pytest.mark.parametrize("is_ready_made", [True, False])
async def test_what_may_stand_in_a_field_stands_there_as_it_was(*, is_ready_made: bool) -> None:
    for text in ("caf\xe9", "a\tb", "a\xa0b", 'x: "y"'):
        fields = await sent("x-told", text, is_ready_made=is_ready_made)
        assert f"x-told: {text}".encode("latin-1") in fields
        assert b"content-length: 2" in fields

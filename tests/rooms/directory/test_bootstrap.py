from pathlib import Path

import pytest

from studiolo.kernel.resource import Caller
from tests.support.studio import HERE, SUBSCRIPTION, Studio, open_studio

pytestmark = pytest.mark.anyio


async def test_the_first_start_makes_an_owner_at_the_root_and_an_application_at_the_subscription(studio: Studio) -> None:
    owner = Caller(studio.beginning.owner, studio.tenant, "User")
    await studio.gate.require(owner, "Microsoft.Authorization/roleAssignments/write", "/")
    assert (await studio.ask("GET", HERE)).status == 200
    assert (await studio.ask("GET", "/providers/Studiolo.Directory/users/" + studio.beginning.owner)).code == "AuthorizationFailed"


async def test_a_second_start_makes_nothing_and_knows_no_secret(studio: Studio) -> None:
    again = await studio.bootstrap.begin(SUBSCRIPTION, has_cli_secret=True)
    assert (again.tenant, again.owner, again.cli_client_id) == (studio.tenant, studio.beginning.owner, studio.beginning.cli_client_id)
    assert again.cli_secret is None
    assert (await studio.token_reply()).status == 200


async def test_a_lost_secret_is_replaced_and_the_old_one_ends(studio: Studio) -> None:
    again = await studio.bootstrap.begin(SUBSCRIPTION, has_cli_secret=False)
    assert again.cli_secret != studio.beginning.cli_secret
    assert (await studio.token_reply()).status == 401
    assert (await studio.token_reply(client_secret=again.cli_secret or "")).status == 200


async def test_tenant_and_tokens_outlive_a_restart(tmp_path: Path) -> None:
    first = await open_studio(tmp_path)
    token = await first.token()
    await first.close()
    second = await open_studio(tmp_path)
    assert second.tenant == first.tenant
    assert (await second.ask("GET", HERE, token=token)).status == 200
    await second.close()


async def test_no_secret_code_session_or_key_lies_in_the_database_in_clear(studio: Studio, tmp_path: Path) -> None:
    code = await studio.sessions.new_code(studio.beginning.owner)
    session = await studio.sessions.redeem(await studio.sessions.new_code(studio.beginning.owner))
    await studio.token()
    dump = everything_in(tmp_path)
    assert studio.beginning.cli_client_id.encode() in dump
    for canary in (code, session, studio.beginning.cli_secret or "", "PRIVATE KEY"):
        assert canary.encode() not in dump


def everything_in(folder: Path) -> bytes:
    return b"".join(each.read_bytes() for each in folder.iterdir())

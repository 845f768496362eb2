"""Lists: flat and by folders, in pages, in order, complete."""

import asyncio
import re

import pytest
from azure.core.exceptions import HttpResponseError

from tests.rooms.blobs.studio import Client, Studio, account_id
from tests.rooms.blobs.wire import ask, code_of

NAMES = sorted(["a", "a/1", "a/2", "a/b/3", "b", "b/1", "b0", "ä/x", "日本/1", "z z/1", "z&z<"])


@pytest.fixture
def filled(container: Client) -> Client:
    for name in NAMES:
        container.upload_blob(name, name.encode())
    return container


def test_a_flat_list_is_in_order_and_complete(filled: Client) -> None:
    assert [blob.name for blob in filled.list_blobs()] == NAMES
    assert list(filled.list_blob_names(name_starts_with="a")) == ["a", "a/1", "a/2", "a/b/3"]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_pages_of_any_size_add_up(filled: Client, size: int) -> None:
    pages = [[blob.name for blob in page] for page in filled.list_blobs(results_per_page=size).by_page()]
    assert [name for page in pages for name in page] == NAMES
    assert all(len(page) == size for page in pages[:-1])


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_folders_stand_once_among_the_blobs(filled: Client, size: int) -> None:
    def walk(prefix: str) -> list[str]:
        # The client shows the folders of each page first.
        return sorted(item.name for item in filled.walk_blobs(name_starts_with=prefix or None, results_per_page=size))

    assert walk("") == ["a", "a/", "b", "b/", "b0", "z z/", "z&z<", "ä/", "日本/"]
    assert walk("a/") == ["a/1", "a/2", "a/b/"]
    assert walk("a/b/") == ["a/b/3"]
    assert walk("nothing") == []
    folder: Client = next(item for item in filled.walk_blobs() if item.name == "a/")
    assert sorted(item.name for item in folder) == ["a/1", "a/2", "a/b/"]


def test_twelve_thousand_names_are_listed_in_pages_and_by_folder(studio: Studio, container: Client) -> None:
    names = [f"{folder:02}/{n:05}.bin" for folder in range(12) for n in range(1000)]

    async def fill() -> None:
        name = container.container_name
        for at in range(0, len(names), 500):
            await asyncio.gather(*(studio.room.storage.write_all(account_id(), name, blob, b"x") for blob in names[at : at + 500]))

    studio.run(fill())
    base = f"/{container.container_name}?restype=container&comp=list"
    pages: list[list[str]] = []
    marker = ""
    while marker or not pages:
        text = ask(studio, "GET", f"{base}&marker={marker}").body.decode()
        pages.append(re.findall("<Name>([^<]*)</Name>", text))
        [marker] = re.findall("<NextMarker>([^<]*)</NextMarker>", text)
    assert [len(page) for page in pages] == [5000, 5000, 2000]
    assert [name for page in pages for name in page] == names
    assert [item.name for item in container.walk_blobs()] == [f"{folder:02}/" for folder in range(12)]
    assert len(list(container.list_blob_names(name_starts_with="07/"))) == 1000


def test_names_with_staged_blocks_stand_among_the_others_when_asked(filled: Client) -> None:
    for name in ("a/0", "aa", "b/1", "new/1", "zz"):
        filled.get_blob_client(name).stage_block("b1", b"x")
    wanted = sorted({*NAMES, "a/0", "aa", "new/1", "zz"})
    for size in (1, 4, 100):
        assert [blob.name for blob in filled.list_blobs(include=["uncommittedblobs"], results_per_page=size)] == wanted
        walked = sorted(item.name for item in filled.walk_blobs(include=["uncommittedblobs"], results_per_page=size))
        assert walked == sorted({name[: name.find("/") + 1] or name for name in wanted})
    assert [blob.name for blob in filled.list_blobs()] == NAMES


def test_a_list_says_what_it_was_asked(studio: Studio, filled: Client) -> None:
    reply = ask(studio, "GET", f"/{filled.container_name}?restype=container&comp=list&prefix=a%2F&delimiter=%2F&maxresults=2")
    text = reply.body.decode()
    assert f'ContainerName="{filled.container_name}"' in text
    assert f'ServiceEndpoint="{studio.url()}/"' in text
    for part in ("<Prefix>a/</Prefix>", "<Delimiter>/</Delimiter>", "<MaxResults>2</MaxResults>", "<NextMarker>"):
        assert part in text


@pytest.mark.parametrize(
    "query",
    [
        "maxresults=0",
        "maxresults=-1",
        "maxresults=x",
        "marker=%C3%A4%00",
        "include=everything",
        "prefix=a%00",
        "prefix=e%CC%81",
        "prefix=a&prefix=b",
    ],
)
def test_a_malformed_question_is_refused(studio: Studio, container: Client, query: str) -> None:
    reply = ask(studio, "GET", f"/{container.container_name}?restype=container&comp=list&{query}")
    assert reply.status == 400
    assert reply.code in ("InvalidQueryParameterValue", "OutOfRangeQueryParameterValue")


def test_an_absent_container_has_no_list(studio: Studio) -> None:
    with pytest.raises(HttpResponseError) as refused:
        list(studio.container("no-such-container").list_blobs())
    assert code_of(refused.value) == "ContainerNotFound"

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studiolo.kernel.access.names import BlobName, blob_name
from studiolo.kernel.faults import Invalid


@pytest.mark.parametrize(
    ("raw", "container", "blob"),
    [
        ("/ws1-azureml/a/b.txt", "ws1-azureml", "a/b.txt"),
        ("/ws1-azureml/a%2Fb?comp=tags&x=/y", "ws1-azureml", "a/b"),
        ("/ws1-azureml", "ws1-azureml", None),
        ("/ws1-azureml?restype=container", "ws1-azureml", None),
        ("/ws1-azureml/%252e%252e/x", "ws1-azureml", "%2e%2e/x"),
        ("/%24root/a%20b", "$root", "a b"),
        ("/$web/%C3%A9", "$web", "\u00e9"),
        ("/abc/...", "abc", "..."),
        ("/abc/" + "a" * 1024, "abc", "a" * 1024),
        ("/" + "a" * 63 + "/x", "a" * 63, "x"),
    ],
)
def test_a_clean_path_names_a_container_and_a_blob(raw: str, container: str, blob: str | None) -> None:
    assert blob_name(raw) == BlobName(container, blob)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("", "InvalidUri"),
        ("ws1/a", "InvalidUri"),
        ("/ws1%2Fazureml/a", "InvalidUri"),
        ("/ws1%5cazureml/a", "InvalidUri"),
        ("/ws1%00/a", "InvalidUri"),
        ("/ws1/%zz", "InvalidUri"),
        ("/ws1/a%", "InvalidUri"),
        ("/ws1/a%2", "InvalidUri"),
        ("/ws1/%c0%ae%c0%ae/x", "InvalidUri"),
        ("/ws1/%ed%a0%80", "InvalidUri"),
        ("/ws1/%ff", "InvalidUri"),
        ("/", "InvalidResourceName"),
        ("//ws1/a", "InvalidResourceName"),
        ("/WS1/a", "InvalidResourceName"),
        ("/ws1--x/a", "InvalidResourceName"),
        ("/-ws1/a", "InvalidResourceName"),
        ("/ws1-/a", "InvalidResourceName"),
        ("/ab/a", "InvalidResourceName"),
        ("/ws1%0a/a", "InvalidResourceName"),
        ("/" + "a" * 64 + "/x", "InvalidResourceName"),
        ("/$logs/a", "InvalidResourceName"),
        ("/ws1/", "InvalidResourceName"),
        ("/ws1/a/", "InvalidResourceName"),
        ("/ws1/a//b", "InvalidResourceName"),
        ("/ws1/../ws2/a", "InvalidResourceName"),
        ("/ws1/%2e%2e/ws2", "InvalidResourceName"),
        ("/ws1/..%2fws2", "InvalidResourceName"),
        ("/ws1/./a", "InvalidResourceName"),
        ("/ws1/a%5Cb", "InvalidResourceName"),
        ("/ws1/a\\b", "InvalidResourceName"),
        ("/ws1/a%00.txt", "InvalidResourceName"),
        ("/ws1/a%c2%85", "InvalidResourceName"),
        ("/ws1/e%CC%81.txt", "InvalidResourceName"),
        ("/ws1/" + "a" * 1025, "InvalidResourceName"),
    ],
)
def test_a_path_with_two_meanings_or_a_bad_name_is_refused(raw: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        blob_name(raw)
    assert refused.value.code == code


@given(st.text(alphabet="/ab.%25eEfFcC\\\u0301\u00e9?", max_size=24))
def test_whatever_comes_out_is_clean(rest: str) -> None:
    try:
        found = blob_name("/ws1/" + rest)
    except Invalid:
        return
    blob = found.blob or ""
    assert found.container == "ws1"
    assert unicodedata.is_normalized("NFC", blob)
    assert not {"", ".", ".."} & set(blob.split("/"))
    assert "\\" not in blob


@pytest.mark.parametrize(
    ("raw", "target", "complaint"),
    [
        ("/ws1/" + "a" * 1025, "blob", "it has more than 1024 characters."),
        ("/ws1/a%00", "blob", "'a\\x00' is no blob name: it holds a control character or half of a surrogate pair."),
        ("/ws1/a\\b", "blob", "'a\\\\b' is no blob name: it holds a backslash."),
        ("/ws1/a//b", "blob", "'a//b' is no blob name: it has an empty, a '.' or a '..' segment."),
        ("/ws1/e%CC%81", "blob", "'e\\u0301' is no blob name: it is not in Unicode normal form C."),
        ("/ab", "container", "'ab' is no container name: use 3 to 63 small letters, digits and single hyphens between them."),
        ("/abc%", "path", "The path cannot be read: a '%' is not followed by two hex digits."),
        ("/abc/%ff", "path", "The path cannot be read: it is not UTF-8."),
        ("/abc%2f", "path", "The path cannot be read: the container's name holds an encoded slash, backslash or NUL."),
        ("abc", "path", "The path cannot be read: it must begin with '/'."),
    ],
)
def test_a_refused_path_is_told_why(raw: str, target: str, complaint: str) -> None:
    with pytest.raises(Invalid) as refused:
        blob_name(raw)
    assert (refused.value.target, refused.value.message[-len(complaint) :]) == (target, complaint)
    assert len(refused.value.message) < 200


def test_a_long_name_is_told_by_its_beginning() -> None:
    for raw in ("/" + "a" * 300, "/ws1/" + "a" * 1025):
        with pytest.raises(Invalid) as refused:
            blob_name(raw)
        assert refused.value.message.startswith(f"'{'a' * 80}' is no ")

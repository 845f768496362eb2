import re

from tests.house.tree import ROOT

PAGE = ROOT / "docs" / "security.md"


def test_every_proof_that_the_security_page_names_is_there() -> None:
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", PAGE.read_text("utf-8")))
    assert len(named) > 20
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_every_page_that_the_security_page_links_is_there() -> None:
    linked = re.findall(r"\]\(([\w/.-]+)\)", PAGE.read_text("utf-8"))
    assert linked
    assert [link for link in linked if not (PAGE.parent / link).exists()] == []


def test_features_stand_in_the_order_of_their_numbers() -> None:
    numbers = re.findall(r"^\| F(\d\d) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(numbers) > 20
    assert numbers == sorted(numbers)

import re

import pytest

from tests.house.tree import ROOT

PAGE = ROOT / "docs/reference/faults.md"
CODE = re.compile(r"""\b(?:default_)?code\s*(?::\s*[\w\[\]]+\s*)?=\s*"([A-Z][A-Za-z0-9]+)\"""")


def test_every_fault_code_is_documented() -> None:
    if not PAGE.exists():
        pytest.skip("docs/reference/faults.md is not generated yet")
    page = PAGE.read_text("utf-8")
    codes = {code for path in (ROOT / "studiolo").rglob("*.py") for code in CODE.findall(path.read_text("utf-8"))}
    assert sorted(code for code in codes if f"`{code}`" not in page) == []

from tests.house.sizes import measure, sizes


def test_no_file_or_function_is_above_its_stop() -> None:
    assert [f"{size.place}: {size.lines} lines" for size in sizes() if size.lines > size.stop] == []


def test_a_long_function_and_a_long_file_are_seen() -> None:
    body = "".join(f"    x{number} = {number}\n" for number in range(700))
    found = [size for size in measure(f"async def f() -> None:\n{body}", "one.py") if size.lines > size.stop]
    assert [(size.place, size.lines) for size in found] == [("one.py", 701), ("one.py:1 f", 701)]

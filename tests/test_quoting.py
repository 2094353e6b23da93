"""Whatever a stranger's value holds, its text in a message is short, and is made in no time."""

from __future__ import annotations

import ast
import tracemalloc
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import stemsplit
from stemsplit.errors import MAX_MESSAGE, StemsplitError
from stemsplit.quoting import MAX_QUOTED, counted, listed, quoted, reason, shortened

PACKAGE = Path(stemsplit.__file__).parent


def nested_aliases(depth: int) -> list[Any]:
    """A list of 9**depth items in a few hundred bytes, as aliases of YAML make it."""
    value: list[Any] = ["lol"] * 9
    for _ in range(depth):
        value = [value] * 9
    return value


def endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value",
    [
        nested_aliases(40),
        {"a": nested_aliases(40)},
        (nested_aliases(40),) * 1000,
        endless(),
        "x" * 10**7,
        b"x" * 10**7,
        1 << 10**6,
        -(1 << 10**6),
        Fraction(1 << 10**6, 3),
        dict.fromkeys(range(10**5)),
        set(range(10**5)),
        frozenset(map(str, range(10**5))),
        object(),
        {("deep",) * 50: {1: {2: {3: {4: 5}}}}},
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_value_is_quoted_in_few_characters_and_little_memory(value: object) -> None:
    tracemalloc.start()
    try:
        text = quoted(value)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0 < len(text) <= MAX_QUOTED
    assert peak < 32 << 20  # reprlib sorts sets


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a'b", '"a\'b"'),
        (b"PK\3", "b'PK\\x03'"),
        (10**40, "1" + "0" * 40),
        (2.5, "2.5"),
        (None, "None"),
        (True, "True"),
        (Fraction(39, 5), "39/5"),
        (date(2024, 2, 29), "datetime.date(2024, 2, 29)"),
        ([1, "b", None], "[1, 'b', None]"),
        ((1,), "(1,)"),
        ({"z": 1, "a": [2]}, "{'z': 1, 'a': [2]}"),
        ({}, "{}"),
        (list(range(100)), "[0, 1, 2, 3, 4, 5, ...]"),
    ],
)
def test_small_values_are_quoted_as_they_are(value: object, text: str) -> None:
    assert quoted(value) == text


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists), st.integers(20, 200))
def test_a_quotation_keeps_to_its_length(value: object, most: int) -> None:
    assert len(quoted(value, most)) <= most


def test_names_are_listed_up_to_a_number() -> None:
    assert listed([]) == ""
    assert listed(["a", "b"]) == "a, b"
    assert listed(map(str, range(1000)), 3) == "0, 1, 2 and 997 more"
    assert listed(["x" * 1000, 7]) == "x" * 79 + "…, 7"


def test_an_error_gives_its_reason_in_one_short_line() -> None:
    assert reason(KeyError(nested_aliases(40))) == quoted(nested_aliases(40), 200)
    assert reason(ValueError("first\nsecond")) == "first"
    assert reason(ValueError()) == "ValueError"
    assert reason(OSError(2, "No such file", "x" * 10_000)) == "No such file"
    assert len(reason(RuntimeError("x" * 10**6))) == 200


def test_the_last_resort_bounds_every_message() -> None:
    error = StemsplitError("m" * 10**6, hint="h" * 10**6)
    assert len(str(error)) <= 2 * MAX_MESSAGE + 1
    assert StemsplitError("short", hint="too").args == ("short",)
    assert shortened("12345", 5) == "12345"


def unbounded_quotations(path: Path) -> list[str]:
    """Places of f-strings that write out a value by `!r`, `str()`, `repr()`, or a whole error."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FormattedValue):
            value = node.value
            called = value.func if isinstance(value, ast.Call) else None
            if (
                node.conversion != -1
                or (isinstance(called, ast.Name) and called.id in ("str", "repr"))
                or (isinstance(value, ast.Name) and value.id == "error")
            ):
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    return found


@pytest.mark.parametrize("layer", ["hub", "models"])
def test_readers_of_strange_files_quote_through_one_function(layer: str) -> None:
    ours = {"catalog.py"}  # it comes with the package
    files = [path for path in (PACKAGE / layer).rglob("*.py") if path.name not in ours]
    assert files
    assert [place for path in files for place in unbounded_quotations(path)] == []


@pytest.mark.parametrize(
    ("number", "nouns", "text"),
    [
        (0, None, "0 files"),
        (1, None, "1 file"),
        (2, None, "2 files"),
        (1, "files are", "1 file"),
        (5, "files are", "5 files are"),
    ],
)
def test_one_is_singular(number: int, nouns: str | None, text: str) -> None:
    assert counted(number, "file", nouns) == text

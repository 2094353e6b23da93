"""Values that travel as JSON: what comes back is what was sent, and nothing else comes in."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemsplit.errors import AudioReadError, StemsplitError, UsageError
from stemsplit.json_data import CACHE, JsonData, UnfitError, from_json


@dataclass(frozen=True, kw_only=True, slots=True)
class Inner(JsonData):
    name: str
    level_db: float | None = None

    def __post_init__(self) -> None:
        if self.name == "bad":
            raise UsageError("`name` is bad.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outer(JsonData):
    path: Path
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()
    pairs: tuple[tuple[str, int], ...] = ()
    by_name: Mapping[str, Path] = field(default_factory=dict)
    rate: int | Literal["source", "model"] = "source"
    problem: AudioReadError | None = field(default=None, compare=False)
    anything: Any = None
    is_loud: bool = False
    seen: object = field(default=None, compare=False, metadata=CACHE)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
PATHS = st.binary(min_size=1, max_size=9).filter(lambda name: b"\0" not in name)
if sys.platform != "win32":  # names of files are bytes there
    PATHS = PATHS.map(os.fsdecode)
else:
    PATHS = TEXTS
NUMBERS = st.floats(-1e6, 1e6) | st.integers(-(2**60), 2**60)
INNER = st.builds(
    Inner, name=TEXTS.filter(lambda name: name != "bad"), level_db=st.none() | NUMBERS
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)
OUTER = st.builds(
    Outer,
    path=PATHS.map(Path),
    inner=st.none() | INNER,
    many=st.lists(INNER, max_size=3).map(tuple),
    pairs=st.lists(st.tuples(TEXTS, st.integers()), max_size=3).map(tuple),
    by_name=st.dictionaries(TEXTS, PATHS.map(Path), max_size=3),
    rate=st.integers(1, 10**6) | st.sampled_from(["source", "model"]),
    anything=JSON,
    is_loud=st.booleans(),
)


def carried(values: object) -> Any:
    """What arrives of JSON values that were sent as bytes."""
    return json.loads(json.dumps(values).encode("utf-8"))


@given(OUTER)
def test_what_comes_back_is_what_was_sent(value: Outer) -> None:
    assert Outer.from_json(carried(value.to_json())) == value


def test_a_problem_travels_with_its_hint_and_a_cache_stays() -> None:
    sent = Outer(path=Path("a"), problem=AudioReadError("No.", hint="Try."), seen=object())
    back = Outer.from_json(carried(sent.to_json()))
    assert isinstance(back.problem, AudioReadError)
    assert (back.problem.message, back.problem.hint, back.seen) == ("No.", "Try.", None)


@given(OUTER, st.dictionaries(TEXTS.map("later_{}".format), JSON))
def test_keys_of_newer_versions_are_passed_over(value: Outer, later: dict[str, object]) -> None:
    values = carried(value.to_json())
    for place in (values, *values["many"]):
        place.update(later)
    assert Outer.from_json(values) == value


def test_keys_that_older_versions_lack_have_their_defaults() -> None:
    assert Outer.from_json({"path": "a"}) == Outer(path=Path("a"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], r"`Outer` must be an object, got \[\]"),
        ({}, "`Outer.path` must be a text, there is none"),
        ({"path": 7}, "`Outer.path` must be a text, got 7"),
        ({"path": "a\0b"}, "`Outer.path` must be a path"),
        ({"path": "a", "inner": 7}, "`Outer.inner` must be an object or null, got 7"),
        ({"path": "a", "inner": {"name": 7}}, "`Outer.inner.name` must be a text, got 7"),
        ({"path": "a", "many": "abc"}, "`Outer.many` must be a list, got 'abc'"),
        ({"path": "a", "many": [{}]}, "`Outer.many.0.name` must be a text, there is none"),
        ({"path": "a", "pairs": [["x"]]}, r"`Outer.pairs.0` must be a list of 2, got \['x'\]"),
        ({"path": "a", "by_name": {"b": 1}}, "`Outer.by_name.b` must be a text, got 1"),
        ({"path": "a", "rate": "no"}, "`Outer.rate` must be a whole number or 'source' or 'model'"),
        ({"path": "a", "rate": True}, "`Outer.rate` must be a whole number"),
        ({"path": "a", "is_loud": 1}, "`Outer.is_loud` must be true or false, got 1"),
        ({"path": "a", "many": [{"name": "bad"}]}, "`name` is bad"),
    ],
)
def test_what_does_not_fit_is_named(values: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Outer.from_json(values)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 10**400, -1e301])
def test_numbers_beyond_all_lengths_and_levels_do_not_fit(number: float) -> None:
    with pytest.raises(UnfitError, match=r"`Inner.level_db` must be a number or null"):
        Inner.from_json({"name": "a", "level_db": number})


@given(JSON)
def test_nothing_but_our_own_error_comes_of_any_json(values: object) -> None:
    for kind in (Inner, Outer):
        for is_lenient in (False, True):
            with suppress(StemsplitError):
                from_json(kind, values, is_lenient=is_lenient)


def test_leniently_what_does_not_fit_counts_as_missing() -> None:
    values = {
        "path": "a",
        "inner": {"name": "bad"},
        "many": [7, {"name": "bad"}, {"name": "kept", "level_db": "loud"}],
        "by_name": {"x": 1, "y": "b"},
        "rate": [],
        "is_loud": None,
    }
    kept = Outer(path=Path("a"), many=(Inner(name="kept"),), by_name={"y": Path("b")})
    assert from_json(Outer, values, is_lenient=True) == kept
    with pytest.raises(UnfitError):
        from_json(Outer, {"path": 7}, is_lenient=True)

"""Texts of strangers as values: their extent is known before anything is built or printed."""

from __future__ import annotations

import logging
import time
import tracemalloc
from pathlib import Path

import pytest

from stemsplit.checkpoints.bag_file import describes_bag, parse_bag
from stemsplit.checkpoints.config_file import parse_configuration, read_configuration
from stemsplit.checkpoints.plain_data import MAX_VALUES, check_extent, parse_json, parse_yaml
from stemsplit.errors import CheckpointError
from stemsplit.hub.resolve import resolve
from tests.checkpoints.hostile_texts import LAUGHS

MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n + 1}: &a{n + 1} {{<<: [{', '.join([f'*a{n}'] * 9)}]}}\n" for n in range(12)
)
ENDLESS = "models: &a [*a, *a]\n"
LONG_TEXT = f"a: &a {'x' * 60_000}\nmodels: [{', '.join(['*a'] * 1000)}]\n"
DEEP = "models: " + "[" * 100 + "]" * 100
HOSTILE = {
    "laughs": LAUGHS,
    "merges": MERGES,
    "endless": ENDLESS,
    "long text": LONG_TEXT,
    "deep": DEEP,
    "deeper": "models: " + "[" * 60_000,
    "keys": "? &a !!python/tuple [1, 2]\n: 1\n? !!python/tuple [*a, *a]\n: 2\n",
    "digits": f"models: {'9' * 5000}\n",
    "hexadecimal": f"models: 0x{'f' * 5000}\n",
    "sixtieths": f"models: 1{':59' * 15_000}\n",
    "float of digits": f"models: 1{':59' * 15_000}.5\n",
    "no time": "models: !!timestamp 'soon'\n",
    "no number": "models: !!int ''\n",
    "no truth": "models: !!bool 'perhaps'\n",
    "code": "models: !!python/object/apply:os.system ['touch pwned']\n",
    "class": "models: !!python/name:os.system ''\n",
    "own tag": "models: !system [a]\n",
    "no characters": "models: [a]\n\0",
    "binary": f"models: !!binary {'QUJD' * 10_000}\n",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_yaml_is_refused_in_few_words_and_little_memory(text: str, tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(text)
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError) as configuration:
            read_configuration(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    with pytest.raises(CheckpointError) as bag:
        parse_bag(text.encode(), "model.yaml")
    with pytest.raises(CheckpointError) as resolved:
        resolve(str(path))
    for error in (configuration, bag, resolved):
        assert len(str(error.value)) < 600 + len(str(path))
    assert peak < 100 << 20
    assert not Path("pwned").exists()


def test_nested_aliases_are_counted_as_often_as_they_are_met() -> None:
    assert len(LAUGHS) < 600
    with pytest.raises(ValueError, match=f"more than {MAX_VALUES} values"):
        parse_yaml(LAUGHS)
    with pytest.raises(CheckpointError, match="more than 65536 values"):
        describes_bag(LAUGHS.encode(), "x")
    assert parse_yaml("a: &a [1, 2]\nb: [*a, *a]") == {"a": [1, 2], "b": [[1, 2], [1, 2]]}


def test_what_configurations_do_have_is_read() -> None:
    text = b"""
    base: &base {dim: 384, depth: 6}
    model: {<<: *base, depth: 12, freqs: !!python/tuple [2, 2], rate: 1.0e-05, mask: null,
            stereo: true}
    made: 2024-02-29
    """
    document = parse_configuration(text, "x")
    expected = {"dim": 384, "depth": 12, "freqs": (2, 2), "rate": 1e-5, "mask": None}
    assert document["model"] == {**expected, "stereo": True}
    assert parse_yaml(b"a: 04573012\nb: [1., x]", only_texts=True) == {
        "a": "04573012",
        "b": ["1.", "x"],
    }


def test_a_name_that_is_given_twice_is_named(caplog: pytest.LogCaptureFixture) -> None:
    for text, is_json in (("a: 1\nb: {c: 2, c: 3}\na: 4", False), ('{"a":1,"a":4}', True)):
        with caplog.at_level(logging.WARNING):
            assert parse_configuration(text.encode(), "x", is_json=is_json)["a"] == 4
        assert [record.message.split()[0] in ("'a'", "'c'") for record in caplog.records] == [True]
        caplog.clear()


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 50_000, "[" * 60 + "]" * 60, "[0" + ",0" * MAX_VALUES + "]", "{", ""],
)
def test_hostile_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"nested|than|Expecting"):
        parse_json(text)


def test_shared_lists_are_never_walked_to_their_end() -> None:
    shared: list[object] = []
    for _ in range(30):
        shared = [shared] * 50_000
    started = time.monotonic()
    with pytest.raises(ValueError, match="more than"):
        check_extent(shared)
    with pytest.raises(ValueError, match="more than"):
        check_extent({"a": ["x" * 1_000_000] * 1000})
    assert time.monotonic() - started < 60  # centuries, otherwise

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stemsplit.dsp.sliding import SlidingWindow


@given(
    st.integers(0, 60),
    st.lists(st.integers(1, 9), min_size=1),
    st.lists(st.tuples(st.integers(-20, 80), st.integers(0, 40)), max_size=12),
)
def test_any_range_that_was_not_forgotten_can_be_read(
    length: int, sizes: list[int], ranges: list[tuple[int, int]]
) -> None:
    stream = torch.arange(1.0, length + 1).repeat(2, 1)
    padded = torch.nn.functional.pad(stream, (200, 200))

    def blocks() -> Iterator[torch.Tensor]:
        position = 0
        while position < length:
            size = sizes[position % len(sizes)]
            yield stream[:, position : position + size]
            position += size

    window = SlidingWindow(blocks(), num_channels=2, num_samples=length)
    for start, size in sorted(ranges):
        expected = padded[:, 200 + start : 200 + start + size]
        assert torch.equal(window.read(start, start + size), expected)
        window.forget(start)


def test_what_was_forgotten_is_an_error_and_not_silence() -> None:
    window = SlidingWindow(iter([torch.ones(1, 4)] * 3), num_channels=1, num_samples=12)
    window.read(0, 12)
    window.forget(8)
    with pytest.raises(ValueError, match="sample 7 was forgotten; kept from 8"):
        window.read(7, 9)


def test_a_stream_that_ends_early_is_an_error_and_not_silence() -> None:
    window = SlidingWindow(iter([torch.ones(1, 4)]), num_channels=1, num_samples=12)
    with pytest.raises(ValueError, match="ended at sample 4 of 12"):
        window.read(2, 6)


def test_blocks_are_pulled_only_when_needed() -> None:
    pulled = []

    def blocks() -> Iterator[torch.Tensor]:
        for index in range(10):
            pulled.append(index)
            yield torch.ones(1, 5)

    window = SlidingWindow(blocks(), num_channels=1, num_samples=50)
    window.read(-3, 7)
    assert pulled == [0, 1]

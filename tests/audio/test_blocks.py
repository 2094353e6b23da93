from __future__ import annotations

import weakref
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from stemsplit.audio.blocks import fan_out, skip

SONG = torch.arange(20.0).reshape(2, 10)


@pytest.mark.parametrize("num_skipped", [0, 1, 3, 4, 9, 10, 11])
def test_what_is_skipped_is_gone_and_the_rest_is_kept(num_skipped: int) -> None:
    blocks = list(skip(SONG.split(3, dim=-1), num_skipped))
    assert all(block.shape[-1] for block in blocks)
    assert torch.equal(torch.cat([SONG[:, :0], *blocks], dim=-1), SONG[:, num_skipped:])


def test_branches_hear_the_same_however_far_apart_they_are() -> None:
    first, second = fan_out(SONG.split(3, dim=-1), 2)
    ahead = [next(first), next(first)]
    behind = list(second)
    assert torch.equal(torch.cat([*ahead, *first], dim=-1), SONG)
    assert torch.equal(torch.cat(behind, dim=-1), SONG)


def test_a_block_that_all_branches_have_had_is_let_go() -> None:
    alive: weakref.WeakSet[Tensor] = weakref.WeakSet()

    def play() -> Iterator[Tensor]:
        for _ in range(50):
            block = torch.zeros(1, 1)
            alive.add(block)
            yield block

    for _ in zip(*fan_out(play(), 3), strict=True):
        assert len(alive) <= 3

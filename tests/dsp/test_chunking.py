from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stemsplit.dsp.chunking import ChunkPlan, ChunkPolicy
from stemsplit.dsp.overlap_add import OverlapAdd


@st.composite
def plans(draw: st.DrawFn) -> ChunkPlan:
    chunk = draw(st.integers(1, 40))
    policy = ChunkPolicy(
        chunk_samples=chunk,
        overlap_samples=draw(st.integers(0, chunk - 1)),
        fixed_length=draw(st.booleans()),
        min_length_samples=draw(st.integers(0, 50)),
        length_step_samples=draw(st.integers(1, 9)),
    )
    length = draw(st.sampled_from([0, 1, chunk - 1, chunk, chunk + 1]) | st.integers(0, 300))
    start = draw(st.integers(0, max(0, length - 1)))
    wanted = range(start, draw(st.integers(min(start + 1, length), length)))
    return ChunkPlan(
        num_samples=length,
        policy=policy,
        origin=-draw(st.integers(0, 60)),
        wanted=draw(st.sampled_from([None, wanted])),
    )


@given(plans())
def test_chunks_cover_what_is_wanted_without_gaps(plan: ChunkPlan) -> None:
    chunks = list(plan)
    assert len(chunks) == len(plan)
    if plan.num_samples == 0:
        assert not chunks
        return
    assert chunks[0].start <= plan.span.start
    assert chunks[-1].stop >= plan.span.stop
    for before, after in itertools.pairwise(chunks):
        assert before.start < after.start <= before.stop
    for chunk in chunks:
        assert 0 < chunk.num_samples <= plan.policy.chunk_samples


@given(plans())
def test_chunks_are_those_of_the_whole_track_that_touch_what_is_wanted(plan: ChunkPlan) -> None:
    whole = replace(plan, wanted=None)
    touching = [
        chunk for chunk in whole if chunk.start < plan.span.stop and chunk.stop > plan.span.start
    ]
    assert list(plan) == touching


@given(plans())
def test_the_network_reads_a_length_it_accepts_with_the_chunk_in_the_middle(
    plan: ChunkPlan,
) -> None:
    policy = plan.policy
    for chunk in plan:
        read = chunk.num_read_samples
        assert read == policy.fitted_length(chunk.num_samples) >= chunk.num_samples
        left, right = chunk.start - chunk.read_start, chunk.read_stop - chunk.stop
        assert left >= 0
        assert right - left in (0, 1)  # an odd sample goes to the right, as in the reference
        if policy.fixed_length:
            assert read == policy.chunk_samples
        else:
            assert (read - policy.min_length_samples) % policy.length_step_samples == 0


@given(plans())
def test_overlap_add_of_the_mixture_is_the_mixture(plan: ChunkPlan) -> None:
    covered = torch.arange(plan.num_samples - plan.origin, dtype=torch.float32) + 1
    adder = OverlapAdd(plan, num_stems=1, num_channels=1)
    first = position = plan[0].start if len(plan) else 0
    pieces = []
    for chunk in plan:
        samples = covered[chunk.start - plan.origin : chunk.stop - plan.origin]
        block = adder.add(chunk, samples[None, None])
        assert block.start == position
        position = block.stop
        pieces.append(block.samples)
    if plan.num_samples == 0:
        return
    assert position >= plan.span.stop
    total = torch.cat(pieces, dim=-1)[0, 0]
    expected = covered[first - plan.origin : position - plan.origin]
    assert torch.allclose(total, expected, rtol=1e-6, atol=0)


def test_fitted_length_counts_steps_above_the_minimum() -> None:
    policy = ChunkPolicy(
        chunk_samples=100, overlap_samples=25, min_length_samples=30, length_step_samples=16
    )
    assert [policy.fitted_length(n) for n in (0, 1, 30, 31, 46, 47)] == [30, 30, 30, 46, 46, 62]


def test_overlap_is_a_share_of_the_chunk_with_the_hop_rounded_down() -> None:
    policy = ChunkPolicy(chunk_samples=343_980, overlap_samples=85_995)
    assert policy.resized() == policy
    assert policy.resized(chunk_samples=101, overlap=0.5).hop_samples == 50
    assert policy.resized(overlap=0.999_999_9).hop_samples == 1


def test_a_longer_segment_than_the_model_allows_is_brought_down() -> None:
    policy = ChunkPolicy(chunk_samples=80, overlap_samples=20, max_chunk_samples=80)
    assert policy.resized(chunk_samples=1000).chunk_samples == 80
    assert policy.resized(chunk_samples=40).chunk_samples == 40


def test_the_triangle_is_symmetric_and_never_zero() -> None:
    for length in (1, 2, 7, 8):
        window = ChunkPlan(
            num_samples=1, policy=ChunkPolicy(chunk_samples=length, overlap_samples=0)
        ).window()
        assert window.shape == (length,)
        assert window.min() > 0
        assert window.max() == 1
    assert torch.equal(window, window.flip(0))


@pytest.mark.parametrize(("chunk", "overlap"), [(0, 0), (4, 4), (4, -1)])
def test_a_policy_that_makes_no_sense_is_refused(chunk: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="samples must be"):
        ChunkPolicy(chunk_samples=chunk, overlap_samples=overlap)


def test_chunks_out_of_order_are_refused() -> None:
    plan = ChunkPlan(num_samples=30, policy=ChunkPolicy(chunk_samples=10, overlap_samples=2))
    adder = OverlapAdd(plan, num_stems=1, num_channels=1)
    with pytest.raises(ValueError, match="expected chunk 0"):
        adder.add(plan[1], torch.zeros(1, 1, 10))

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stemsplit.dsp.chunking import ChunkPlan, ChunkPolicy
from stemsplit.dsp.overlap_add import OverlapAdd
from stemsplit.dsp.sliding import SlidingWindow

OVERLAPS = st.one_of(st.none(), st.floats(0, 0.95))


@st.composite
def policies(draw: st.DrawFn) -> ChunkPolicy:
    """Rules of any kind, as a model declares them or as --segment and --overlap change them."""
    chunk = draw(st.integers(1, 60))
    fixed = draw(st.booleans())
    window = draw(st.sampled_from(["triangle", "fade", "cut", "hann"]))
    margin = draw(st.integers(window == "hann", 20))
    policy = ChunkPolicy(
        chunk_samples=chunk,
        overlap_samples=draw(st.integers(0, chunk - 1)),
        context_samples=draw(st.integers(0, 20)),
        margin_samples=margin,
        window=window,  # type: ignore[arg-type]
        border=draw(st.sampled_from(["silence", *["reflect"] * (margin == 0)])),
        tail=draw(st.sampled_from(["centre", "left", "whole", *["reflect"] * fixed])),
        fixed_length=fixed,
        min_length_samples=draw(st.integers(0, 50)),
        length_step_samples=draw(st.integers(1, 9)),
    )
    return policy.resized(
        chunk_samples=draw(st.none() | st.integers(1, 60)), overlap=draw(OVERLAPS)
    )


@st.composite
def plans(draw: st.DrawFn) -> ChunkPlan:
    policy = draw(policies())
    chunk = policy.chunk_samples
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
def test_the_network_reads_a_length_it_accepts_with_the_chunk_in_its_place(
    plan: ChunkPlan,
) -> None:
    policy = plan.policy
    context = policy.context_samples
    for chunk in plan:
        read = chunk.num_read_samples
        left, right = chunk.start - chunk.read_start, chunk.read_stop - chunk.stop
        assert min(left, right) >= context
        if policy.tail == "centre":
            assert right - left in (0, 1)  # an odd sample goes to the right, as in the reference
        else:
            assert left == context
        if policy.fixed_length:
            own = policy.own_chunk_samples or policy.chunk_samples
            enough = max(own, len(plan.grid))
            assert read == min(policy.chunk_samples, enough) + 2 * context
        else:
            assert read == policy.fitted_length(chunk.num_samples)
            assert (read - policy.min_length_samples) % policy.length_step_samples == 0
        filled = policy.tail == "reflect" and 2 * chunk.num_samples > policy.chunk_samples
        assert chunk.reflected_samples == (max(0, chunk.read_stop - plan.grid.stop) * filled)


@given(plans(), st.integers(1, 9))
def test_overlap_add_of_the_mixture_is_the_mixture(plan: ChunkPlan, block_samples: int) -> None:
    track = torch.arange(plan.num_samples, dtype=torch.float32)[None] + 1  # [C, T]
    mixture = SlidingWindow(
        iter(torch.split(track, block_samples, dim=-1)),
        num_channels=1,
        num_samples=plan.num_samples,
    )
    adder = OverlapAdd(plan, num_stems=1, num_channels=1)
    position = plan[0].start if len(plan) else 0
    total = torch.full_like(track, torch.nan)
    for index, chunk in enumerate(plan):
        mixture.forget(plan.needs_from(index))
        block = adder.add(chunk, chunk.trim(mixture.read_chunk(chunk))[None])
        assert block.start == position
        position = block.stop
        inside = range(max(0, block.start), min(block.stop, plan.num_samples))
        for sample in inside:
            total[:, sample] = block.stems[0, :, sample - block.start]
    if plan.num_samples == 0:
        return
    assert position >= plan.span.stop
    wanted = slice(plan.span.start, plan.span.stop)
    assert torch.allclose(total[:, wanted], track[:, wanted], rtol=1e-6, atol=0)


@given(plans())
def test_what_a_chunk_is_made_of_never_goes_back(plan: ChunkPlan) -> None:
    needed = [plan.needs_from(index) for index in range(len(plan))]
    assert needed == sorted(needed)


@given(plans())
def test_weights_belong_to_the_chunk_and_never_sum_to_zero(plan: ChunkPlan) -> None:
    total = torch.zeros(len(plan.grid) + plan.policy.chunk_samples)
    whole = replace(plan, wanted=None)
    for chunk in plan:
        weights = plan.weights(chunk)
        assert torch.equal(weights, whole.weights(chunk))
        assert weights.shape == (chunk.num_samples,)
        assert weights.min() >= 0
        assert weights.max() <= 1
        start = chunk.start - plan.grid.start
        total[start : start + chunk.num_samples] += weights
    wanted = [sample - plan.grid.start for sample in plan.span]
    # A fade goes in steps of 1 / (fade - 1), and no fade is longer than a tenth of a chunk. The
    # second sample of the longest Hann window is sin(pi / 59) squared.
    assert total[wanted].gt(0.01 if plan.policy.window != "hann" else 0.0028).all()


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


def test_even_weights_are_1_on_average_and_another_overlap_is_a_triangle() -> None:
    policy = ChunkPolicy(chunk_samples=10, overlap_samples=6, margin_samples=6, window="even")
    plan = ChunkPlan(num_samples=40, policy=policy)
    overlap_add = OverlapAdd(plan, num_stems=1, num_channels=1)
    blocks = [overlap_add.add(chunk, torch.ones(1, 1, chunk.num_samples)) for chunk in plan]
    total = torch.cat([block.stems[0, 0] for block in blocks])[6:46]
    assert set(total.mul(10).round().tolist()) == {8, 12}  # two or three chunks every 4 samples
    assert total.mean() == pytest.approx(1)
    assert policy.resized() == policy
    assert (
        policy.resized(overlap=0.6).window == policy.resized(chunk_samples=8).window == "triangle"
    )


def test_a_longer_segment_than_the_model_allows_is_brought_down() -> None:
    policy = ChunkPolicy(chunk_samples=80, overlap_samples=20, max_chunk_samples=80)
    assert policy.resized(chunk_samples=1000).chunk_samples == 80
    assert policy.resized(chunk_samples=40).chunk_samples == 40


@given(plans())
def test_weights_are_the_left_part_of_a_full_chunk_s(plan: ChunkPlan) -> None:
    """Only what a chunk has of them is computed; in every bit they are what they were."""
    policy = plan.policy
    full, fade = policy.chunk_samples, min(policy.chunk_samples // 10, policy.overlap_samples)
    for chunk in plan:
        window = torch.ones(full)
        if policy.window == "triangle":
            half = full // 2
            rising, falling = torch.arange(1, half + 1), torch.arange(full - half, 0, -1)
            window = torch.cat([rising, falling]).float() / (full - half)
        elif policy.window == "fade":
            reach = full if policy.tail == "whole" else policy.hop_samples
            if chunk.start + reach < plan.grid.stop:
                window[full - fade :] = torch.linspace(1, 0, fade)
            if chunk.start > plan.grid.start:
                window[:fade] = torch.linspace(0, 1, fade)
        else:
            continue  # these end where the chunk ends
        assert torch.equal(plan.weights(chunk), window[: chunk.num_samples])


@pytest.mark.parametrize("window", ["triangle", "fade"])
@pytest.mark.parametrize("fixed", [False, True])
def test_a_chunk_is_never_longer_than_the_track(window: Any, fixed: bool) -> None:
    own = ChunkPolicy(chunk_samples=1000, overlap_samples=250, window=window, fixed_length=fixed)
    for samples in (1 << 20, 1 << 40):  # would be 16 TB
        policy = own.resized(chunk_samples=samples)
        for length, read in ((300, 1000 if fixed else 300), (5000, 5000)):
            plan = ChunkPlan(num_samples=length, policy=policy)
            (chunk,) = plan
            assert (chunk.num_samples, chunk.num_read_samples) == (length, read)
            assert plan.longest_chunk == length == len(plan.weights(chunk))
            estimate = torch.rand(1, 2, length)
            block = OverlapAdd(plan, num_stems=1, num_channels=2).add(chunk, estimate)
            assert torch.allclose(block.stems, estimate)


def test_what_a_chunk_had_at_first_is_remembered() -> None:
    policy = ChunkPolicy(chunk_samples=80, overlap_samples=20, fixed_length=True)
    longer = policy.resized(chunk_samples=500)
    assert longer.own_chunk_samples == 80
    assert longer.resized(chunk_samples=700, overlap=0.5).own_chunk_samples == 80
    assert longer.resized(chunk_samples=80) == policy


def test_the_triangle_is_symmetric_and_never_zero() -> None:
    for length in (1, 2, 7, 8):
        policy = ChunkPolicy(chunk_samples=length, overlap_samples=0)
        plan = ChunkPlan(num_samples=length, policy=policy)
        window = plan.weights(plan[0])
        assert window.shape == (length,)
        assert window.min() > 0
        assert window.max() == 1
    assert torch.equal(window, window.flip(0))


def test_fades_are_a_tenth_of_the_chunk_and_none_at_the_ends_of_the_track() -> None:
    policy = ChunkPolicy(chunk_samples=40, overlap_samples=20, window="fade")
    plan = ChunkPlan(num_samples=70, policy=policy)
    first, middle, last, rest = map(plan.weights, plan)
    rise = torch.linspace(0, 1, 4)
    assert torch.equal(middle, torch.cat([rise, torch.ones(32), rise.flip(0)]))
    assert torch.equal(first, torch.cat([torch.ones(36), rise.flip(0)]))
    assert torch.equal(last, middle[:30])  # one more chunk begins behind it
    assert torch.equal(rest, torch.cat([rise, torch.ones(6)]))
    alone = ChunkPlan(num_samples=15, policy=policy)
    assert torch.equal(alone.weights(alone[0]), torch.ones(15))


def test_fades_become_shorter_with_the_chunk_and_are_no_longer_than_the_overlap() -> None:
    def num_fading(**changes: Any) -> int:
        policy = ChunkPolicy(chunk_samples=100, overlap_samples=50, window="fade")
        plan = ChunkPlan(num_samples=1000, policy=policy.resized(**changes))
        return int(plan.weights(plan[1]).lt(1).sum())

    assert num_fading() == 2 * (10 - 1)  # the last of ten steps is 1
    assert num_fading(chunk_samples=50) == 2 * (5 - 1)
    assert num_fading(overlap=0.03) == 2 * (3 - 1)
    assert num_fading(overlap=0) == 0


def test_hann_windows_end_with_the_chunk_and_need_a_margin() -> None:
    policy = ChunkPolicy(chunk_samples=9, overlap_samples=3, window="hann", margin_samples=2)
    plan = ChunkPlan(num_samples=12, policy=policy)
    assert plan.grid == range(-2, 17)  # to the next multiple of 9 - 2 * 2, and a margin
    assert [(chunk.start, chunk.stop) for chunk in plan] == [(-2, 7), (4, 13), (10, 17)]
    for chunk in plan:
        expected = torch.from_numpy(np.hanning(chunk.num_samples))
        assert torch.allclose(plan.weights(chunk).double(), expected, atol=1e-7)
    assert len(ChunkPlan(num_samples=15, policy=policy).grid) == 2 + 15 + 5 + 2
    for overlap in (0, 1):
        plan = ChunkPlan(num_samples=12, policy=replace(policy, overlap_samples=overlap))
        assert all(torch.equal(plan.weights(chunk), torch.ones(9)) for chunk in list(plan)[:-1])
    with pytest.raises(ValueError, match="have no margin"):
        ChunkPolicy(chunk_samples=9, overlap_samples=3, window="hann")
    with pytest.raises(ValueError, match="cannot be reflected"):
        replace(policy, border="reflect")
    with pytest.raises(ValueError, match="margin_samples must be 0 or more, got -1"):
        ChunkPolicy(chunk_samples=4, overlap_samples=0, margin_samples=-1)


def test_a_long_track_is_continued_by_an_overlap_of_its_reflection() -> None:
    policy = ChunkPolicy(
        chunk_samples=10, overlap_samples=6, border="reflect", tail="reflect", fixed_length=True
    )
    long, short = (ChunkPlan(num_samples=length, policy=policy) for length in (13, 12))
    track = torch.arange(13.0)[None]
    window = SlidingWindow(iter([track]), num_channels=1, num_samples=13)
    heard = [window.read_chunk(chunk)[0].int().tolist() for chunk in long]
    assert heard == [
        [6, 5, 4, 3, 2, 1, 0, 1, 2, 3],
        [2, 1, 0, 1, 2, 3, 4, 5, 6, 7],
        [2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
        [6, 7, 8, 9, 10, 11, 12, 11, 10, 9],
        # What is left is less than a chunk: the reflection is reflected.
        [10, 11, 12, 11, 10, 9, 8, 7, 6, 7],
    ]
    assert [chunk.start for chunk in long] == [-6, -2, 2, 6, 10]
    assert [chunk.start for chunk in short] == [0, 4, 8]
    assert {chunk.border_samples for chunk in short} == {0}


def test_a_last_chunk_lies_where_the_policy_says() -> None:
    def heard(tail: str, length: int) -> list[int]:
        policy = ChunkPolicy(
            chunk_samples=4,
            overlap_samples=0,
            context_samples=1,
            tail=tail,  # type: ignore[arg-type]
            fixed_length=True,
        )
        plan = ChunkPlan(num_samples=length, policy=policy)
        track = torch.arange(1.0, length + 1)[None]
        window = SlidingWindow(iter([track]), num_channels=1, num_samples=length)
        return window.read_chunk(plan[len(plan) - 1])[0].int().tolist()

    assert heard("centre", 6) == [3, 4, 5, 6, 0, 0]
    assert heard("left", 6) == [4, 5, 6, 0, 0, 0]
    assert heard("reflect", 6) == [4, 5, 6, 0, 0, 0]
    assert heard("reflect", 7) == [4, 5, 6, 7, 6, 5]


@given(st.integers(1, 9), st.integers(1, 200))
def test_whole_chunks_of_which_the_middle_half_is_kept(quarter: int, length: int) -> None:
    """Kong et al. (2021): the rule as their program lays the halves side by side."""
    chunk = 4 * quarter
    policy = ChunkPolicy(
        chunk_samples=chunk,
        overlap_samples=2 * quarter,
        window="cut",
        tail="whole",
        fixed_length=True,
    )
    plan = ChunkPlan(num_samples=length, policy=policy)
    padded = -(-length // chunk) * chunk
    starts = range(0, padded - chunk + 1, 2 * quarter)
    source = [starts[0]] * 3 * quarter
    for start in starts[1:-1]:
        source += [start] * 2 * quarter
    source = source + [starts[-1]] * 3 * quarter if len(starts) > 1 else [0] * chunk
    found = torch.full((padded,), -1)
    for each in plan:
        assert (each.read_start, each.num_read_samples) == (each.start, chunk)
        kept = plan.weights(each).bool()
        assert found[each.start : each.stop][kept].eq(-1).all()
        found[each.start : each.stop][kept] = each.start
    assert found[:length].tolist() == source[:length]


@pytest.mark.parametrize(("chunk", "overlap"), [(0, 0), (4, 4), (4, -1)])
def test_a_policy_that_makes_no_sense_is_refused(chunk: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="samples must be"):
        ChunkPolicy(chunk_samples=chunk, overlap_samples=overlap)
    with pytest.raises(ValueError, match="context_samples must be 0 or more, got -1"):
        ChunkPolicy(chunk_samples=4, overlap_samples=0, context_samples=-1)
    with pytest.raises(ValueError, match="to a fixed length"):
        ChunkPolicy(chunk_samples=4, overlap_samples=0, tail="reflect")


def test_chunks_out_of_order_are_refused() -> None:
    plan = ChunkPlan(num_samples=30, policy=ChunkPolicy(chunk_samples=10, overlap_samples=2))
    adder = OverlapAdd(plan, num_stems=1, num_channels=1)
    with pytest.raises(ValueError, match="expected chunk 0"):
        adder.add(plan[1], torch.zeros(1, 1, 10))

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from stemsplit.device.runtime import choose_runtime
from stemsplit.engine.ensemble import Ensemble
from stemsplit.engine.estimate import estimate
from stemsplit.engine.model_input import ModelInput, Scaling
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.passes import MAX_SHIFT_SECONDS, Pass, plan_passes
from stemsplit.engine.ranges import TrackRanges
from tests.engine.toy_models import STEMS, EdgeModel, GainModel, bag_of, model_of
from tests.engine.tracks import noise, run


def test_a_bag_averages_its_members_by_their_weights() -> None:
    audio = noise(4000)
    ones, twos = GainModel((1, 1, 1, 1)), GainModel((2, 2, 2, 2))
    stems = run(audio, model_of(ones, twos, weights=[[1, 1, 0, 3], [1, 0, 1, 1]]))
    for stem, gain in zip(STEMS, (1.5, 1.0, 2.0, 1.25), strict=True):
        assert torch.allclose(stems[stem], gain * audio, atol=1e-6)


def test_members_may_cut_the_track_differently() -> None:
    from stemsplit.dsp.chunking import ChunkPolicy

    audio = noise(9000)
    coarse = GainModel((1, 1, 1, 1), policy=ChunkPolicy(chunk_samples=4000, overlap_samples=1000))
    fine = GainModel((3, 3, 3, 3), policy=ChunkPolicy(chunk_samples=300, overlap_samples=7))
    stems = run(audio, model_of(coarse, fine))
    assert torch.allclose(stems["bass"], 2 * audio, atol=1e-6)


def test_a_member_without_a_say_is_not_run() -> None:
    silent, speaking = GainModel(), GainModel()
    weights = [[1, 1, 1, 0], [0, 0, 0, 1]]
    options = SeparationOptions(two_stems="vocals")
    run(noise(4000), model_of(silent, speaking, weights=weights), options=options)
    assert silent.lengths == []
    assert speaking.lengths


@pytest.mark.parametrize("shifts", [1, 3])
@pytest.mark.parametrize("length", [1, 1001, 60_000])
def test_shifts_average_grids_that_cover_the_track(shifts: int, length: int) -> None:
    audio = noise(length)
    stems = run(audio, model_of(GainModel()), options=SeparationOptions(shifts=shifts))
    assert torch.allclose(sum(stems.values()), audio, atol=1e-6)


def test_shifts_are_the_same_for_the_same_seed_and_differ_for_another() -> None:
    audio = noise(60_000)
    first, again, other = (
        run(audio, model_of(EdgeModel()), options=SeparationOptions(shifts=2, seed=seed))
        for seed in (1, 1, 2)
    )
    assert torch.equal(first["drums"], again["drums"])
    assert not torch.allclose(first["drums"], other["drums"], atol=1e-4)


def test_each_member_draws_its_own_shifts_within_half_a_second() -> None:
    bag = bag_of(GainModel(), GainModel())
    passes = plan_passes(bag, STEMS, 1000, SeparationOptions(shifts=20))
    origins = [pass_.plan.origin for pass_ in passes]
    assert len(set(origins)) > 30
    assert all(-MAX_SHIFT_SECONDS * 44100 <= origin <= 0 for origin in origins)


def test_shares_of_every_stem_sum_to_one() -> None:
    bag = bag_of(GainModel(), GainModel(), weights=[[1, 1, 0, 0.3], [0.2, 0, 1, 7]])
    passes = plan_passes(bag, ("vocals", "drums"), 1000, SeparationOptions(shifts=3))
    totals = [sum(column) for column in zip(*(pass_.weights for pass_ in passes), strict=True)]
    assert totals == pytest.approx([1, 1])


def full_rows(pass_: Pass) -> Pass:
    """The same pass with all of the network's stems, those that count nothing among them."""
    weights = dict(zip(pass_.places, pass_.weights, strict=True))
    everywhere = tuple(range(len(STEMS)))
    return replace(
        pass_,
        stem_indices=everywhere,
        places=everywhere,
        weights=tuple(weights.get(place, 0.0) for place in everywhere),
    )


@pytest.mark.parametrize("shifts", [0, 2])
@pytest.mark.parametrize(
    "weights",
    [
        [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],  # of htdemucs_ft
        [[1, 1, 0, 3], [0, 0, 1, 0], [0.2, 0, 0, 1], [0, 0, 0, 7]],
    ],
)
def test_stems_that_count_nothing_are_not_carried_and_change_no_bit(
    weights: list[list[float]], shifts: int
) -> None:
    audio = noise(5011)
    gains = [(0.4, 0.3, 0.2, 0.1), (1, 2, 3, 4), (0.1, 0.7, 0.3, 0.9), (5, 1, 0.3, 0.2)]
    members = [EdgeModel(each) for each in gains]
    bag = bag_of(*members, weights=weights)
    runtime = choose_runtime(device="cpu")
    passes = plan_passes(bag, STEMS, 5011, SeparationOptions(shifts=shifts))

    def run_over(passes: Sequence[Pass]) -> torch.Tensor:
        whole = TrackRanges(
            source_rate=44100,
            model_rate=44100,
            output_rate=44100,
            num_source_samples=5011,
            source_range=range(5011),
        )
        over = ModelInput(
            bag=bag, channels=(0, 1), scaling=Scaling(), ranges=whole, passes=tuple(passes)
        )
        blocks = estimate(over, iter([audio]), 0, runtime, on_chunk=lambda: None)
        return torch.cat(list(blocks), dim=-1)

    carried = sum(len(pass_.stem_indices) for pass_ in passes)
    assert carried == max(1, shifts) * sum(weight > 0 for row in weights for weight in row)
    assert torch.equal(run_over(passes), run_over([full_rows(pass_) for pass_ in passes]))


def test_a_network_s_noughts_and_nans_reach_no_stem_that_is_not_its_own() -> None:
    audio = noise(3000)
    broken = GainModel((1, 1, math.nan, math.inf))
    stems = run(audio, model_of(broken, GainModel(), weights=[[1, 1, 0, 0], [0, 0, 1, 1]]))
    assert torch.allclose(stems["bass"], audio, atol=1e-6)
    assert torch.allclose(stems["vocals"], 0.1 * audio)


def test_networks_with_stems_of_their_own_are_one_model() -> None:
    audio = noise(4000)
    drums_and_bass, rest = GainModel((2, 3), stems=STEMS[:2]), GainModel((5, 7), stems=STEMS[2:])
    both = bag_of(drums_and_bass, rest, weights=[[1, 1, 0, 0], [0, 0, 1, 1]])
    joined = Ensemble.of(replace(both, joined_stems=STEMS))
    assert joined.stems == STEMS
    stems = run(audio, joined)
    for stem, gain in zip(STEMS, (2, 3, 5, 7), strict=True):
        assert torch.allclose(stems[stem], gain * audio, atol=1e-6)

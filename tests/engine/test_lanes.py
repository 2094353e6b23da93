from __future__ import annotations

import pytest
import torch

from stemsplit.engine.lanes import MAX_SHIFT_SECONDS, plan_lanes
from stemsplit.engine.options import SeparationOptions
from tests.engine.test_separate import noise, run
from tests.engine.toy_models import STEMS, EdgeModel, GainModel, ensemble_of, model_of


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
    ensemble = ensemble_of(GainModel(), GainModel())
    lanes = plan_lanes(ensemble, STEMS, 1000, SeparationOptions(shifts=20))
    origins = [lane.plan.origin for lane in lanes]
    assert len(set(origins)) > 30
    assert all(-MAX_SHIFT_SECONDS * 44100 <= origin <= 0 for origin in origins)


def test_shares_of_every_stem_sum_to_one() -> None:
    ensemble = ensemble_of(GainModel(), GainModel(), weights=[[1, 1, 0, 0.3], [0.2, 0, 1, 7]])
    lanes = plan_lanes(ensemble, ("vocals", "drums"), 1000, SeparationOptions(shifts=3))
    totals = [sum(column) for column in zip(*(lane.shares for lane in lanes), strict=True)]
    assert totals == pytest.approx([1, 1])

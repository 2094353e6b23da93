from __future__ import annotations

import pytest
import torch
from torch import Tensor

from stemsplit.evaluate.demo_song import make_demo_song

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def song() -> dict[str, Tensor]:
    return make_demo_song()


def _share_between(audio: Tensor, low_hz: float, high_hz: float) -> float:
    """Share of a stem's energy between two frequencies, at 44.1 kHz."""
    power = torch.fft.rfft(audio.double()).abs().square().sum(0)  # [F]
    frequency = torch.fft.rfftfreq(audio.shape[-1], 1 / 44100)
    return (power[(frequency >= low_hz) & (frequency < high_hz)].sum() / power.sum()).item()


def test_shapes_and_peak(song: dict[str, Tensor]) -> None:
    assert list(song) == ["drums", "bass", "other", "vocals"]
    for stem in song.values():
        assert stem.shape == (2, 20 * 44100)
        assert stem.dtype == torch.float32
    assert sum(song.values()).abs().max().item() == pytest.approx(0.9, abs=1e-4)


def test_same_seed_same_song() -> None:
    first, again = (make_demo_song(duration_seconds=1.0, seed=3) for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_seed_changes_the_noise_and_nothing_else() -> None:
    first, other = (make_demo_song(duration_seconds=2.0, seed=seed) for seed in (0, 1))
    assert not torch.equal(first["drums"], other["drums"])
    scale = first["bass"].abs().max() / other["bass"].abs().max()  # the peak sets a common gain
    torch.testing.assert_close(first["bass"], scale * other["bass"], rtol=0, atol=1e-5)


def test_does_not_touch_the_global_random_state() -> None:
    before = torch.random.get_rng_state()
    make_demo_song(duration_seconds=0.1)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "low_hz", "high_hz"),
    [("bass", 35, 400), ("other", 150, 4000), ("vocals", 250, 5000)],
)
def test_pitched_stems_are_in_their_register(
    song: dict[str, Tensor], name: str, low_hz: float, high_hz: float
) -> None:
    assert _share_between(song[name], low_hz, high_hz) > 0.95


def test_drums_reach_from_the_bottom_to_the_top(song: dict[str, Tensor]) -> None:
    assert _share_between(song["drums"], 30, 120) > 0.3
    assert _share_between(song["drums"], 5000, 20000) > 10 * _share_between(
        song["bass"], 5000, 20000
    )


def test_stereo_position(song: dict[str, Tensor]) -> None:
    for centred in ("bass", "vocals"):
        torch.testing.assert_close(song[centred][0], song[centred][1], rtol=0, atol=1e-6)
    left, right = song["other"]
    assert (left - right).square().sum() > 0.1 * (left + right).square().sum()


@pytest.mark.parametrize("sample_rate", [8000, 22050, 48000])
def test_other_rates(sample_rate: int) -> None:
    song = make_demo_song(sample_rate=sample_rate, duration_seconds=0.5)
    for stem in song.values():
        assert stem.shape == (2, sample_rate // 2)
        assert stem.isfinite().all()


def test_longer_than_one_round_repeats() -> None:
    song = make_demo_song(sample_rate=8000, duration_seconds=21.0)
    round_samples = 10 * 8000  # 16 beats at 96 per minute
    for stem in song.values():
        assert torch.equal(stem[:, :1000], stem[:, round_samples : round_samples + 1000])


def test_too_short() -> None:
    with pytest.raises(ValueError, match="song of 0 s at 44100 Hz has no samples"):
        make_demo_song(duration_seconds=0)

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from stemsplit.dsp.loudness import LoudnessMeter, channel_weights

STEREO = ("FL", "FR")


def loudness(
    signal: Tensor,
    *,
    sample_rate: int = 48_000,
    channels: Sequence[str] = STEREO,
    block_samples: int = 1_000_000,
) -> float | None:
    meter = LoudnessMeter(num_signals=1, channels=channels, sample_rate=sample_rate)
    for block in torch.split(signal[None], block_samples, dim=-1):
        meter.add(block)
    (value,) = meter.integrated()
    return value


def sine(level_dbfs: float, seconds: float, *, hertz: float = 1000, rate: int = 48_000) -> Tensor:
    """A sine [T] whose peak is at the level."""
    phase = 2 * math.pi * hertz / rate * torch.arange(round(seconds * rate), dtype=torch.float64)
    return (10 ** (level_dbfs / 20) * torch.sin(phase)).float()


def noise(seconds: float, num_channels: int = 2, *, rate: int = 48_000) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    return 0.1 * torch.randn(num_channels, round(seconds * rate), generator=generator)


def song() -> Tensor:
    """Ten seconds [2, T] that get louder, on an offset, with a pause in it."""
    signal = noise(10) * torch.linspace(0.01, 1, 480_000) + 0.2
    signal[:, 200_000:260_000] = 0
    return signal


@pytest.mark.parametrize(
    "sections",
    [
        # EBU Tech 3341 (2016), table 1, cases 1 to 5: level in dBFS and seconds of a 1 kHz sine.
        [(-23, 20)],
        [(-33, 20)],
        [(-36, 10), (-23, 60), (-36, 10)],
        [(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)],
        [(-26, 20), (-20, 20.1), (-26, 20)],
    ],
)
def test_the_ebus_cases_read_what_the_ebu_says(sections: list[tuple[float, float]]) -> None:
    mono = torch.cat([sine(level, seconds) for level, seconds in sections])
    expected = -33 if sections == [(-33, 20)] else -23
    assert loudness(mono.expand(2, -1)) == pytest.approx(expected, abs=0.1)


def test_the_ebus_case_in_five_channels() -> None:
    levels = {"FL": -28, "FR": -28, "FC": -24, "SL": -30, "SR": -30}
    signal = torch.stack([sine(level, 20) for level in levels.values()])
    assert loudness(signal, channels=tuple(levels)) == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 88_200, 96_000, 192_000])
def test_a_sine_at_full_scale_in_one_channel_reads_as_the_standard_says(rate: int) -> None:
    tone = sine(0, 2, hertz=997, rate=rate)
    one = torch.stack([tone, torch.zeros_like(tone)])
    # BS.1770-4, annex 1: "the indicated loudness will equal -3.01 LKFS".
    assert loudness(one, sample_rate=rate) == pytest.approx(-3.01, abs=0.002)
    assert loudness(tone[None], sample_rate=rate, channels=("FC",)) == pytest.approx(
        -3.01, abs=0.002
    )


# Tables 1 and 2 of BS.1770-4: b0, b1, b2 and a1, a2.
HEAD = (
    (1.53512485958697, -2.69169618940638, 1.19839281085285),
    (-1.69065929318241, 0.73248077421585),
)
HIGH_PASS = ((1.0, -2.0, 1.0), (-1.99004745483398, 0.99007225036621))


def recursion(row: list[float], b: Sequence[float], a: Sequence[float]) -> list[float]:
    x1 = x2 = y1 = y2 = 0.0
    out = []
    for x in row:
        y = b[0] * x + b[1] * x1 + b[2] * x2 - a[0] * y1 - a[1] * y2
        x1, x2, y1, y2 = x, x1, y, y1
        out.append(y)
    return out


def test_the_filters_are_those_of_the_standard() -> None:
    signal = song()[:, 150_000:300_000]
    rows = [recursion(recursion(row, *HEAD), *HIGH_PASS) for row in signal.tolist()]
    filtered = torch.tensor(rows, dtype=torch.float64)
    blocks = filtered.square().unfold(-1, 19_200, 4_800).mean(dim=-1).sum(dim=0)
    levels = -0.691 + 10 * torch.log10(blocks)
    gate = -0.691 + 10 * math.log10(blocks[levels > -70].mean()) - 10
    expected = -0.691 + 10 * math.log10(blocks[levels > max(gate, -70)].mean())
    assert loudness(signal) == pytest.approx(expected, abs=1e-4)


def ffmpeg_loudness(signal: Tensor, *, sample_rate: int, layout: str) -> float:
    if not hasattr(av.AudioFrame, "metadata"):
        pytest.skip("needs PyAV 18, which tells what ffmpeg's meter says")
    graph = av.filter.Graph()
    source = graph.add_abuffer(
        format="fltp", sample_rate=sample_rate, layout=layout, time_base=None
    )
    meter, sink = graph.add("ebur128", "metadata=1"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    readings = []
    for start in range(0, signal.shape[-1], sample_rate // 10):
        samples = np.ascontiguousarray(signal[:, start : start + sample_rate // 10].numpy())
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = sample_rate, start
        source.push(frame)
        with contextlib.suppress(BlockingIOError):  # it wants more samples first
            readings.append(sink.pull().metadata["lavfi.r128.I"])
    return float(readings[-1])


@pytest.mark.parametrize("sample_rate", [44_100, 48_000])
def test_ffmpeg_reads_the_same(sample_rate: int) -> None:
    expected = ffmpeg_loudness(song(), sample_rate=sample_rate, layout="stereo")
    assert loudness(song(), sample_rate=sample_rate) == pytest.approx(expected, abs=0.01)


def test_ffmpeg_reads_the_same_in_surround() -> None:
    signal = noise(3, num_channels=6)
    expected = ffmpeg_loudness(signal, sample_rate=48_000, layout="5.1")
    channels = ("FL", "FR", "FC", "LFE", "BL", "BR")
    assert loudness(signal, channels=channels) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("rate", [8_000, 16_000, 32_000])
def test_the_sample_rate_does_not_change_what_a_sound_reads(rate: int) -> None:
    low = noise(4, rate=rate)
    factor = 48_000 / rate
    # The same sound at 48 kHz: its spectrum, with nothing above.
    high = torch.fft.irfft(torch.fft.rfft(low.double()), 4 * 48_000) * factor
    assert loudness(low, sample_rate=rate) == pytest.approx(loudness(high.float()), abs=0.003)


@pytest.mark.parametrize("sample_rate", [44_056, 48_000])
def test_the_size_of_the_blocks_does_not_matter(sample_rate: int) -> None:
    signal = song()[:, :150_000]
    whole = loudness(signal, sample_rate=sample_rate)
    assert whole is not None
    for size in (997, 4_800, 65_536):
        value = loudness(signal, sample_rate=sample_rate, block_samples=size)
        assert value == pytest.approx(whole, abs=1e-6)


def test_signals_are_measured_apart() -> None:
    signals = torch.stack([song(), torch.zeros(2, 480_000), 0.5 * song()])
    meter = LoudnessMeter(num_signals=3, channels=STEREO, sample_rate=48_000)
    meter.add(signals)
    first, second, third = meter.integrated()
    assert first == pytest.approx(loudness(song()), abs=1e-6)
    assert second is None
    assert first is not None
    assert third == pytest.approx(first - 20 * math.log10(2), abs=1e-4)


def test_a_reading_in_between_changes_nothing() -> None:
    meter = LoudnessMeter(num_signals=1, channels=STEREO, sample_rate=48_000)
    for block in torch.split(song()[None], 100_000, dim=-1):
        meter.add(block)
        meter.integrated()
    assert meter.integrated() == [pytest.approx(loudness(song()), abs=1e-6)]


@pytest.mark.parametrize("num_samples", [0, 1, 4_799, 19_199])
def test_a_sound_without_a_whole_gating_block_has_no_loudness(num_samples: int) -> None:
    assert loudness(torch.full((2, num_samples), 0.5)) is None
    assert loudness(noise(0.4)) == pytest.approx(-14, abs=1)


def test_nothing_above_the_absolute_gate_has_no_loudness() -> None:
    assert loudness(torch.zeros(2, 48_000)) is None
    assert loudness(sine(-71, 2).expand(2, -1)) is None
    assert loudness(sine(-69, 2).expand(2, -1)) == pytest.approx(-69, abs=0.1)
    assert loudness(torch.full((2, 480_000), 0.5)[:, 48_000:]) is not None  # a step is a click


def test_a_sample_that_is_not_a_number_spoils_only_its_surroundings() -> None:
    signal = noise(20)
    clean = loudness(signal)
    signal[0, 300_000] = math.nan
    assert loudness(signal) == pytest.approx(clean, abs=0.05)


def test_weights_follow_where_the_loudspeakers_are() -> None:
    assert channel_weights(("FC",)) == [1]
    assert channel_weights(("FL", "FR", "FC", "LFE", "BL", "BR")) == [1, 1, 1, 0, 1.41, 1.41]
    assert channel_weights(("FL", "FR", "FC", "LFE", "SL", "SR")) == [1, 1, 1, 0, 1.41, 1.41]
    seven = ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR")
    assert channel_weights(seven) == [1, 1, 1, 0, 1, 1, 1.41, 1.41]
    assert channel_weights(("1", "2", "3")) == [1, 1, 1]


def test_low_frequency_effects_alone_have_no_loudness() -> None:
    assert loudness(noise(1, num_channels=1), channels=("LFE",)) is None

"""What is scored, and what is left out with a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from stemsplit.errors import UsageError
from stemsplit.evaluate import bsseval, scoring
from stemsplit.evaluate.bsseval import BssEval, median_over_frames
from stemsplit.evaluate.dataset import TrackAudio
from stemsplit.evaluate.dnsmos import SpeechQuality
from stemsplit.evaluate.metrics import sdr, si_sdr
from stemsplit.evaluate.scoring import (
    METRICS,
    NO_ERROR,
    NO_SOUND,
    PROTOCOLS,
    SILENT_ESTIMATE,
    SILENT_SOURCE,
    TOO_MANY,
    TrackScorer,
    check_metrics,
)

RATE = 1000


def track(num_sources: int = 2, num_samples: int = 2500) -> TrackAudio:
    generator = torch.Generator().manual_seed(0)
    sources = torch.randn(num_sources, 1, num_samples, generator=generator)
    stems = tuple(f"s{index}" for index in range(num_sources))
    return TrackAudio(stems=stems, mixture=sources.sum(dim=0), sources=sources, sample_rate=RATE)


def noisy(audio: TrackAudio) -> dict[str, Tensor]:
    estimates = audio.sources + 0.1 * audio.sources.flip(-1)
    return dict(zip(audio.stems, estimates, strict=True))


def values(audio: TrackAudio, estimates: dict[str, Tensor], *metrics: str) -> dict[str, object]:
    scores = TrackScorer(audio).score(estimates, metrics)
    return {
        f"{score.stem} {score.metric}": score.reason if score.value is None else score.value
        for score in scores
    }


def test_every_figure_has_a_protocol() -> None:
    assert {figure for figures in METRICS.values() for figure in figures} == set(PROTOCOLS)


def test_figures_are_those_of_the_functions() -> None:
    audio = track()
    estimates = noisy(audio)
    found = values(audio, estimates, "sdr", "si_sdr", "bsseval")
    assert len(found) == 2 * (1 + 1 + 4)
    stacked = torch.stack(list(estimates.values()))
    medians = median_over_frames(BssEval(audio.sources, sample_rate=RATE).sdr(stacked))
    for index, stem in enumerate(audio.stems):
        pair = audio.sources[index], estimates[stem]
        assert found[f"{stem} sdr"] == sdr(*pair)
        assert found[f"{stem} si_sdr"] == si_sdr(*pair)
        assert found[f"{stem} sdr_bsseval_v4"] == pytest.approx(medians[index], abs=1e-9)
    alone = values(audio, estimates, "sdr_bsseval_v4")
    assert alone["s1 sdr_bsseval_v4"] == pytest.approx(found["s1 sdr_bsseval_v4"], abs=1e-9)


def test_silent_sources_are_left_out_and_change_nothing_for_the_others() -> None:
    audio, three = track(2), track(3)
    three.sources[1] = 0
    three.sources[[0, 2]] = audio.sources
    estimates = dict(zip(("s0", "s2"), noisy(audio).values(), strict=True))
    found = values(three, {**estimates, "s1": torch.ones(1, 2500)}, "sdr", "si_sdr", "bsseval")
    silent = {key: reason for key, reason in found.items() if key.startswith("s1")}
    assert len(silent) == 6
    assert set(silent.values()) == {SILENT_SOURCE}
    expected = values(audio, noisy(audio), "bsseval")
    for old, new in (("s0", "s0"), ("s1", "s2")):
        for figure in METRICS["bsseval"]:
            assert found[f"{new} {figure}"] == pytest.approx(expected[f"{old} {figure}"], abs=1e-9)


def test_a_silent_estimate_has_an_sdr_and_nothing_else() -> None:
    audio = track()
    estimates = {**noisy(audio), "s0": torch.zeros(1, 2500)}
    found = values(audio, estimates, "sdr", "si_sdr", "bsseval", "sdr_bsseval_v4")
    assert found["s0 sdr"] == 0.0
    assert found["s0 si_sdr"] == SILENT_ESTIMATE
    assert found["s0 sir_bsseval_v4"] == SILENT_ESTIMATE
    assert isinstance(found["s1 sir_bsseval_v4"], float)


def test_a_perfect_estimate_is_not_infinite() -> None:
    audio = track()
    found = values(audio, dict(zip(audio.stems, audio.sources, strict=True)), "sdr", "si_sdr")
    assert found["s0 si_sdr"] == NO_ERROR
    assert found["s0 sdr"] > 100  # type: ignore[operator]


def test_sources_that_never_sound_together_have_no_second_to_be_scored_in() -> None:
    audio = track(2, 4000)
    audio.sources[0, :, :2000] = 0
    audio.sources[1, :, 2000:] = 0
    found = values(audio, noisy(track(2, 4000)), "bsseval")
    assert set(found.values()) == {NO_SOUND}


def test_some_stems_only() -> None:
    audio = track(3)
    every, one = noisy(audio), {"s1": noisy(audio)["s1"]}
    all_values = values(audio, every, "sdr", "bsseval")
    found = values(audio, one, "sdr", "bsseval")
    assert len(found) == 5
    for key, value in found.items():
        assert value == pytest.approx(all_values[key], abs=1e-9)


def test_too_many_channels_for_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bsseval, "MAX_CHANNELS", 1)
    audio = track()
    found = values(audio, noisy(audio), "bsseval")
    assert isinstance(found["s0 sdr_bsseval_v4"], float)
    assert found["s0 sir_bsseval_v4"] == found["s1 isr_bsseval_v4"] == TOO_MANY


def test_improvement_is_over_the_mixture() -> None:
    audio = track()
    found = values(audio, dict.fromkeys(audio.stems, audio.mixture), "si_sdri")
    assert found == {"s0 si_sdri": 0, "s1 si_sdri": 0}


def test_measures_of_speech_pass_over_the_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    quality = SpeechQuality(signal=3.0, background=4.0, overall=2.0, p808=3.5)
    heard = []

    def dnsmos(blocks: list[Tensor], *, sample_rate: int) -> SpeechQuality | None:
        heard.append(sample_rate)
        return quality if blocks[0].any() else None

    monkeypatch.setattr(scoring, "dnsmos", dnsmos)
    audio = replace(track(), stems=("speech", "noise"))
    scores = values(audio, noisy(audio), "dnsmos")
    assert [scores[f"speech {name}"] for name in METRICS["dnsmos"]] == [2.0, 3.0, 4.0, 3.5]
    assert not any(name.startswith("noise") for name in scores)
    assert heard == [RATE]
    silence = {"speech": torch.zeros_like(audio.mixture)}
    assert set(values(audio, silence, "dnsmos").values()) == {SILENT_ESTIMATE}


def test_packages_are_looked_for_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", absent)
    check_metrics(["sdr", "bsseval"])
    with pytest.raises(UsageError, match="needs the package pystoi"):
        check_metrics(["sdr", "stoi"])

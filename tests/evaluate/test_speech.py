"""PESQ and STOI are their packages' figures for the audio as these want it."""

from __future__ import annotations

import importlib
import math
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from stemsplit.errors import UsageError
from stemsplit.evaluate.speech import pesq, stoi


def babble(seconds: float, *, sample_rate: int = 16_000, seed: int = 0) -> Tensor:
    """Something [1, T] that both measures take for speech: syllables of filtered noise."""
    generator = torch.Generator().manual_seed(seed)
    num_samples = int(seconds * sample_rate)
    noise = torch.randn(1, num_samples, generator=generator)
    voiced = noise.cumsum(dim=-1) - torch.nn.functional.avg_pool1d(
        noise.cumsum(dim=-1), 101, stride=1, padding=50
    )
    time = torch.arange(num_samples) / sample_rate
    syllables = torch.sin(2 * torch.pi * 2 * time).clamp(min=0)
    return 0.2 * voiced / voiced.abs().max() * syllables


def hiss(like: Tensor, level: float) -> Tensor:
    return like + level * torch.randn(like.shape, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize(("rate", "mode"), [(16_000, "wb"), (8_000, "nb")])
def test_pesq_is_that_of_its_package(rate: int, mode: str) -> None:
    package = pytest.importorskip("pesq")
    clean = babble(3, sample_rate=rate)
    noisy = hiss(clean, 0.02)
    expected = package.pesq(rate, clean[0].numpy(), noisy[0].numpy(), mode)
    assert pesq(clean, noisy, sample_rate=rate) == pytest.approx(expected, abs=1e-4)
    both = torch.cat([clean, clean]), torch.cat([noisy, noisy])
    assert pesq(*both, sample_rate=rate) == pytest.approx(expected, abs=1e-4)
    assert pesq(clean, clean, sample_rate=rate) > expected


def test_pesq_of_music_rates_is_measured_at_16_khz() -> None:
    pytest.importorskip("pesq")
    clean = babble(3, sample_rate=44_100)
    value = pesq(clean, clean, sample_rate=44_100)
    assert value == pytest.approx(4.644, abs=0.001)  # the best there is in wide band


def test_pesq_of_long_speech_is_the_mean_of_its_parts() -> None:
    """The reference code would write beyond its tables after 50 utterances."""
    package = pytest.importorskip("pesq")
    clean = torch.cat([babble(19, seed=1), torch.zeros(1, 8_000), babble(18.5, seed=2)], dim=-1)
    noisy = hiss(clean, 0.02)
    halves = zip(clean[0].numpy().reshape(2, -1), noisy[0].numpy().reshape(2, -1), strict=True)
    expected = np.mean([package.pesq(16_000, *half, "wb") for half in halves])
    assert pesq(clean, noisy, sample_rate=16_000) == pytest.approx(expected, abs=1e-4)


def test_pesq_where_there_is_no_speech() -> None:
    pytest.importorskip("pesq")
    clean = babble(1)
    assert math.isnan(pesq(torch.zeros(1, 16_000), clean, sample_rate=16_000))
    assert math.isnan(pesq(clean, torch.zeros(1, 16_000), sample_rate=16_000))
    assert math.isnan(pesq(clean[:, :100], clean[:, :100], sample_rate=16_000))


@pytest.mark.parametrize("rate", [10_000, 16_000, 44_100])
def test_stoi_is_that_of_its_package(rate: int) -> None:
    package = pytest.importorskip("pystoi")
    clean = babble(2, sample_rate=rate)
    noisy = hiss(clean, 0.02)
    expected = package.stoi(clean[0].double().numpy(), noisy[0].double().numpy(), rate)
    assert stoi(clean, noisy, sample_rate=rate) == pytest.approx(expected, abs=1e-9)
    assert stoi(clean, clean, sample_rate=rate) == pytest.approx(1, abs=1e-6)
    assert stoi(clean, hiss(clean, 0.2), sample_rate=rate) < expected
    extended = package.stoi(clean[0].double().numpy(), noisy[0].double().numpy(), rate, True)
    assert extended != pytest.approx(expected, abs=0.01)
    assert stoi(clean, noisy, sample_rate=rate, extended=True) == pytest.approx(extended, abs=1e-9)


def test_stoi_of_too_little_speech() -> None:
    pytest.importorskip("pystoi")
    clean = babble(2)
    assert math.isnan(stoi(clean[:, :4000], clean[:, :4000], sample_rate=16_000))
    assert math.isnan(stoi(clean[:, :1], clean[:, :1], sample_rate=16_000))
    assert math.isnan(stoi(torch.zeros(1, 32_000), clean, sample_rate=16_000))
    clean[:, 2000:] = 0
    assert math.isnan(stoi(clean, clean, sample_rate=16_000))


@pytest.mark.parametrize(("measure", "package"), [(pesq, "pesq"), (stoi, "pystoi")])
def test_a_missing_package_is_named(
    measure: object, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def import_module(name: str) -> ModuleType:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", import_module)
    with pytest.raises(UsageError, match=rf"needs the package {package}.*stemsplit\[speech\]"):
        measure(torch.ones(1, 10), torch.ones(1, 10), sample_rate=16_000)  # type: ignore[operator]


@pytest.mark.parametrize(("measure", "package"), [(pesq, "pesq"), (stoi, "pystoi")])
def test_shapes_must_agree(measure: object, package: str) -> None:
    pytest.importorskip(package)
    with pytest.raises(ValueError, match=r"shape \(1, 10\) with one of shape \(1, 11\)"):
        measure(torch.ones(1, 10), torch.ones(1, 11), sample_rate=16_000)  # type: ignore[operator]

"""How far `--precision fp32` is from exact: the reference in float64, with the same weights."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from stemsplit.models.blocks.hybrid_layers import EncoderLayer
from stemsplit.models.blocks.short_sounds import needs_float64
from stemsplit.models.fast import accelerate, products
from stemsplit.models.fast.hybrid import FastEncoderLayer
from tests import signals
from tests.models import random_models
from tests.models.parity import agreement_db, build, noise
from tests.signals import SIGNALS

# The reference in float32 is at 120 dB for noise, 86 dB for a short clip and 49 dB for a click.
REQUIRED_DB = 90.0
CLIP_SAMPLES = 9261  # 0.21 s, which HTDemucs hears with 7.6 s of silence behind it


@pytest.fixture(scope="module")
def published_size() -> tuple[Any, Any]:
    """HTDemucs of random weights: the reference in float64, and our network with fast layers."""
    reference = random_models.htdemucs(small=False, **random_models.PUBLISHED_HTDEMUCS)
    ours = build(reference)
    assert accelerate(ours) == torch.float32 or not products.are_available()
    return reference.double(), ours


def scaled(mixture: Tensor) -> Tensor:
    """[2, T] as the engine hands it to the network, [1, 2, T]."""
    mono = mixture.double().mean(0)
    return ((mixture.double() - mono.mean()) / (mono.std() + 1e-8))[None].float()


def distance_db(networks: tuple[Any, Any], mixture: Tensor) -> float:
    """The worst stem's signal-to-difference."""
    reference, ours = networks
    with torch.inference_mode():
        expected, found = reference(mixture.double())[0], ours(mixture)[0]
    if torch.equal(expected, found.double()):
        return float("inf")
    return min(agreement_db(*stems) for stems in zip(expected, found, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", SIGNALS)
def test_htdemucs_is_exact_whatever_it_hears(name: str, published_size: tuple[Any, Any]) -> None:
    mixture = SIGNALS[name](343_980)
    assert distance_db(published_size, scaled(mixture)) > REQUIRED_DB


@pytest.mark.slow
@pytest.mark.parametrize("make", [signals.noise, signals.music, signals.click])
def test_htdemucs_is_exact_for_a_short_clip(make: Any, published_size: tuple[Any, Any]) -> None:
    mixture = make(44_100 + CLIP_SAMPLES)[:, -CLIP_SAMPLES:]
    assert distance_db(published_size, scaled(mixture)) > REQUIRED_DB


@pytest.mark.slow
@pytest.mark.parametrize("family", [random_models.hdemucs, random_models.demucs])
@pytest.mark.parametrize("name", SIGNALS)
def test_other_families_are_exact_whatever_they_hear(name: str, family: Any) -> None:
    reference = family()
    ours = build(reference)
    accelerate(ours)
    mixture = SIGNALS[name](ours.spec.chunking.fitted_length(44_100))
    assert distance_db((reference.double(), ours), scaled(mixture)) > REQUIRED_DB


def test_only_short_sounds_in_silence_need_float64() -> None:
    names = ["noise", "music", "onset after silence", "constant", "fade in"]
    items = torch.stack([scaled(SIGNALS[name](343_980))[0] for name in names])
    assert needs_float64(items) is not None
    assert needs_float64(items).tolist() == [False] * len(names)
    assert needs_float64(scaled(signals.click(343_980))).tolist() == [True]
    clip = torch.nn.functional.pad(signals.noise(CLIP_SAMPLES), (0, 343_980 - CLIP_SAMPLES))
    assert needs_float64(clip[None]).tolist() == [True]
    assert needs_float64(torch.full((1, 2, 9), torch.nan)).tolist() == [False]
    assert needs_float64(torch.zeros(1, 2, 9, device="meta")) is None


def test_fast_encoders_are_exact_where_they_must() -> None:
    plain = build(random_models.htdemucs())
    waveform = scaled(signals.click(22_050))
    fast = copy.deepcopy(plain)
    accelerate(fast)
    for layer, quick in zip(plain.tencoder, fast.tencoder, strict=True):
        assert isinstance(layer, EncoderLayer)
        assert not products.are_available() or isinstance(quick, FastEncoderLayer)
        with torch.inference_mode():
            exact = layer.exactly(waveform)
            assert exact.dtype == torch.float64
            assert torch.equal(quick.exactly(waveform), exact)
            assert agreement_db(exact, quick(waveform.float())) > 90
        waveform = exact


def test_an_item_of_a_batch_is_what_it_is_alone() -> None:
    network = build(random_models.htdemucs())
    accelerate(network)
    click = scaled(signals.click(22_050))
    assert needs_float64(click).all()
    with torch.inference_mode():
        together = network(torch.cat([noise(1, 2, 22_050), click]))
        for item, mixture in zip(together, (noise(1, 2, 22_050), click), strict=True):
            assert agreement_db(network(mixture)[0], item) > 110

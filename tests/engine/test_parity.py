"""Whole songs against demucs 4.1.0, with the same random weights.

The reference is its `apply_model` between the track normalisation that its `Separator` does around
it, with shifts=0 and overlap 0.25. Both sides compute in float32 but sum in different orders, so
they agree to rounding: 80 dB is the promise, and more than 100 dB is what is seen.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stemsplit import Separator
from stemsplit.dsp.difference import signal_to_difference_db
from tests.models.random_models import (
    PUBLISHED_HTDEMUCS,
    SIX_STEMS,
    ReferenceModel,
    demucs,
    hdemucs,
    htdemucs,
    write_bag,
    write_safetensors,
    write_th,
)
from tests.references import reference_module
from tests.signals import SIGNALS

demucs_apply = reference_module("demucs.apply")

PROMISED_DB = 80.0
PROMISED_BF16_DB = 50.0  # of each stem; 55 dB and more over all stems together
SAMPLE_RATE = 44100

FAMILIES: dict[str, Callable[[], ReferenceModel]] = {
    "htdemucs": htdemucs,
    "htdemucs_6s": lambda: htdemucs(stems=SIX_STEMS, bottom_channels=0),
    "hdemucs": lambda: hdemucs(segment=3),
    "hdemucs_old": lambda: hdemucs(hybrid_old=True),
    "demucs": lambda: demucs(segment=3),
    "demucs_lstm": lambda: demucs(lstm_layers=2, resample=False),
}


def song(seconds: float) -> Tensor:
    """Noise whose level and width wander, on a slight offset: nothing in it is symmetric."""
    generator = torch.Generator().manual_seed(7)
    length = round(seconds * SAMPLE_RATE)
    noise = torch.randn(2, length, generator=generator)
    level = 0.2 + 0.15 * torch.sin(torch.arange(length) / SAMPLE_RATE * 1.7)
    return noise * level * torch.tensor([[1.0], [0.6]]) + 0.01


def reference_stems(model: nn.Module, mixture: Tensor, *, shifts: int = 0) -> Tensor:
    """Stems [S, C, T] as demucs' own `Separator.separate_tensor` makes them."""
    mono = mixture.mean(0)
    mean, std = mono.mean(), mono.std() + 1e-8
    standardized = ((mixture - mean) / std)[None]
    stems = demucs_apply.apply_model(model, standardized, shifts=shifts, overlap=0.25)
    return stems[0] * std + mean


def assert_parity(
    separator: Separator, expected: Tensor, mixture: Tensor, *, promised_db: float = PROMISED_DB
) -> None:
    separation = separator.separate(mixture, sample_rate=SAMPLE_RATE)
    ours = torch.from_numpy(np.stack(list(separation.stems.values())))
    for stem, estimate, reference in zip(separation.stems, ours, expected, strict=True):
        level = signal_to_difference_db(reference, estimate)
        assert level >= promised_db, f"{stem}: {level:.1f} dB"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seconds", [20, 0.2])
def test_a_song_equals_the_reference_from_both_layouts(
    family: str, seconds: float, tmp_path: Path
) -> None:
    model = FAMILIES[family]()
    mixture = song(seconds)
    expected = reference_stems(model, mixture)
    for file in (write_safetensors(model, tmp_path), write_th(model, tmp_path)):
        assert_parity(Separator(file, device="cpu", precision="fp32"), expected, mixture)


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("family", ["htdemucs", "hdemucs", "demucs"])
def test_whatever_is_heard_equals_the_reference_in_float64(
    family: str, name: str, tmp_path: Path
) -> None:
    """In float32, the reference itself is far from exact after a click in silence."""
    model = FAMILIES[family]()
    mixture = SIGNALS[name](30_000)  # chunks of silence, and others
    separator = Separator(write_safetensors(model, tmp_path), device="cpu", precision="fp32")
    assert_parity(separator, reference_stems(model.double(), mixture.double()), mixture)


def test_the_published_htdemucs_equals_the_reference(tmp_path: Path) -> None:
    model = htdemucs(small=False, **PUBLISHED_HTDEMUCS)
    mixture = song(9)  # two chunks of 7.8 s
    checkpoint = write_safetensors(model, tmp_path)
    expected = reference_stems(model, mixture)
    exact = Separator(checkpoint, device="cpu", precision="fp32")
    assert_parity(exact, expected, mixture)
    coarse = Separator(checkpoint, device="cpu", precision="bf16")
    assert coarse.model.precision == "bf16"
    assert_parity(coarse, expected, mixture, promised_db=PROMISED_BF16_DB)


def test_a_bag_with_weights_and_a_segment_equals_the_reference(tmp_path: Path) -> None:
    models = [hdemucs(1), demucs(2), hdemucs(3)]
    weights = [[1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 2.0], [1.0, 0.0, 1.0, 1.0]]
    bag = write_bag(tmp_path, "bag", models, weights, segment=2)
    mixture = song(7)
    separator = Separator(bag, device="cpu", precision="fp32")
    expected = reference_stems(demucs_apply.BagOfModels(models, weights, 2), mixture)
    assert_parity(separator, expected, mixture)


def test_a_shift_equals_the_reference_with_the_same_offset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = htdemucs()
    mixture = song(3)
    draws = random.Random("stemsplit shifts, seed 5, member 0")
    monkeypatch.setattr(random, "randint", draws.randint)
    expected = reference_stems(model, mixture, shifts=2)
    separator = Separator(
        write_safetensors(model, tmp_path), shifts=2, seed=5, device="cpu", precision="fp32"
    )
    assert_parity(separator, expected, mixture)


def test_a_users_segment_equals_the_reference(tmp_path: Path) -> None:
    model = htdemucs(segment=2)
    mixture = song(3)
    mono = mixture.mean(0)
    mean, std = mono.mean(), mono.std() + 1e-8
    expected = demucs_apply.apply_model(
        model, ((mixture - mean) / std)[None], shifts=0, overlap=0.5, segment=0.7
    )
    separator = Separator(
        write_safetensors(model, tmp_path),
        segment=0.7,
        overlap=0.5,
        device="cpu",
        precision="fp32",
    )
    assert_parity(separator, expected[0] * std + mean, mixture)


def test_only_the_networks_that_are_needed_are_loaded(tmp_path: Path) -> None:
    models = [hdemucs(seed) for seed in range(4)]
    identity = [[float(row == column) for column in range(4)] for row in range(4)]
    bag = write_bag(tmp_path, "ft", models, identity)
    mixture = song(1)
    separator = Separator(bag, two_stems="vocals", device="cpu", precision="fp32")
    assert len(separator.model.members) == 1
    separation = separator.separate(mixture, sample_rate=SAMPLE_RATE)
    expected = reference_stems(models[3], mixture)[3]
    vocals = torch.from_numpy(separation["vocals"])
    assert signal_to_difference_db(expected, vocals) >= PROMISED_DB
    total = separation["vocals"] + separation["no_vocals"]
    assert np.allclose(total, mixture.numpy(), atol=1e-6)

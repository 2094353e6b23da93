"""HTDemucs against the reference network with the same random weights."""

from fractions import Fraction

import pytest
import torch

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.models.spec import InputScaling
from tests.models.parity import REQUIRED_DB, agreement_db, build, network_agreement_db, noise
from tests.models.random_models import (
    PUBLISHED_HTDEMUCS,
    PUBLISHED_HTDEMUCS_6S,
    SIX_STEMS,
    STEMS,
    htdemucs,
)


@pytest.mark.parametrize("num_samples", [22050, 22049, 10000, 1])
def test_equals_the_reference(num_samples: int) -> None:
    assert network_agreement_db(htdemucs(), noise(2, 2, num_samples)) > REQUIRED_DB


def test_the_published_size_equals_the_reference() -> None:
    reference = htdemucs(small=False, **PUBLISHED_HTDEMUCS)
    assert sum(parameter.numel() for parameter in reference.parameters()) == 41_984_456
    assert network_agreement_db(reference, noise(1, 2, 343_980)) > REQUIRED_DB


def test_the_published_six_stem_shape_equals_the_reference() -> None:
    arguments = {**PUBLISHED_HTDEMUCS_6S, "segment": Fraction(1, 2)}
    reference = htdemucs(small=False, stems=SIX_STEMS, **arguments)
    assert sum(parameter.numel() for parameter in reference.parameters()) == 27_414_996
    assert network_agreement_db(reference, noise(1, 2, 22050)) > REQUIRED_DB


@pytest.mark.parametrize(
    "arguments",
    [
        {"t_cross_first": True},
        {"t_norm_in": False},
        {"t_norm_in": False, "t_norm_in_group": True},
        {"t_norm_out": False},
        {"t_layer_scale": False, "t_gelu": False},
        {"t_layers": 0},
        {"t_layers": 2, "t_hidden_scale": 1.5, "t_max_period": 500.0, "t_weight_pos_embed": 0.5},
        {"bottom_channels": 0, "channels": 4, "dconv_comp": 2},
        {"depth": 5},  # the branches merge before the transformer
        {"depth": 3, "nfft": 2048},
        {"dconv_mode": 0, "rewrite": False},
        {"dconv_mode": 2, "dconv_depth": -2},
        {"norm_starts": 0, "norm_groups": 2, "context": 0, "context_enc": 1},
        {"freq_emb": 0, "depth": 2, "nfft": 512},
        {"emb_scale": 3, "growth": 1},
        {"audio_channels": 1},
    ],
    ids=str,
)
def test_variants_equal_the_reference(arguments: dict[str, object]) -> None:
    reference = htdemucs(**{"segment": Fraction(1, 4), **arguments})
    mixture = noise(1, reference.audio_channels, 11025)
    assert network_agreement_db(reference, mixture) > REQUIRED_DB


@pytest.mark.parametrize("num_samples", [1, 4001, 30000])
def test_without_a_training_segment_any_length_equals_the_reference(num_samples: int) -> None:
    reference = htdemucs(use_train_segment=False)
    ours = build(reference)
    assert not ours.spec.chunking.fixed_length
    assert ours.spec.chunking.max_chunk_samples is None
    assert network_agreement_db(reference, noise(1, 2, num_samples)) > REQUIRED_DB


def test_spec() -> None:
    spec = build(htdemucs(segment=Fraction(39, 5))).spec
    assert spec.family == "htdemucs"
    assert spec.stems == STEMS
    assert (spec.sample_rate, spec.num_channels, spec.scaling) == (44100, 2, InputScaling())
    assert spec.chunking == ChunkPolicy(
        chunk_samples=343_980,
        overlap_samples=343_980 - 257_985,
        fixed_length=True,
        max_chunk_samples=343_980,
    )


def test_a_longer_mixture_than_in_training_is_refused() -> None:
    with pytest.raises(ValueError, match="up to 22050 samples, got 22051"):
        build(htdemucs())(noise(1, 2, 22051))


def test_items_of_a_batch_do_not_influence_each_other() -> None:
    model = build(htdemucs())
    mixtures = torch.cat([noise(1, 2, 22050), torch.zeros(1, 2, 22050), 9 * noise(1, 2, 22050)])
    alone = torch.cat([model(mixture[None]) for mixture in mixtures])
    assert agreement_db(alone, model(mixtures)) > REQUIRED_DB


def test_silence_stays_finite_and_the_input_is_not_modified() -> None:
    model = build(htdemucs())
    assert model(torch.zeros(1, 2, 22050)).isfinite().all()
    mixture = noise(1, 2, 22050)
    before = mixture.clone()
    estimate = model(mixture)
    assert torch.equal(mixture, before)
    assert estimate.dtype == torch.float32
    assert not estimate.requires_grad


@pytest.mark.usefixtures("plain_kernels")
def test_autocast_gives_float32_near_the_exact_output() -> None:
    reference, mixture = htdemucs(), noise(1, 2, 22050)
    exact = build(reference)(mixture)
    with torch.autocast("cpu", dtype=torch.bfloat16):  # what runs on other devices
        coarse = build(reference)(mixture)
    assert coarse.dtype == torch.float32
    # bfloat16 keeps 8 bits: about 48 dB per operation.
    assert agreement_db(exact, coarse) > 30

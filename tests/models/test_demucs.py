"""Demucs against the reference network with the same random weights."""

import re

import pytest
import torch

from stemsplit.models.demucs.adapter import adapt_names
from stemsplit.models.demucs.double_rate import downsample_by_two, upsample_by_two
from stemsplit.models.registry import build_model
from tests.models.parity import REQUIRED_DB, agreement_db, build, network_agreement_db, noise
from tests.models.random_models import STEMS, class_name, demucs
from tests.references import reference_module


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"resample": False},
        {"normalize": False},
        {"resample": False, "normalize": False, "dconv_mode": 3},
        {"lstm_layers": 2, "dconv_mode": 0},
        {"gelu": False, "glu": False, "context": 2, "norm_starts": 0},
        {"rewrite": False, "dconv_mode": 2, "dconv_depth": -2},
        {
            "channels": 32,
            "depth": 4,
            "growth": 1.5,
            "dconv_attn": 1,
            "dconv_lstm": 2,
            "dconv_comp": 1,
        },
        {"audio_channels": 1, "kernel_size": 6, "stride": 2, "depth": 5},
    ],
    ids=str,
)
def test_equals_the_reference(arguments: dict[str, object]) -> None:
    reference = demucs(**arguments)
    length = build(reference).spec.chunking.fitted_length(11025)
    mixture = noise(2, reference.audio_channels, length)
    assert network_agreement_db(reference, mixture) > REQUIRED_DB


def test_equals_the_reference_where_the_lstm_works_in_windows() -> None:
    # The LSTM of layer 4 takes 258 steps for 3 s at twice the sample rate: more than its 200.
    reference = demucs()
    length = build(reference).spec.chunking.fitted_length(3 * 44100)
    assert network_agreement_db(reference, noise(1, 2, length)) > REQUIRED_DB


def test_the_published_size_equals_the_reference() -> None:
    reference = demucs(small=False)
    assert network_agreement_db(reference, noise(1, 2, 4778)) > REQUIRED_DB


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"resample": False},
        {"depth": 3},
        {"depth": 2, "kernel_size": 6, "stride": 2, "resample": False},
        {"depth": 3, "kernel_size": 5, "stride": 3, "resample": False},
    ],
    ids=str,
)
def test_fitted_lengths_are_the_reference_s_valid_lengths(arguments: dict[str, object]) -> None:
    reference = demucs(**arguments)
    policy = build(reference).spec.chunking
    lengths = [*range(1, 400), *range(400, 100_000, 311), 4777, 4778, 4779, 6826, 6827]
    expected = [reference.valid_length(length) for length in lengths]
    assert [policy.fitted_length(length) for length in lengths] == expected


def test_spec() -> None:
    spec = build(demucs(segment=40)).spec
    assert spec.family == "demucs"
    assert spec.stems == STEMS
    assert spec.chunking.chunk_samples == 40 * 44100
    assert spec.chunking.overlap_samples == 10 * 44100
    assert spec.chunking.min_length_samples == 4778
    assert spec.chunking.length_step_samples == 2048


def test_a_length_that_leaves_samples_over_is_refused() -> None:
    with pytest.raises(ValueError, match="4779 is not a length"):
        build(demucs())(noise(1, 2, 4779))


def test_names_of_the_previous_generation_load() -> None:
    reference = demucs(lstm_layers=2, dconv_mode=0, norm_starts=10)
    old_names = {
        re.sub(r"^(\w+\.\d)\.3\.", r"\1.2.", name): tensor
        for name, tensor in reference.state_dict().items()
    }
    assert old_names.keys() != reference.state_dict().keys()
    args, kwargs = reference._init_args_kwargs
    ours = build_model(class_name(reference), args, kwargs, old_names)
    mixture = noise(1, 2, 4778)
    with torch.no_grad():
        assert agreement_db(reference(mixture), ours(mixture)) > REQUIRED_DB


def test_present_names_are_left_alone() -> None:
    tensors = demucs().state_dict()
    assert adapt_names(tensors, tensors.keys()).keys() == tensors.keys()


@pytest.mark.parametrize("num_samples", [1, 2, 51, 1000, 1001])
def test_resampling_equals_julius(num_samples: int) -> None:
    julius = reference_module("julius")
    signal = noise(2, 3, num_samples)
    up, down = upsample_by_two(signal), downsample_by_two(signal)
    torch.testing.assert_close(up, julius.resample_frac(signal, 1, 2), atol=2e-6, rtol=0)
    torch.testing.assert_close(down, julius.resample_frac(signal, 2, 1), atol=2e-6, rtol=0)


def test_items_of_a_batch_do_not_influence_each_other() -> None:
    model = build(demucs())
    mixtures = torch.cat([noise(1, 2, 6826), torch.zeros(1, 2, 6826), 9 * noise(1, 2, 6826)])
    alone = torch.cat([model(mixture[None]) for mixture in mixtures])
    assert agreement_db(alone, model(mixtures)) > REQUIRED_DB


def test_silence_stays_finite_and_the_input_is_not_modified() -> None:
    model = build(demucs())
    assert model(torch.zeros(1, 2, 4778)).isfinite().all()
    mixture = noise(1, 2, 4778)
    before = mixture.clone()
    model(mixture)
    assert torch.equal(mixture, before)

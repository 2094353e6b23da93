"""HDemucs against the reference network with the same random weights."""

import pytest
import torch

from stemsplit.dsp.chunking import ChunkPolicy
from tests.models.parity import REQUIRED_DB, agreement_db, build, network_agreement_db, noise
from tests.models.random_models import STEMS, hdemucs


@pytest.mark.parametrize("hybrid_old", [False, True])
@pytest.mark.parametrize("num_samples", [1, 1023, 1024, 8820, 12345])
def test_equals_the_reference(num_samples: int, hybrid_old: bool) -> None:
    reference = hdemucs(hybrid_old=hybrid_old)
    assert network_agreement_db(reference, noise(2, 2, num_samples)) > REQUIRED_DB


@pytest.mark.parametrize("hybrid_old", [False, True])
def test_equals_the_reference_where_the_lstm_works_in_windows(hybrid_old: bool) -> None:
    # 5 s are 216 frames: more than the 200 steps that the LSTM of the first merged layer takes.
    reference = hdemucs(hybrid_old=hybrid_old)
    assert network_agreement_db(reference, noise(1, 2, 5 * 44100 + 1)) > REQUIRED_DB


def test_the_published_size_equals_the_reference() -> None:
    reference = hdemucs(small=False)
    assert sum(parameter.numel() for parameter in reference.parameters()) == 83_637_832
    assert network_agreement_db(reference, noise(1, 2, 22050)) > REQUIRED_DB


@pytest.mark.parametrize(
    "arguments",
    [
        {"dconv_mode": 3},
        {"dconv_mode": 0, "norm_starts": 0},
        {"depth": 5},
        {"depth": 4, "nfft": 256, "dconv_attn": 2, "dconv_lstm": 3},
        {"depth": 7, "channels": 4, "dconv_comp": 1},
        {"channels_time": 4},
        {"rewrite": False, "freq_emb": 0},
        {"audio_channels": 1, "time_stride": 4},
    ],
    ids=str,
)
def test_variants_equal_the_reference(arguments: dict[str, object]) -> None:
    reference = hdemucs(**arguments)
    mixture = noise(1, reference.audio_channels, 11025)
    assert network_agreement_db(reference, mixture) > REQUIRED_DB


def test_a_single_mono_sample_stays_finite() -> None:
    # Where the reference divides by the deviation of one value, which is not a number.
    model = build(hdemucs(audio_channels=1))
    assert model(torch.ones(1, 1, 1)).isfinite().all()


def test_spec() -> None:
    spec = build(hdemucs(segment=44)).spec
    assert spec.family == "hdemucs"
    assert spec.stems == STEMS
    assert spec.chunking == ChunkPolicy(chunk_samples=44 * 44100, overlap_samples=11 * 44100)


def test_items_of_a_batch_do_not_influence_each_other() -> None:
    model = build(hdemucs())
    mixtures = torch.cat([noise(1, 2, 9000), torch.zeros(1, 2, 9000), 9 * noise(1, 2, 9000)])
    alone = torch.cat([model(mixture[None]) for mixture in mixtures])
    assert agreement_db(alone, model(mixtures)) > REQUIRED_DB


def test_silence_stays_finite_and_the_input_is_not_modified() -> None:
    model = build(hdemucs())
    assert model(torch.zeros(1, 2, 9000)).isfinite().all()
    mixture = noise(1, 2, 9000)
    before = mixture.clone()
    model(mixture)
    assert torch.equal(mixture, before)

"""RoFormers' configuration files, and the bands that they describe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.errors import CheckpointError
from stemsplit.models.roformer.bands import mel_bands
from stemsplit.models.roformer.config import (
    RoFormerConfig,
    read_bs_roformer_config,
    read_melband_roformer_config,
)
from stemsplit.models.spec import InputScaling
from tests.references import reference_module

READERS = (read_bs_roformer_config, read_melband_roformer_config)
Reader = Callable[[Mapping[str, object]], RoFormerConfig]

# What published files have in common.
PUBLISHED: dict[str, dict[str, Any]] = {
    "audio": {
        "chunk_size": 352800,
        "dim_f": 1024,
        "dim_t": 801,
        "hop_length": 441,
        "n_fft": 2048,
        "num_channels": 2,
        "sample_rate": 44100,
        "min_mean_abs": 0.0,
    },
    "model": {
        "dim": 384,
        "depth": 6,
        "stereo": True,
        "num_stems": 1,
        "time_transformer_depth": 1,
        "freq_transformer_depth": 1,
        "linear_transformer_depth": 0,
        "dim_head": 64,
        "heads": 8,
        "attn_dropout": 0,
        "ff_dropout": 0.1,
        "flash_attn": True,
        "dim_freqs_in": 1025,
        "stft_n_fft": 2048,
        "stft_hop_length": 441,
        "stft_win_length": 2048,
        "stft_normalized": False,
        "mask_estimator_depth": 2,
        "multi_stft_resolution_loss_weight": 1.0,
        "multi_stft_resolutions_window_sizes": (4096, 2048, 1024, 512, 256),
        "multi_stft_hop_size": 147,
        "multi_stft_normalized": False,
        "mlp_expansion_factor": 2,
        "use_torch_checkpoint": False,
        "skip_connection": False,
        "sage_attention": True,
    },
    "training": {
        "instruments": ["vocals", "other"],
        "target_instrument": "vocals",
        "use_amp": True,
        "lr": 1e-5,
    },
    "inference": {"batch_size": 1, "dim_t": 801, "num_overlap": 4},
}


def changed(section: str, **values: Any) -> dict[str, dict[str, Any]]:
    """The published file with other values in one section; `...` takes a value out."""
    merged = {**PUBLISHED[section], **values}
    kept = {name: value for name, value in merged.items() if value is not ...}
    return {**PUBLISHED, section: kept}


def test_published_files_are_read() -> None:
    config = read_bs_roformer_config(PUBLISHED)
    assert config.run.stems == ("vocals",)
    assert config.run.residual_stem == "other"
    assert config.run.chunking == ChunkPolicy(
        chunk_samples=352_800,
        overlap_samples=264_600,
        window="fade",
        border="reflect",
        tail="reflect",
        fixed_length=True,
    )
    assert (config.n_fft, config.hop_length, config.num_channels) == (2048, 441, 2)
    assert (len(config.bands), config.bands[-1]) == (62, range(896, 1025))
    assert config.mask_hidden == (768,)
    assert not config.norm_each
    assert not config.zero_dc
    assert not config.skips

    config = read_melband_roformer_config(changed("model", num_bands=60, sample_rate=44100))
    assert len(config.bands) == 60
    assert config.mask_hidden == (768, 768)
    assert config.norm_each


@pytest.mark.parametrize("read", READERS)
def test_what_changes_the_run_is_read(read: Reader) -> None:
    assert read(changed("inference", chunk_size=441000)).run.chunking.chunk_samples == 441_000
    assert read(changed("inference", num_overlap=1)).run.chunking.overlap_samples == 0
    assert read(changed("inference", normalize=True)).run.scaling == InputScaling()
    assert read({**PUBLISHED, "inference": {}}).run.chunking.overlap_samples == 176_400
    assert read(changed("model", zero_dc=True, skip_connection=True)).zero_dc
    assert read(changed("model", skip_connection=True)).skips
    two = changed("training", target_instrument=None, instruments=["Vocals", "No Drum-Bass"])
    two["model"] = {**PUBLISHED["model"], "num_stems": 2}
    assert read(two).run.stems == ("vocals", "no drum-bass")
    assert read(two).run.residual_stem is None


@pytest.mark.parametrize(
    ("instruments", "target", "stem", "residual"),
    [
        (["Vocals", "Other"], "Vocals", "vocals", "other"),
        (["vocals", "other"], "other", "other", "vocals"),
        (["reverb", "noreverb"], "noreverb", "noreverb", "reverb"),
        (["drums", "bass", "other", "vocals"], "vocals", "vocals", None),
        (["vocals"], None, "vocals", "instrumental"),
        (["vocals"], "vocals", "vocals", "instrumental"),
        (None, "instrumental", "instrumental", "vocals"),
        (["drums"], None, "drums", None),
    ],
)
def test_what_one_target_leaves_over_has_a_name_if_it_is_one_thing(
    instruments: list[str] | None, target: str | None, stem: str, residual: str | None
) -> None:
    settings = changed("training", instruments=instruments, target_instrument=target)
    run = read_bs_roformer_config(settings).run
    assert (run.stems, run.residual_stem) == ((stem,), residual)


def test_defaults_are_those_of_the_published_classes() -> None:
    settings = {**PUBLISHED, "model": {"dim": 64, "depth": 1}}
    band_split, mel_band = (read(settings) for read in READERS)
    assert (band_split.time_depth, band_split.band_depth, band_split.num_channels) == (2, 2, 1)
    assert (band_split.hop_length, band_split.num_heads, band_split.head_dim) == (512, 8, 64)
    assert band_split.mask_hidden == mel_band.mask_hidden == (256,)
    assert len(mel_band.bands) == 60


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("model", {"dim": ...}, "has dim=None; expected a whole number from 1 to 4096"),
        ("model", {"dim": 10**9}, "has dim=1000000000"),
        ("model", {"dim": "384"}, "has dim='384'"),
        ("model", {"depth": 10**6}, "has depth=1000000"),
        ("model", {"depth": True}, "has depth=True"),
        ("model", {"heads": 0}, "has heads=0"),
        ("model", {"heads": 64, "dim_head": 1024}, "would have 65536 channels"),
        ("model", {"dim_head": 15}, "need even sizes"),
        ("model", {"dim": 4096, "mlp_expansion_factor": 8}, "would have 32768 channels"),
        ("model", {"stereo": 2}, "has stereo=2"),
        ("model", {"stft_n_fft": 10**9}, "has stft_n_fft=1000000000"),
        ("model", {"stft_n_fft": 4096}, "stft_win_length=2048; stemsplit implements only"),
        ("model", {"stft_hop_length": 1025}, "has stft_hop_length=1025"),
        ("model", {"mask_estimator_depth": 0}, "has mask_estimator_depth=0"),
        ("model", {"num_stems": 2}, "it makes 2 stems, called vocals"),
        ("model", {"linear_transformer_depth": 1}, "has linear_transformer_depth=1; stemsplit"),
        ("model", {"use_pope": 3}, "has use_pope=3"),
        ("model", {"use_shared_bias": True}, "has use_shared_bias=True; stemsplit implements"),
        ("model", {"stft_window_fn": "os.system"}, "has stft_window_fn='os.system'"),
        ("model", {"time_conformer_depth": 1}, "has the model argument 'time_conformer_depth'"),
        ("model", {3: 1}, "has the model argument 3"),
        ("audio", {"chunk_size": ...}, "has chunk_size=None"),
        ("audio", {"chunk_size": 10**12}, "has chunk_size=1000000000000"),
        ("audio", {"sample_rate": 0}, "has sample_rate=0"),
        ("inference", {"num_overlap": 0}, "has num_overlap=0"),
        ("inference", {"num_overlap": 1.5}, "has num_overlap=1.5"),
        ("inference", {"normalize": "yes"}, "has normalize='yes'"),
        ("training", {"target_instrument": "../vocals"}, "names that can be file names"),
        ("training", {"target_instrument": 3}, "names that can be file names"),
        ("training", {"target_instrument": None, "instruments": "vocals"}, "a list of 1 to 64"),
        ("training", {"target_instrument": None, "instruments": ["a", "A"]}, "different stem"),
    ],
)
def test_bad_values_are_refused_by_name(
    read: Reader, section: str, values: dict[Any, Any], message: str
) -> None:
    settings = {**PUBLISHED, section: {**PUBLISHED[section], **values}}
    settings = {
        name: {key: value for key, value in values.items() if value is not ...}
        for name, values in settings.items()
    }
    with pytest.raises(CheckpointError, match=message):
        read(settings)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("section", ["audio", "model", "training"])
@pytest.mark.parametrize("value", [None, [], "text", 3])
def test_a_missing_section_is_named(read: Reader, section: str, value: object) -> None:
    with pytest.raises(CheckpointError, match=f"has no section '{section}'"):
        read({**PUBLISHED, section: value})


def test_bands_must_fit_the_spectrum() -> None:
    with pytest.raises(CheckpointError, match="the bands have 1024 bins, the spectrogram 1025"):
        read_bs_roformer_config(changed("model", freqs_per_bands=(512, 512)))
    with pytest.raises(CheckpointError, match="has freqs_per_bands="):
        read_bs_roformer_config(changed("model", freqs_per_bands=(0, 1025)))
    with pytest.raises(CheckpointError, match="has freqs_per_bands="):
        read_bs_roformer_config(changed("model", freqs_per_bands=[]))
    with pytest.raises(CheckpointError, match="band 1 of 600 mel bands has none of the bins"):
        read_melband_roformer_config(changed("model", num_bands=600))


def test_an_absurd_number_of_mask_estimators_is_refused_before_anything_is_built() -> None:
    stems = [f"stem{index}" for index in range(64)]
    settings = changed("training", instruments=stems, target_instrument=None)
    settings["model"] = {**PUBLISHED["model"], "num_stems": 64, "freqs_per_bands": [1] * 1025}
    with pytest.raises(CheckpointError, match="64 stems of 1025 bands"):
        read_bs_roformer_config(settings)


@pytest.mark.parametrize("sample_rate", [44100, 48000, 16000])
@pytest.mark.parametrize(
    ("num_bands", "n_fft"), [(60, 2048), (64, 2048), (90, 4096), (8, 256), (2, 2048), (200, 8192)]
)
def test_mel_bands_are_those_of_the_reference_s_filter_bank(
    num_bands: int, n_fft: int, sample_rate: int
) -> None:
    bank = reference_module("librosa.filters").mel(sr=sample_rate, n_fft=n_fft, n_mels=num_bands)
    bank[0, 0] = bank[-1, -1] = 1  # as the reference network forces it
    bands = mel_bands(num_bands, n_fft=n_fft, sample_rate=sample_rate)
    assert [list(band) for band in bands] == [list(np.flatnonzero(row > 0)) for row in bank]

"""SCNet against golden vectors of the published implementations, and its configuration files."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.engine.mixture import Mixture
from stemsplit.errors import CheckpointError
from stemsplit.models.scnet.config import read_scnet_config
from stemsplit.models.scnet.model import SCNet, has_masks
from stemsplit.models.scnet.sub_bands import divide_levels
from stemsplit.models.spec import InputScaling
from tests.golden.make_scnet import CASES, MODEL, STEMS, mixture
from tests.models.deterministic_weights import fill_by_name, noise_by_name
from tests.models.loading import golden, separate

pytestmark = pytest.mark.slow

SMALL = {
    "dims": [4, 32, 64, 128],
    "nfft": 4096,
    "hop_size": 1024,
    "win_size": 4096,
    "num_dplayer": 6,
}
LARGE = {"dims": [4, 64, 128, 256], "band_SR": [0.225, 0.372, 0.403]}
XL = {"dims": [4, 64, 128, 256], "band_SR": [0.23, 0.37, 0.4], "num_dplayer": 8}
IHF = XL | {"band_stride": [1, 4, 4], "band_kernel": [3, 4, 4], "conv_depths": [3, 3, 3]}


def published(model: dict[str, Any], *, normalize: bool = False) -> dict[str, Any]:
    """A published configuration file, of which training is left out."""
    return {
        "audio": {"chunk_size": 485100, "num_channels": 2, "sample_rate": 44100},
        "model": {**MODEL, **SMALL, **model},
        "training": {"instruments": STEMS, "target_instrument": None, "lr": 5.0e-04},
        "inference": {"batch_size": 8, "dim_t": 256, "num_overlap": 4, "normalize": normalize},
    }


def network_of(case: str) -> SCNet:
    """The network with weights by name."""
    network = SCNet(read_scnet_config(CASES[case], masked=case == "scnet_masked"))
    fill_by_name(network)
    return network.requires_grad_(False)


@pytest.mark.parametrize("case", CASES)
def test_the_network_equals_the_published_implementation(case: str) -> None:
    # Sums are formed in another order: more than 115 dB are seen.
    assert signal_to_difference_db(golden("scnet")[case], network_of(case)(mixture())) > 100


@pytest.mark.parametrize(
    ("model", "masked", "num_values"),
    [
        ({}, False, 10_578_768),  # scnet_checkpoint_musdb18.ckpt
        ({}, True, 10_597_284),
        (LARGE, False, 42_181_232),
        (XL, False, 54_006_896),
        (IHF, False, 53_466_800),
        (IHF, True, 53_485_316),
    ],
    ids=["small", "small-masked", "large", "xl", "xl-ihf", "xl-ihf-masked"],
)
def test_the_published_sizes(model: dict[str, Any], masked: bool, num_values: int) -> None:
    config = read_scnet_config(published(model), masked=masked)
    with torch.device("meta"):
        tensors = SCNet(config).state_dict()
    # Four bytes each, these are the sizes of the published files, but for what else those hold.
    assert sum(tensor.numel() for tensor in tensors.values()) == num_values
    assert has_masks(tensors) == masked


def test_the_bands_are_those_of_the_paper() -> None:
    config = read_scnet_config(published({}))
    levels = divide_levels(2049, config.bands, num_levels=3)
    assert [(band.start, band.stop, band.num_steps) for band in levels[0]] == [
        (0, 359, 359),
        (359, 1162, 201),
        (1162, 2049, 56),
    ]
    assert [[band.num_bins for band in bands] for bands in levels] == [
        [359, 803, 887],
        [108, 242, 266],
        [33, 73, 80],
    ]


@pytest.mark.parametrize("normalize", [False, True])
def test_the_configuration_file_says_how_the_network_is_run(normalize: bool) -> None:
    config = read_scnet_config(published({}, normalize=normalize))
    with torch.device("meta"):
        spec = SCNet(config).spec
    assert spec.family == "scnet"
    assert spec.stems == tuple(STEMS)
    assert spec.scaling == (InputScaling() if normalize else None)
    assert spec.chunking.chunk_samples == 11 * 44100
    assert spec.chunking.overlap_samples == 3 * 485100 // 4
    assert spec.chunking.fitted_length(1) == 485100


def test_the_author_s_form_stands_for_the_author_s_program() -> None:
    spec = network_of("author").spec
    assert spec.stems == tuple(STEMS)
    assert spec.scaling == InputScaling()
    assert spec.chunking.chunk_samples == 20 * 44100
    assert spec.chunking.overlap_samples == 10 * 44100
    assert spec.chunking.fitted_length(1) == 1


def test_the_section_training_names_the_stems() -> None:
    settings = copy.deepcopy(CASES["scnet_two_stems"])
    settings["training"]["instruments"] = ["Voice", "Rest"]
    assert read_scnet_config(settings).run.stems == ("voice", "rest")
    settings["model"]["sources"] = ["other"]
    settings["training"]["target_instrument"] = "Rest"
    assert read_scnet_config(settings).run.stems == ("rest",)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("num_samples", [1, 64, 128, 129, 511])
def test_every_length_is_kept(case: str, num_samples: int) -> None:
    network = network_of(case)
    estimate = network(noise_by_name("short", 1, 2, num_samples))
    assert estimate.shape == (1, len(network.spec.stems), 2, num_samples)
    assert estimate.isfinite().all()


@pytest.mark.parametrize("case", CASES)
def test_items_of_a_batch_do_not_influence_each_other_and_the_input_is_kept(case: str) -> None:
    network = network_of(case)
    mixtures = torch.stack([noise_by_name("a", 2, 400), torch.zeros(2, 400)])
    before = mixtures.clone()
    together = network(mixtures)
    assert torch.equal(mixtures, before)
    alone = torch.cat([network(item[None]) for item in mixtures])
    assert signal_to_difference_db(alone, together) > 100


def test_a_masked_network_leaves_silence_silent() -> None:
    assert network_of("scnet_masked")(torch.zeros(1, 2, 400)).abs().max() == 0


def test_a_track_comes_out_in_its_own_length() -> None:
    track = noise_by_name("track", 2, 1501)
    stems = separate(network_of("scnet"), Mixture.from_array(track, 44100))
    assert list(stems) == STEMS
    assert all(stem.shape == (2, 1501) for stem in stems.values())


def test_half_precision_comes_close() -> None:
    network = network_of("scnet_masked")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        estimate = network(mixture())
    assert estimate.dtype == torch.float32
    assert signal_to_difference_db(network(mixture()), estimate) > 25  # 35 dB are seen


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("model", {"tran_depth": 1}, "the model argument 'tran_depth'"),
        ("model", {"dims": [4]}, r"dims=\[4\] for 2 audio channels"),
        ("model", {"dims": [2, 32, 64]}, r"dims=\[2, 32, 64\] for 2 audio channels"),
        ("model", {"dims": [4, 1 << 40]}, "a list of whole numbers"),
        ("model", {"dims": "4, 32"}, "dims='4, 32'"),
        ("model", {"dims": [4, 2]}, "compressed by 4"),
        ("model", {"dims": [4, 4096], "expand": 16}, "expanded by 16"),
        ("model", {"band_SR": [0.5, 0.5]}, "a list of 3 numbers"),
        ("model", {"band_SR": [0.5, float("nan"), 0.1]}, "a list of numbers from 0 to 1"),
        ("model", {"band_stride": [1, 4, True]}, "a list of whole numbers"),
        ("model", {"win_size": 2048}, "only win_size=4096"),
        ("model", {"num_dplayer": 5}, "num_dplayer=5"),
        ("model", {"conv_kernel": 4}, "conv_kernel=4"),
        ("model", {"nfft": 1 << 40}, "nfft=1099511627776"),
        ("model", {"sources": ["a", "b"]}, "2 sources and 4 names"),
        ("audio", {"chunk_size": 1 << 60}, "chunk_size"),
        ("inference", {"normalize": "yes"}, "normalize='yes'"),
        ("inference", {"num_overlap": 0}, "num_overlap=0"),
        ("training", {"instruments": ["a", "../b", "c", "d"]}, "can be file names"),
    ],
)
def test_configurations_that_make_no_sense_are_refused(
    section: str, change: dict[str, object], message: str
) -> None:
    settings = published({})
    settings[section].update(change)
    with pytest.raises(CheckpointError, match=message):
        read_scnet_config(settings)


@pytest.mark.parametrize("settings", [{}, {"model": []}, {"model": {}}, {"model": {}, "data": 1}])
def test_files_that_are_no_configuration_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(CheckpointError):
        read_scnet_config(settings)


@pytest.mark.parametrize(
    "change",
    [
        {"band_SR": [0.6, 0.6, 0.1]},
        {"band_SR": [0.0, 0.5, 0.5]},
        {"band_kernel": [3, 4, 8]},
    ],
)
def test_bands_that_cannot_be_are_refused(change: dict[str, object]) -> None:
    settings = published(dict(change))
    with pytest.raises(ValueError, match="cannot be a band"), torch.device("meta"):
        SCNet(read_scnet_config(settings))

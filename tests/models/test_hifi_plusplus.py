"""HiFi++ against golden vectors of its authors' code."""

from __future__ import annotations

import json
from functools import cache

import pytest
import torch
from torch import Tensor

from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.engine.mixture import Mixture
from stemsplit.errors import CheckpointError
from stemsplit.models.hifi_plusplus.config import read_hifi_config
from stemsplit.models.hifi_plusplus.model import HifiPlusPlus, bins_of_mels
from stemsplit.models.registry import build_model, recognize
from tests.golden.make_hifi_plusplus import ARGUMENTS, FLAT, NAMES, NUM_KEPT, heard, weights
from tests.models import denoisers
from tests.models.deterministic_weights import values_by_name
from tests.models.loading import GOLDEN, golden, separate
from tests.models.takes import SAMPLE_RATE, TAKES

REQUIRED_DB = 80


def published() -> dict[str, Tensor]:
    """The tensors of a checkpoint, with the weights that the golden vectors were made with."""
    shapes = json.loads((GOLDEN / "hifi_plusplus.json").read_text())
    return {
        name: weights(name, tuple(int(n) for n in shape.split("x")))
        for name, shape in shapes.items()
    }


@cache
def small() -> HifiPlusPlus:
    tensors = published()
    found = recognize(None, tensors, file_name="se.pth")
    model = build_model(found.class_name, (), found.kwargs, tensors)
    assert isinstance(model, HifiPlusPlus)
    return model


def test_a_checkpoint_is_recognised_by_its_tensors() -> None:
    assert small().config == read_hifi_config(ARGUMENTS)


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_file_is_as_the_reference_has_it(name: str) -> None:
    take = heard(name)
    stems = separate(small(), Mixture.from_array(take, SAMPLE_RATE))
    expected = golden("hifi_plusplus")[name]
    assert signal_to_difference_db(expected, stems["speech"][:, -NUM_KEPT:]) > REQUIRED_DB
    torch.testing.assert_close(stems["speech"] + stems["noise"], take, atol=1e-6, rtol=0)


@pytest.mark.parametrize("chunk_samples", [8192, 5000])
def test_the_length_of_chunks_does_not_matter(chunk_samples: int) -> None:
    with torch.device("meta"):
        names = HifiPlusPlus(read_hifi_config(FLAT)).state_dict()
    tensors = {name: values_by_name(name, each.shape) for name, each in names.items()}
    tensors["conv_post.weight"] *= 1e-3
    network = build_model("hifi_plusplus", (), FLAT, tensors)
    assert isinstance(network, HifiPlusPlus)
    take = TAKES["voice"](40_000)
    assert 2 * network.reach_samples < 40_000
    scale = float(take.abs().max()) / 0.95
    whole = separate(network, Mixture.from_array(take, SAMPLE_RATE))["speech"]
    pieces = denoisers.in_pieces(network, take / scale, chunk_samples) * scale
    assert 0.01 < whole.std() / scale < 0.7
    assert signal_to_difference_db(whole, pieces) > REQUIRED_DB


@pytest.mark.parametrize("num_samples", [1, 2, 513, 2048])
def test_recordings_that_the_reference_refuses_as_too_short(num_samples: int) -> None:
    stems = separate(small(), Mixture.from_array(TAKES["noise"](num_samples), SAMPLE_RATE))
    assert stems["speech"].shape == (1, num_samples)
    assert stems["speech"].isfinite().all()


def test_the_published_network() -> None:
    model = HifiPlusPlus(read_hifi_config({}))
    assert sum(tensor.numel() for tensor in model.state_dict().values()) == 1_699_713
    assert model.spec.chunking.sequential
    assert 4 < model.reach_samples / SAMPLE_RATE < 8
    assert model.spec.offered_stems == ("speech", "noise")


def test_mel_bands_come_back_as_straight_lines() -> None:
    lines = bins_of_mels()
    assert lines.shape == (513, 80)
    assert lines.amax(dim=0).eq(1).all()
    assert lines[20:480].sum(dim=1).allclose(torch.ones(460))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"norm_type": "spectral"}, "only norm_type='weight'"),
        ({"waveunet_input": "hifi"}, "only waveunet_input='both'"),
        ({"hifi_upsample_initial_channel": 8}, "hifi_upsample_initial_channel"),
        ({"spectralunet_block_depth": 1 << 20}, "spectralunet_block_depth"),
        ({"waveunet_block_widths": []}, "waveunet_block_widths"),
    ],
)
def test_arguments_that_are_not_implemented_are_refused(
    arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_hifi_config(arguments)


def test_files_that_do_not_fit_are_refused() -> None:
    tensors = published()
    for name in ("hifi.ups.0.weight_g", "spectralunet.net.net.0.weight_v", "waveunet.net.2.bias"):
        others = {key: tensor for key, tensor in tensors.items() if key != name}
        with pytest.raises(CheckpointError):
            _from_tensors_alone(others)
    deep = {**ARGUMENTS, "spectralmasknet_block_widths": [4] * 6}
    with pytest.raises(CheckpointError, match="6 levels"):
        build_model("hifi_plusplus", (), deep, tensors)


def _from_tensors_alone(tensors: dict[str, Tensor]) -> None:
    found = recognize(None, tensors, file_name="x.pth")
    build_model(found.class_name, (), found.kwargs, tensors)

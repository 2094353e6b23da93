"""FFC-SE against golden vectors of its authors' code."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.engine.mixture import Mixture
from stemsplit.errors import CheckpointError
from stemsplit.models.ffc_se.config import read_ffc_se_config
from stemsplit.models.ffc_se.model import FfcSe
from stemsplit.models.registry import build_model, recognize
from tests.golden.make_ffc_se import NAMES, SMALL, heard
from tests.models import denoisers
from tests.models.deterministic_weights import values_by_name
from tests.models.loading import GOLDEN, golden, separate
from tests.models.takes import SAMPLE_RATE, TAKES

REQUIRED_DB = 90
"""106 dB and more are seen, of the reference in float32 as well. An end amiss is below 40."""

MODES = ("ae", "unet")


def published(mode: str) -> dict[str, Tensor]:
    """The tensors of a checkpoint, with the weights that the golden vectors were made with."""
    shapes = json.loads((GOLDEN / "ffc_se.json").read_text())[mode]
    sizes = {name: [int(n) for n in shape.split("x") if n] for name, shape in shapes.items()}
    return {
        name: values_by_name(name, size) if size else torch.tensor(7)
        for name, size in sizes.items()
    }


@cache
def small(mode: str) -> FfcSe:
    model = build_model("ffc_se", (), SMALL[mode], published(mode))
    assert isinstance(model, FfcSe)
    return model


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_a_whole_file_is_as_the_reference_has_it(mode: str, name: str) -> None:
    take = heard(name)
    stems = separate(small(mode), Mixture.from_array(take, SAMPLE_RATE))
    expected = golden("ffc_se")[f"{mode}/{name}"]
    assert signal_to_difference_db(expected, stems["speech"]) > REQUIRED_DB
    tolerance = 1e-6 * float(expected.abs().max())  # far above the take: weights are random
    torch.testing.assert_close(stems["speech"] + stems["noise"], take, atol=tolerance, rtol=0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("chunk_samples", [100, 1600, 1999])
def test_the_length_of_chunks_does_not_matter(mode: str, chunk_samples: int) -> None:
    network = small(mode)
    take = heard("onset_after_silence")
    scale = float(take.abs().max()) / 0.95
    pieces = denoisers.in_pieces(network, take / scale, chunk_samples) * scale
    expected = golden("ffc_se")[f"{mode}/onset_after_silence"]
    assert signal_to_difference_db(expected, pieces) > REQUIRED_DB


def test_an_hour_is_heard_in_pieces_that_overlap_by_what_it_reaches() -> None:
    arguments = {"mode": "unet", "out_channels": 8, "scale_factor": 3}
    arguments |= {"block_depth": [4] * 4, "ffc_global_ratio_in": [0.75, 0.5, 0.25, 0.0]}
    chunking = FfcSe(read_ffc_se_config(arguments)).spec.chunking
    assert chunking.sequential
    assert 3 < chunking.context_samples / SAMPLE_RATE < 4
    assert chunking.context_samples % (8 * 256) == 0
    assert chunking.chunk_samples / SAMPLE_RATE < 30


@pytest.mark.parametrize("mode", MODES)
def test_a_checkpoint_is_recognised_by_its_tensors(mode: str) -> None:
    tensors = published(mode)
    found = recognize(None, tensors, file_name=f"ffc_{mode}_vb_ckpt.pth")
    assert found.class_name == "ffc_se"
    frames = {"n_fft": 64, "hop_length": 16}  # which no tensor tells
    assert read_ffc_se_config({**found.kwargs, **frames}) == small(mode).config
    for name in [each for each in tensors if each.endswith((".weight", ".running_var"))][:12]:
        others = {key: tensor for key, tensor in tensors.items() if key != name}
        with pytest.raises(CheckpointError):
            _from_tensors_alone(others)


def _from_tensors_alone(tensors: dict[str, Tensor]) -> None:
    found = recognize(None, tensors, file_name="x.pth")
    build_model(found.class_name, (), found.kwargs, tensors)


@pytest.mark.parametrize("num_samples", [1, 2, 17, 31, 64, 513])
@pytest.mark.parametrize("mode", MODES)
def test_recordings_that_the_reference_refuses_as_too_short(mode: str, num_samples: int) -> None:
    stems = separate(small(mode), Mixture.from_array(TAKES["noise"](num_samples), SAMPLE_RATE))
    assert stems["speech"].shape == (1, num_samples)
    assert stems["speech"].isfinite().all()


_UNET: dict[str, Any] = {**SMALL["unet"]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({**_UNET, "mode": "gan"}, "mode"),
        ({**_UNET, "special_estimate": "phases"}, "only special_estimate=None"),
        ({**_UNET, "use_only_freq": False}, "only use_only_freq=True"),
        ({**_UNET, "stride": [2, 1]}, "stride"),
        ({**_UNET, "out_channels": 1 << 20}, "out_channels"),
        ({**_UNET, "block_depth": [1 << 20] * 3}, "block_depth"),
    ],
)
def test_arguments_that_are_not_implemented_are_refused(
    arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_ffc_se_config(arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"block_depth": [1, 1]}, "block_depth has 2 levels in place of 3"),
        ({"ffc_global_ratio_in": [0.5]}, "ffc_global_ratio_in has 1 levels in place of 3"),
        ({"ffc_global_ratio_in": [1.0, 0.5, 0.5]}, "does not see"),
        ({"ffc_global_ratio_in": [0.13, 0.5, 0.5]}, "there is one"),
        ({"out_channels": 16384}, "65536 channels"),
        ({"hop_length": 33}, "hops of 33"),
    ],
)
def test_networks_that_cannot_be_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        build_model("ffc_se", (), {**_UNET, **arguments}, published("unet"))

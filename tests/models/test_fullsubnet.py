"""FullSubNet+ against golden vectors of its authors' code."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from stemsplit.dsp.chunking import ChunkPlan
from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.engine.mixture import Mixture
from stemsplit.errors import CheckpointError
from stemsplit.models.fullsubnet import model as fullsubnet
from stemsplit.models.fullsubnet.config import read_fullsubnet_config
from stemsplit.models.fullsubnet.model import FullSubNetPlus
from stemsplit.models.registry import build_model, recognize
from tests.golden.make_fullsubnet import NUM_SAMPLES, SMALL
from tests.models.deterministic_weights import fill_by_name
from tests.models.loading import golden, separate
from tests.models.takes import SAMPLE_RATE, TAKES


def network_of(arguments: dict[str, Any]) -> FullSubNetPlus:
    network = FullSubNetPlus(read_fullsubnet_config(arguments))
    fill_by_name(network)
    return network.requires_grad_(False)


def speech(take: Tensor) -> Tensor:
    stems = separate(network_of(SMALL), Mixture.from_array(take, SAMPLE_RATE))
    torch.testing.assert_close(stems["speech"] + stems["noise"], take, atol=1e-6, rtol=0)
    return stems["speech"]


@pytest.mark.parametrize("take", TAKES)
def test_a_whole_file_is_as_the_reference_has_it(take: str) -> None:
    # 102 dB and more were seen; the reference in float32 is up to 82 dB from itself in float64.
    estimate = speech(TAKES[take](NUM_SAMPLES))
    assert signal_to_difference_db(golden("fullsubnet")[take], estimate) > 90


@pytest.mark.parametrize("num_frames", [1, 50, 10_000])
def test_the_frames_that_are_done_at_once_do_not_matter(
    num_frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fullsubnet, "_FRAMES_PER_BLOCK", num_frames)
    estimate = speech(TAKES["voice"](NUM_SAMPLES))
    assert signal_to_difference_db(golden("fullsubnet")["voice"], estimate) > 90


def test_a_minute_is_heard_as_a_whole() -> None:
    policy = network_of(SMALL).spec.chunking
    minute = 60 * SAMPLE_RATE
    (chunk,) = ChunkPlan(num_samples=minute, policy=policy)
    assert (chunk.read_start, chunk.read_stop) == (0, minute)
    chunks = list(ChunkPlan(num_samples=3 * minute, policy=policy))
    assert [chunk.num_samples / SAMPLE_RATE for chunk in chunks] == [66, 66, 60]


def test_the_published_network() -> None:
    with torch.device("meta"):
        tensors = FullSubNetPlus(read_fullsubnet_config({})).state_dict()
    assert len(tensors) == 340
    assert sum(tensor.numel() for tensor in tensors.values()) == 8_675_102
    found = recognize(None, tensors, file_name="best_model.tar")
    assert found.class_name == "fullsubnet"
    assert read_fullsubnet_config(found.kwargs) == read_fullsubnet_config({})


def test_its_tensors_alone_tell_what_it_is() -> None:
    network = network_of(SMALL)
    found = recognize(None, network.state_dict(), file_name="x.tar")
    model = build_model(found.class_name, (), found.kwargs, found.tensors)
    assert isinstance(model, FullSubNetPlus)
    assert model.config == network.config
    assert model.spec.offered_stems == ("speech", "noise")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sequence_model": "GRU"}, "implements only sequence_model='LSTM'"),
        ({"norm_type": "cumulative_laplace_norm"}, "only norm_type='offline_laplace_norm'"),
        ({"subband_num": 2}, "only subband_num=1"),
        ({"num_freqs": 9, "sb_num_neighbors": 9}, "sb_num_neighbors=9"),
        ({"kersize": [3, 5]}, "kersize"),
    ],
)
def test_arguments_that_are_not_implemented_are_refused(
    arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_fullsubnet_config(arguments)

"""Wave-U-Net against its authors' own code on random weights."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from stemsplit import Separator
from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import SeparationOptions
from stemsplit.errors import CheckpointError
from stemsplit.models.registry import build_model, recognize
from stemsplit.models.waveunet.config import read_waveunet_config
from stemsplit.models.waveunet.model import WaveUNet
from tests.golden import make_waveunet as golden_case
from tests.golden.make_waveunet import SETTINGS
from tests.models.loading import golden, separate
from tests.models.parity import noise
from tests.models.published_waveunet import low_pass, published_tensors, save

REQUIRED_DB = 100.0
"""Sums are formed in another order: 120 dB and more were seen."""
TAKES = ("noise", "silence", "onset", "offset", "click", "quiet")


@cache
def network_of(name: str) -> WaveUNet:
    settings = SETTINGS[name]
    network = build_model("waveunet", (), settings, published_tensors(settings))
    assert isinstance(network, WaveUNet)
    return network


def stems_of(name: str, mixture: Tensor, options: SeparationOptions | None = None) -> Tensor:
    network = network_of(name)
    stems = separate(network, Mixture.from_array(mixture, 44100), options)
    return torch.stack([stems[stem] for stem in network.spec.stems])


@pytest.mark.parametrize("name", SETTINGS)
@torch.inference_mode()
def test_the_network_is_as_the_authors_have_it(name: str) -> None:
    network, expected = network_of(name), golden("waveunet")[f"{name}.network"]
    chunking = network.spec.chunking
    assert chunking.chunk_samples == expected.shape[-1]
    num_samples = chunking.fitted_length(chunking.chunk_samples)
    heard = golden_case.noise_by_name("heard", 1, network.spec.num_channels, num_samples)
    context = chunking.context_samples
    ours = network(heard)[..., context : context + chunking.chunk_samples]
    assert signal_to_difference_db(expected, ours) > REQUIRED_DB


@pytest.mark.parametrize("take", TAKES)
@pytest.mark.parametrize("name", SETTINGS)
def test_so_is_a_whole_track(name: str, take: str) -> None:
    mixture = golden_case.takes(SETTINGS[name]["num_inputs"])[take]
    ours = stems_of(name, mixture)
    assert signal_to_difference_db(golden("waveunet")[f"{name}.{take}"], ours) > REQUIRED_DB


def test_the_published_networks_hear_and_give_what_the_authors_program_says() -> None:
    stems, widths = ["bass", "drums", "other", "vocals"], [32 << level for level in range(6)]
    with torch.device("meta"):
        network = WaveUNet(read_waveunet_config({"instruments": stems, "num_channels": widths}))
    chunking = network.spec.chunking
    assert chunking.chunk_samples == 88_409
    assert chunking.fitted_length(88_409) == 97_961
    assert sum(tensor.numel() for tensor in network.state_dict().values()) == 70_148_232


@pytest.mark.parametrize("wrapper", ["", "module."])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_training_s_file_is_a_model(name: str, wrapper: str, tmp_path: Path) -> None:
    settings = SETTINGS[name]
    file = tmp_path / "model"
    save(file, {wrapper + key: each for key, each in published_tensors(settings).items()})
    separator = Separator(str(file), device="cpu")
    assert separator.model.stems == tuple(settings["instruments"])
    separated = separator.separate(noise(2, 3000).numpy(), sample_rate=44100)
    assert separated.stems[settings["instruments"][0]].shape == (2, 3000)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_tensors_tell_all_but_the_length(name: str) -> None:
    settings = dict(SETTINGS[name])
    found = recognize(None, published_tensors(settings), file_name="model")
    fixed = {"conv_type": "gn", "res": "fixed", "separate": True, "depth": 1}
    del settings["target_output_size"]
    assert (found.class_name, dict(found.kwargs)) == ("waveunet", settings | fixed)


@pytest.mark.parametrize("num_samples", [4500, 4800, 10_000])
def test_any_length_may_be_asked_for(num_samples: int) -> None:
    mixture = noise(2, 9000)
    options = SeparationOptions(segment_seconds=num_samples / 44100, overlap=0.25)
    network = network_of("stereo")
    stems = stems_of("stereo", mixture, options)
    context = network.spec.chunking.context_samples
    heard = torch.nn.functional.pad(mixture, (context, 9000))[None]
    first = network(heard[..., : min(num_samples, 9000) + 2 * context])[0, :, :, context:]
    undisturbed = num_samples * 3 // 4  # by the next chunk
    ours = stems[..., :undisturbed]
    assert signal_to_difference_db(first[..., : ours.shape[-1]], ours) > REQUIRED_DB


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("downsampling_blocks.0.downconv.filter", torch.zeros(16, 1, 15), "strides=0"),
        ("downsampling_blocks.0.downconv.filter", torch.zeros(()), "strides=0"),
        ("downsampling_blocks.0.pre_shortcut_convs.0.filter.weight", torch.zeros(()), "num_inp"),
        ("bottlenecks.0.filter.weight", torch.zeros(3), "num_channels"),
        ("bottlenecks.0.filter.weight", torch.zeros(12, 12, 5), "12 channels are no groups of 8"),
        ("downsampling_blocks.0.pre_shortcut_convs.1.filter.weight", torch.zeros(1), "depth=2"),
        ("bottlenecks.0.norm.running_mean", torch.zeros(16), "conv_type='bn'"),
        ("downsampling_blocks.0.downconv.filter.weight", torch.zeros(16, 1, 5), "res='learned'"),
    ],
)
def test_what_is_not_implemented_or_strange_is_refused(
    name: str, tensor: Tensor, message: str
) -> None:
    tensors = published_tensors(SETTINGS["stereo"]) | {f"waveunets.bass.{name}": tensor}
    found = recognize(None, tensors, file_name="model")
    with pytest.raises(CheckpointError, match=message):
        build_model(found.class_name, (), found.kwargs, found.tensors)


@pytest.mark.parametrize(
    ("stem", "message"),
    [("ALL", "separate=False"), ("keys", "called 'keys'"), ("a/x", "can be file names")],
)
def test_stems_that_no_network_can_have_are_refused(stem: str, message: str) -> None:
    tensors = {
        name.replace("piano", stem): tensor
        for name, tensor in published_tensors(SETTINGS["mono"]).items()
    }
    found = recognize(None, tensors, file_name="model")
    with pytest.raises(CheckpointError, match=message):
        build_model(found.class_name, (), found.kwargs, found.tensors)


@pytest.mark.parametrize("stride", [2, 3, 4, 5, 6])
def test_the_filter_tells_the_stride(stride: int) -> None:
    settings = {**SETTINGS["mono"], "strides": stride}
    tensors = published_tensors(settings)
    assert recognize(None, tensors, file_name="model").kwargs["strides"] == stride
    halved = {name: tensor.half() for name, tensor in tensors.items()}
    assert recognize(None, halved, file_name="model").kwargs["strides"] == stride
    assert float(low_pass(stride).sum()) == pytest.approx(1)

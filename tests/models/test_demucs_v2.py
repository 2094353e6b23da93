"""Demucs v2 and the Conv-TasNet of the same release, against golden vectors of demucs 2.0.3."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.engine.mixture import Mixture
from stemsplit.errors import CheckpointError
from stemsplit.models.conv_tasnet.config import read_conv_tasnet_config
from stemsplit.models.conv_tasnet.model import ConvTasNet
from stemsplit.models.demucs.config import read_demucs_v2_config
from stemsplit.models.demucs.second_generation import DemucsV2
from stemsplit.models.spec import InputScaling
from tests.golden.make_demucs_v2 import DEMUCS, NUM_SAMPLES, TASNET, mixture
from tests.models.deterministic_weights import fill_by_name, noise_by_name
from tests.models.loading import golden, separate

STEMS = ["drums", "bass", "other", "vocals"]


def demucs(arguments: dict[str, Any]) -> DemucsV2:
    network = DemucsV2(read_demucs_v2_config(arguments))
    fill_by_name(network)
    return network.requires_grad_(False)


def tasnet(arguments: dict[str, Any]) -> ConvTasNet:
    network = ConvTasNet(read_conv_tasnet_config(arguments))
    fill_by_name(network)
    return network.requires_grad_(False)


@pytest.mark.parametrize("case", DEMUCS)
def test_demucs_equals_the_reference(case: str) -> None:
    network = demucs(DEMUCS[case])
    expected = golden("demucs_v2")[case]
    # What the reference hears for so many samples is what the policy has ours hear.
    length = network.spec.chunking.fitted_length(NUM_SAMPLES)
    estimate = network(mixture(network.config.num_channels, length))
    assert estimate.shape[-1] == length
    missing = length - expected.shape[-1]
    used = estimate[..., missing // 2 : length - (missing - missing // 2)]
    assert signal_to_difference_db(expected, used) > 100
    assert torch.count_nonzero(estimate) == torch.count_nonzero(used)
    assert expected.shape[-1] >= NUM_SAMPLES


@pytest.mark.parametrize("case", TASNET)
def test_conv_tasnet_equals_the_reference(case: str) -> None:
    network = tasnet(TASNET[case])
    estimate = network(mixture(network.config.num_channels, NUM_SAMPLES))
    assert signal_to_difference_db(golden("demucs_v2")[case], estimate) > 100


def test_the_published_demucs() -> None:
    with torch.device("meta"):
        network = DemucsV2(read_demucs_v2_config({"sources": STEMS}))
    assert sum(tensor.numel() for tensor in network.state_dict().values()) == 265_679_496
    policy = network.spec.chunking
    assert (policy.chunk_samples, policy.overlap_samples) == (1_764_000, 441_000)
    assert policy.fitted_length(1_764_000) == 1_770_154  # the reference's valid_length
    assert network.spec.scaling == InputScaling()
    names = network.state_dict().keys()
    assert {"encoder.5.2.weight", "decoder.0.0.weight", "decoder.5.2.bias"} <= names
    assert {"lstm.lstm.weight_ih_l1_reverse", "lstm.linear.weight"} <= names


def test_the_published_conv_tasnet() -> None:
    with torch.device("meta"):
        network = ConvTasNet(read_conv_tasnet_config({"sources": STEMS, "X": 10}))
    assert sum(tensor.numel() for tensor in network.state_dict().values()) == 10_977_872
    policy = network.spec.chunking
    assert (policy.chunk_samples, policy.overlap_samples) == (352_800, 88_200)
    assert policy.fitted_length(1) == 20
    assert policy.fitted_length(352_791) == 352_800
    assert "separator.network.2.3.9.net.3.net.2.gamma" in network.state_dict()


@pytest.mark.parametrize("num_samples", [1, 9, 599, 600, 601, 1500])
def test_tracks_come_out_in_their_own_length(num_samples: int) -> None:
    track = Mixture.from_array(noise_by_name("track", 2, num_samples), 44100)
    for network in (demucs(DEMUCS["demucs"]), tasnet({**TASNET["tasnet"], "segment_length": 500})):
        stems = separate(network, track)
        assert list(stems) == STEMS
        assert all(stem.shape == (2, num_samples) for stem in stems.values())
        assert all(stem.isfinite().all() for stem in stems.values())


def test_no_sample_of_a_track_is_in_the_silent_margin() -> None:
    network = demucs(DEMUCS["demucs"])
    loud = Mixture.from_array(1 + noise_by_name("track", 2, 1500), 44100)
    assert all(torch.count_nonzero(stem) == 3000 for stem in separate(network, loud).values())


def test_items_of_a_batch_do_not_influence_each_other_and_the_input_is_kept() -> None:
    for network in (demucs(DEMUCS["demucs"]), tasnet(TASNET["tasnet"])):
        length = network.spec.chunking.fitted_length(NUM_SAMPLES)
        mixtures = torch.cat([mixture(2, length), torch.zeros(1, 2, length)])
        before = mixtures.clone()
        together = network(mixtures)
        assert torch.equal(mixtures, before)
        alone = torch.cat([network(item[None]) for item in mixtures])
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_lengths_that_leave_samples_over_are_refused() -> None:
    for network in (demucs(DEMUCS["demucs"]), tasnet(TASNET["tasnet"])):
        length = network.spec.chunking.fitted_length(NUM_SAMPLES) + 1
        with pytest.raises(ValueError, match=f"{length} is not a length"):
            network(mixture(2, length))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"norm_type": "BN"}, "implements only norm_type='gLN'"),
        ({"causal": True}, "implements only causal=False"),
        ({"mask_nonlinear": "softmax"}, "implements only mask_nonlinear='relu'"),
        ({"N": 10**9}, "N=1000000000"),
        ({"sources": ["a", "a"]}, "different stem names"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_conv_tasnet_config({"sources": STEMS, **arguments})


@pytest.mark.parametrize(
    ("network", "arguments", "message"),
    [
        (tasnet, {"L": 21}, "21 samples do not overlap by half"),
        (tasnet, {"P": 2}, "has no middle"),
        (tasnet, {"N": 4096, "sources": list("abcdefgh")}, "32768 channels"),
        (demucs, {"growth": 16.0}, "layer 3 would have 262144 channels"),
        (demucs, {"kernel_size": 5, "stride": 3}, "lengths are odd"),
        (demucs, {"stride": 64, "kernel_size": 64}, "samples at once"),
    ],
)
def test_arguments_that_fit_no_network_are_refused(
    network: Any, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message), torch.device("meta"):
        network({"sources": STEMS, **arguments})

"""The Demucs denoiser against golden vectors of denoiser 0.1.5, and on its way through a track."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.engine.mixture import Mixture
from stemsplit.errors import CheckpointError
from stemsplit.models.blocks.stream import Stream
from stemsplit.models.demucs_denoiser.config import read_denoiser_config
from stemsplit.models.demucs_denoiser.model import DemucsDenoiser
from stemsplit.models.registry import build_model, recognize
from tests.golden.make_demucs_denoiser import CASES, NUM_SAMPLES, SMALL
from tests.models.deterministic_weights import fill_by_name
from tests.models.loading import golden, separate
from tests.models.takes import SAMPLE_RATE, TAKES

HOP = 256  # of the frames at the bottom, in samples of the track


def denoiser(arguments: dict[str, Any], chunk_samples: int | None = None) -> DemucsDenoiser:
    network = DemucsDenoiser(read_denoiser_config(arguments))
    fill_by_name(network)
    if chunk_samples is not None:
        chunking = replace(network.spec.chunking, chunk_samples=chunk_samples)
        network.spec = replace(network.spec, chunking=chunking)
    return network.requires_grad_(False)


def speech(network: DemucsDenoiser, take: Tensor) -> Tensor:
    stems = separate(network, Mixture.from_array(take, SAMPLE_RATE))
    torch.testing.assert_close(stems["speech"] + stems["noise"], take, atol=1e-6, rtol=0)
    return stems["speech"]


@pytest.mark.parametrize("take", TAKES)
@pytest.mark.parametrize("chunk_samples", [None, 1700])
def test_a_whole_file_is_as_the_reference_has_it(take: str, chunk_samples: int | None) -> None:
    estimate = speech(denoiser(SMALL, chunk_samples), TAKES[take](NUM_SAMPLES))
    # Sums are formed in another order; 130 dB and more were seen.
    assert signal_to_difference_db(golden("demucs_denoiser")[take], estimate) > 110


@pytest.mark.parametrize("case", CASES)
def test_other_sizes(case: str) -> None:
    estimate = speech(denoiser(CASES[case], 900), TAKES["voice"](NUM_SAMPLES))
    assert signal_to_difference_db(golden("demucs_denoiser")[case], estimate) > 110


def test_the_network_alone_is_as_the_reference_has_it() -> None:
    network = denoiser(SMALL)
    context = network.spec.chunking.context_samples
    read = F.pad(TAKES["noise"](NUM_SAMPLES)[None], (context, context))
    estimate = network(read)[0, 0, :, context:-context]
    assert signal_to_difference_db(golden("demucs_denoiser")["network"], estimate) > 110


@given(
    length=st.one_of(st.integers(1, 3000), st.sampled_from([597, 853, 4 * HOP, 597 + 8 * HOP])),
    chunk_samples=st.integers(1, 3000),
)
@settings(max_examples=25, deadline=None)
def test_the_length_of_chunks_does_not_matter(length: int, chunk_samples: int) -> None:
    take = TAKES["voice"](length)
    if chunk_samples < 100:
        take = take[:, :300]
    whole = speech(denoiser(SMALL), take)
    estimate = speech(denoiser(SMALL, chunk_samples), take)
    torch.testing.assert_close(estimate, whole, atol=1e-6, rtol=0)


def _tensors(state: object) -> Iterator[Tensor]:
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, tuple):
        for each in state:
            yield from _tensors(each)
    elif is_dataclass(state):
        for field in fields(state):
            yield from _tensors(getattr(state, field.name))


def test_what_it_remembers_does_not_grow_and_is_left_as_it_was() -> None:
    network = denoiser(SMALL)
    state = network.start(torch.zeros(2, 1, 1), 100 * HOP)
    sizes = []
    for index in range(20):
        fresh = 0.1 * torch.randn(2, 1, 5 * HOP, generator=torch.Generator().manual_seed(index))
        before = [tensor.clone() for tensor in _tensors(state)]
        first, after = network.advance(fresh, state)
        again, _ = network.advance(fresh, state)
        assert torch.equal(first, again)
        assert all(map(torch.equal, before, _tensors(state)))
        state = after
        sizes.append(sum(tensor.numel() for tensor in _tensors(state)))
    assert max(sizes) < 1.1 * sizes[1]


def test_what_comes_later_is_heard_no_sooner_than_it_says() -> None:
    network = denoiser(SMALL)
    context = network.spec.chunking.context_samples
    take = TAKES["noise"](NUM_SAMPLES)
    other = take.clone()
    other[:, 3000:] = 0
    one, two = (
        Stream(network, NUM_SAMPLES)(F.pad(each[None], (context, context)))
        for each in (take, other)
    )
    difference = (one - two)[0, 0, 0, context:].abs()
    assert difference[: 3000 - context].max() == 0
    assert difference[3000:].max() > 1e-3


@pytest.mark.parametrize(("hidden", "num_parameters"), [(48, 18_867_937), (64, 33_533_569)])
def test_the_published_networks(hidden: int, num_parameters: int) -> None:
    with torch.device("meta"):
        tensors = DemucsDenoiser(read_denoiser_config({"hidden": hidden})).state_dict()
    assert len(tensors) == 48
    assert sum(tensor.numel() for tensor in tensors.values()) == num_parameters
    found = recognize(None, tensors, file_name=f"dns{hidden}.th")
    assert found.class_name == "demucs_denoiser"
    assert found.kwargs == {"hidden": hidden, "kernel_size": 8, "depth": 5}
    assert {"encoder.4.2.bias", "lstm.lstm.weight_hh_l1", "decoder.4.2.weight"} <= tensors.keys()


def test_its_tensors_alone_tell_what_it_is() -> None:
    arguments = {"hidden": 3, "kernel_size": 12, "depth": 4}
    network = denoiser(arguments)
    found = recognize(None, network.state_dict(), file_name="best.th")
    model = build_model(found.class_name, (), found.kwargs, found.tensors)
    assert model.spec == network.spec
    assert model.spec.offered_stems == ("speech", "noise")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"causal": False}, "implements only causal=True"),
        ({"chout": 2}, "implements only chout=1"),
        ({"hidden": 10**9}, "hidden=1000000000"),
    ],
)
def test_arguments_that_are_not_implemented_are_refused(
    arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_denoiser_config(arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resample": 3}, "not whole at 3 times"),
        ({"kernel_size": 5}, "not whole at 4 times"),
        ({"kernel_size": 4, "stride": 8}, "leave gaps"),
        ({"hidden": 1024, "growth": 16.0}, "67108864 channels"),
        ({"depth": 10, "stride": 16, "kernel_size": 16, "growth": 1.0}, "samples ahead"),
    ],
)
def test_arguments_that_fit_no_network_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message), torch.device("meta"):
        denoiser(arguments)

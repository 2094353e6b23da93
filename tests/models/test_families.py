"""What every family keeps to, whatever its networks are like: one test for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from stemsplit.device.call import Call
from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.engine.mixture import Mixture
from stemsplit.errors import CheckpointError
from stemsplit.models import registry
from stemsplit.models.family import NetworkArguments
from stemsplit.models.registry import FAMILIES, build_model
from stemsplit.models.spec import Model
from tests.golden import (
    make_bandsplit_rnn,
    make_cac_tdc,
    make_d3net,
    make_ffc_se,
    make_hifi_plusplus,
    make_metatasnet,
    make_resunet,
)
from tests.hub.published_layouts import small_settings
from tests.models import published_asteroid, published_mmdenselstm, published_xumx
from tests.models.deterministic_weights import values_by_name
from tests.models.loading import separate
from tests.models.parity import noise
from tests.models.random_models import STEMS
from tests.models.toy_family import registered

pytestmark = pytest.mark.slow

_DEMUCS = {"sources": list(STEMS), "channels": 8, "segment": 1}
_HTDEMUCS = {"bottom_channels": 32, "dconv_mode": 3, "dconv_comp": 2, "t_heads": 4}
_OPENUNMIX = {
    "separator": {"sample_rate": 44100, "nfft": 256, "nhop": 64, "nb_channels": 2},
    "targets": {stem: {"args": {"hidden_size": 8, "bandwidth": 16000}} for stem in STEMS},
}
_MDXNET = {"target_name": "bass", "num_blocks": 5, "l": 1, "g": 4, "bn": 2}
_MDXNET_SIZES = {"n_fft": 256, "hop_length": 64, "dim_f": 64, "dim_t": 64}

SMALL: Mapping[str, Mapping[str, Any]] = {
    "demucs.htdemucs.HTDemucs": {**_DEMUCS, **_HTDEMUCS},
    "demucs.hdemucs.HDemucs": {**_DEMUCS, "dconv_comp": 2},
    "demucs.demucs.Demucs": _DEMUCS,
    "demucs.model.Demucs": {
        "sources": list(STEMS),
        "channels": 4,
        "depth": 3,
        "segment_length": 8000,
    },
    "demucs_denoiser": {"hidden": 4, "depth": 3},
    "ffc_se": make_ffc_se.SMALL["unet"],
    "hifi_plusplus": make_hifi_plusplus.FLAT,
    "fullsubnet": {"num_freqs": 33, "sb_num_neighbors": 3, "sb_model_hidden_size": 8},
    "demucs.tasnet.ConvTasNet": {"sources": list(STEMS), "N": 16, "B": 8, "H": 8, "X": 2, "R": 2}
    | {"segment_length": 8000},
    "bs_roformer": small_settings("bs_roformer", STEMS),
    "mel_band_roformer": small_settings("mel_band_roformer", STEMS),
    "scnet": small_settings("scnet", STEMS),
    "mdx23c": small_settings("mdx23c", STEMS),
    "mdxnet": {**_MDXNET, **_MDXNET_SIZES},
    "cac_tdc": make_cac_tdc.SMALL,
    "bandsplit_rnn": make_bandsplit_rnn.SMALL,
    "d3net": {"d3net": {stem: make_d3net.SMALL[stem] for stem in ("bass", "other")}},
    "openunmix": _OPENUNMIX,
    "resunet": make_resunet.settings("MobileNet_Subbandtime"),
    "XUMX": published_xumx.SMALL,
    "mmdenselstm": {
        "mmdenselstm": dict.fromkeys(STEMS, published_mmdenselstm.values_of("parallel"))
    },
    "spexplus": {"L": 20, "N": 16, "B": 8, "H": 8, "X": 2, "R": 2, "spk_emb_dim": 8},
    "spleeter": {
        "instrument_list": list(STEMS),
        "frame_length": 128,
        "frame_step": 32,
        "T": 64,
        "F": 64,
        "model": {"params": {"conv_n_filters": [4, 6, 8, 8, 10, 12]}},
    },
    **{name: {**args, "n_src": 2} for name, args in published_asteroid.SMALL.items()},
    "nsnet2": {"bins": 161, "fc_in": 12, "gru": 10, "fc_out": 14},
    "deepfilternet": {"conv_ch": 8, "emb_hidden_dim": 16, "df_hidden_dim": 16},
    "waveunet": {"instruments": list(STEMS), "num_channels": [8, 16, 16], "strides": 3}
    | {"target_output_size": 1000},
    "metatasnet": make_metatasnet.ARGUMENTS["three"],
    "toy": {},
}

_TOO_LOUD = {"hifi_plusplus": "conv_post.weight"}
"""Layers before a tanh, which would be 1 or -1 everywhere."""


@dataclass(frozen=True)
class Case:
    """A small network with random weights, and what it was built from."""

    class_name: str
    kwargs: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    model: Model


@pytest.fixture(scope="module", params=[*sorted(FAMILIES), "toy"])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    with registered():
        yield case_of(request.param)


def case_of(class_name: str) -> Case:
    kwargs = SMALL[class_name]  # a family without an entry is a family without these tests
    with torch.device("meta"):
        network = registry.FAMILIES[class_name].build(NetworkArguments((), kwargs, ()))
    tensors = {
        name: values_by_name(name, tensor.shape) for name, tensor in network.state_dict().items()
    }
    if class_name in _TOO_LOUD:
        tensors[_TOO_LOUD[class_name]] *= 1e-3
    if class_name in ("openunmix", "mmdenselstm"):  # published as one file for each stem
        tensors = {
            name.replace(f"networks.{index}.", f"{stem}."): tensor
            for index, stem in enumerate(STEMS)
            for name, tensor in tensors.items()
            if name.startswith(f"networks.{index}.")
        }
    model: Any = build_model(class_name, (), kwargs, tensors)
    if model.spec.needs_reference:
        model = model.enrol(noise(1, model.spec.sample_rate, seed=1))
    return Case(class_name, kwargs, tensors, model)


def test_the_spec_is_what_the_engine_needs(case: Case) -> None:
    spec = case.model.spec
    assert spec.stems
    assert len(set(spec.offered_stems)) == len(spec.offered_stems)
    assert 8_000 <= spec.sample_rate <= 192_000
    assert spec.num_channels in (1, 2)
    assert 0 < spec.chunking.hop_samples <= spec.chunking.chunk_samples
    assert "arXiv" in spec.paper or "doi" in spec.paper


def test_the_same_arguments_give_the_same_network(case: Case) -> None:
    again = build_model(case.class_name, (), dict(case.kwargs), case.tensors)
    assert replace(again.spec, needs_reference=False) == case.model.spec


def test_tensors_must_be_exactly_those_of_the_network(case: Case) -> None:
    first = next(iter(case.tensors))
    missing = {name: tensor for name, tensor in case.tensors.items() if name != first}
    for tensors, message in (
        (missing, "missing tensors"),
        ({**case.tensors, f"{first}.more": torch.zeros(1)}, "unexpected tensors"),
        ({**case.tensors, first: torch.zeros(3, 1, 2)}, "wrong shapes"),
        ({**case.tensors, first: case.tensors[first].to(torch.int32)}, "not floating-point"),
    ):
        with pytest.raises(CheckpointError, match=message):
            build_model(case.class_name, (), case.kwargs, tensors)


def test_half_precision_weights_are_taken(case: Case) -> None:
    tensors = {name: tensor.half() for name, tensor in case.tensors.items()}
    model = build_model(case.class_name, (), case.kwargs, tensors)
    assert isinstance(model, torch.nn.Module)
    assert {tensor.dtype for tensor in model.state_dict().values()} == {torch.float32}


@torch.inference_mode()
def test_items_of_a_batch_do_not_influence_each_other(case: Case) -> None:
    length = case.model.spec.chunking.fitted_length(4000)
    num_channels = case.model.spec.num_channels
    mixture = noise(3, num_channels, length)
    mixture[1] *= 10
    together = case.model(mixture)
    assert together.shape == (3, len(case.model.spec.stems), num_channels, length)
    for index in range(3):
        alone = case.model(mixture[index : index + 1])[0]
        # Sums are formed in another order for another batch size.
        tolerance = 2e-5 * float(alone.abs().max())
        torch.testing.assert_close(together[index], alone, atol=tolerance, rtol=0)


@pytest.mark.usefixtures("plain_kernels")
def test_autocast_reaches_the_layers_and_not_the_spectrograms(case: Case) -> None:
    spec = case.model.spec
    stem_indices = tuple(range(len(spec.stems)))
    mixture = 0.1 * noise(1, spec.num_channels, spec.chunking.fitted_length(4000))
    plain = Call(network=case.model, stem_indices=stem_indices, batch_size=1)
    # The nearest that every CPU has to what CUDA does in float16: the same layers are cast.
    cast = Call(network=case.model, stem_indices=stem_indices, batch_size=1, dtype=torch.bfloat16)
    assert cast(mixture).dtype == torch.float32
    assert 25 < signal_to_difference_db(plain(mixture), cast(mixture)) < 60


@pytest.mark.parametrize("num_samples", [1, 2, 1023, 12_345])
def test_songs_of_awkward_length_keep_it(case: Case, num_samples: int) -> None:
    spec = case.model.spec
    mixture = 0.1 * noise(spec.num_channels, num_samples)
    stems = separate(case.model, Mixture.from_array(mixture, spec.sample_rate))
    assert set(stems) == set(spec.offered_stems)
    for stem in stems.values():
        assert stem.shape == mixture.shape
        assert torch.isfinite(stem).all()


@torch.inference_mode()
def test_the_mixture_is_left_as_it_was(case: Case) -> None:
    spec = case.model.spec
    mixture = noise(1, spec.num_channels, spec.chunking.fitted_length(4000))
    before = mixture.clone()
    case.model(mixture)
    assert torch.equal(mixture, before)

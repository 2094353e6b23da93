"""The RoFormers against the reference networks with the same random weights."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stemsplit.errors import CheckpointError
from stemsplit.models.fast import accelerate
from stemsplit.models.roformer import axial
from stemsplit.models.roformer.config import (
    read_bs_roformer_config,
    read_melband_roformer_config,
)
from stemsplit.models.roformer.model import BSRoFormer, MelBandRoFormer
from tests.golden import make_hyperace, make_polarformer
from tests.golden.make_roformer import CASES, mixture
from tests.models.deterministic_weights import fill_by_name
from tests.models.loading import golden, loaded
from tests.models.parity import REQUIRED_DB, agreement_db, noise
from tests.references import reference_module

ReferenceBS = reference_module("bs_roformer").BSRoformer
ReferenceMel = reference_module("bs_roformer").MelBandRoformer


SIX_STEMS = ("bass", "drums", "other", "vocals", "guitar", "piano")
KINDS = ("bs", "mel")

SMALL: dict[str, Any] = {
    "dim": 32,
    "depth": 2,
    "stereo": True,
    "time_transformer_depth": 1,
    "freq_transformer_depth": 1,
    "heads": 2,
    "dim_head": 16,
    "stft_hop_length": 441,
}


def settings(
    stems: tuple[str, ...] = ("vocals",), *, target: str | None = None, **model: Any
) -> dict[str, Any]:
    """A configuration file as the community writes them, with these arguments of the network."""
    num_stems = 1 if target else len(stems)
    return {
        "audio": {"chunk_size": 352800, "sample_rate": 44100, "num_channels": 2, "dim_t": 801},
        "model": {"num_stems": num_stems, **model},
        "training": {"instruments": list(stems), "target_instrument": target, "lr": 1e-5},
        "inference": {"batch_size": 4, "num_overlap": 2},
    }


def build(kind: str, settings: dict[str, Any]) -> BSRoFormer | MelBandRoFormer:
    """Our network, without weights."""
    if kind == "bs":
        return BSRoFormer(read_bs_roformer_config(settings))
    return MelBandRoFormer(read_melband_roformer_config(settings))


def reference(kind: str, *, num_stems: int = 1, **model: Any) -> nn.Module:
    """The reference network with random weights in which every layer matters."""
    family = ReferenceBS if kind == "bs" else ReferenceMel
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # it makes a spectrogram to see how many bins that has
        torch.manual_seed(0)
        network: nn.Module = family(num_stems=num_stems, flash_attn=False, **model)
        for name, parameter in network.named_parameters():
            if name.endswith("gamma"):
                nn.init.uniform_(parameter, 0.5, 1.5)
            elif name.endswith("bias"):
                nn.init.normal_(parameter, std=0.2)
    return network.eval()


def ours(
    kind: str, tensors: dict[str, Tensor], stems: tuple[str, ...] = ("vocals",), **model: Any
) -> BSRoFormer | MelBandRoFormer:
    """Our network with these weights."""
    return loaded(lambda: build(kind, settings(stems, **model)), tensors)


def small(kind: str) -> BSRoFormer | MelBandRoFormer:
    return ours(kind, reference(kind, **SMALL).state_dict(), **SMALL)


def network_agreement_db(
    kind: str, mixture: Tensor, stems: tuple[str, ...] = ("vocals",), **model: Any
) -> float:
    """Signal-to-difference ratio of both networks' outputs, as far as the reference's goes.

    It ends at the last multiple of the hop.
    """
    network = reference(kind, num_stems=len(stems), **model)
    with torch.inference_mode():
        expected = network(mixture)
        estimate = ours(kind, network.state_dict(), stems, **model)(mixture)
    assert estimate.shape == (len(mixture), len(stems), *mixture.shape[1:])
    expected = expected.reshape(*estimate.shape[:3], -1)
    assert 0 <= mixture.shape[-1] - expected.shape[-1] < model.get("stft_hop_length", 512)
    return agreement_db(expected, estimate[..., : expected.shape[-1]])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_samples", [8820, 8819, 3000, 1025])
def test_equals_the_reference(kind: str, num_samples: int) -> None:
    assert network_agreement_db(kind, noise(2, 2, num_samples), **SMALL) > REQUIRED_DB


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("stems", "arguments"),
    [
        (("vocals", "other"), {}),
        (SIX_STEMS, {"stft_hop_length": 512, "mask_estimator_depth": 3}),
        (SIX_STEMS[:4], {"stereo": False, "mask_estimator_depth": 1}),
        (("vocals",), {"time_transformer_depth": 2, "freq_transformer_depth": 3}),
        (("vocals",), {"stft_n_fft": 4096, "stft_win_length": 4096, "stft_hop_length": 1024}),
        (("vocals",), {"stft_normalized": True, "heads": 3, "dim_head": 8, "dim": 20}),
    ],
)
def test_variants_equal_the_reference(
    kind: str, stems: tuple[str, ...], arguments: dict[str, Any]
) -> None:
    model = {**SMALL, **arguments}
    if kind == "bs" and "stft_n_fft" in arguments:
        model["freqs_per_bands"] = (1, 16, 32, 500, 1500)
    mixture = noise(1, 2 if model["stereo"] else 1, 6000)
    assert network_agreement_db(kind, mixture, stems, **model) > REQUIRED_DB


@pytest.mark.parametrize("kind", KINDS)
def test_the_published_widths_equal_the_reference(kind: str) -> None:
    """Those of the vocal networks ep317 (BS) and Kim's (Mel), with fewer layers."""
    model = {**SMALL, "dim": 512 if kind == "bs" else 384, "heads": 8, "dim_head": 64, "depth": 1}
    mixture = noise(1, 2, 6000)
    assert network_agreement_db(kind, mixture, mask_estimator_depth=2, **model) > REQUIRED_DB


@pytest.mark.parametrize("case", CASES)
def test_equals_the_community_s_implementation(case: str) -> None:
    """Skips, other mask widths, and estimates without a lowest bin, which the package lacks."""
    network = build(case.split("_", maxsplit=1)[0], settings(("vocals", "other"), **CASES[case]))
    fill_by_name(network)
    expected = golden("roformer")[case]
    with torch.inference_mode():
        estimate = network(mixture(case))[..., : expected.shape[-1]]
    assert agreement_db(expected, estimate) > REQUIRED_DB


@pytest.mark.parametrize("signal", make_hyperace.KINDS)
def test_polar_positions_are_those_of_an_independent_program(signal: str) -> None:
    network = build("bs", settings(("vocals",), **make_polarformer.NETWORK))
    fill_by_name(network)
    mixture = make_hyperace.mixtures()[make_hyperace.KINDS.index(signal)]
    expected = golden("polarformer")[signal]
    with torch.inference_mode():
        estimate = network(mixture[None])[0, 0]
    if signal == "silence":
        assert not estimate.any()
    else:
        assert agreement_db(expected, estimate) > REQUIRED_DB
    accelerate(network)  # whatever can be faster, its attention is not turned as rotary ones are
    with torch.inference_mode():
        torch.testing.assert_close(network(mixture[None])[0, 0], estimate, atol=1e-4, rtol=1e-3)


def test_polar_positions_of_mel_bands_are_refused() -> None:
    with pytest.raises(CheckpointError, match="has use_pope=True; stemsplit implements only"):
        build("mel", settings(**SMALL, use_pope=True))


@pytest.mark.parametrize("kind", KINDS)
def test_weights_stored_in_half_precision_equal_the_reference(kind: str) -> None:
    network, mixture = reference(kind, **SMALL), noise(1, 2, 8820)
    stored = {name: tensor.half() for name, tensor in network.state_dict().items()}
    restored = {name: tensor.float() for name, tensor in stored.items()}
    network.load_state_dict(restored)
    with torch.inference_mode():
        expected = network(mixture)[:, None]
        estimate = ours(kind, restored, **SMALL)(mixture)
    assert agreement_db(expected, estimate) > REQUIRED_DB


def test_positions_are_turned_at_the_stored_frequencies() -> None:
    tensors = reference("bs", **SMALL).state_dict()
    slower = {
        name: tensor / 2 if name.endswith("freqs") else tensor for name, tensor in tensors.items()
    }
    mixture = noise(1, 2, 9000)
    with torch.inference_mode():
        estimates = [ours("bs", weights, **SMALL)(mixture) for weights in (tensors, slower)]
    assert agreement_db(*estimates) < 60


@pytest.mark.parametrize(
    ("kind", "stems", "model", "num_parameters"),
    [
        # Four bytes each, they are the published files' sizes but for the names.
        ("bs", ("vocals",), {"dim": 512, "depth": 12, "stft_hop_length": 441}, 159_758_092),
        ("bs", ("other",), {"dim": 384, "depth": 12}, 98_194_828),
        ("bs", SIX_STEMS[:4], {"dim": 384, "depth": 8, "mlp_expansion_factor": 2}, 131_704_164),
        ("bs", SIX_STEMS, {"dim": 256, "depth": 12, "mlp_expansion_factor": 4}, 174_656_564),
        ("mel", ("vocals",), {"dim": 384, "depth": 6, "mask_estimator_depth": 2}, 228_202_852),
        ("mel", ("vocals",), {"dim": 384, "depth": 12, "mask_estimator_depth": 2}, 251_869_636),
    ],
    ids=["ep317", "ep937", "ep17", "SW", "Kim", "ep3005"],
)
def test_published_sizes(
    kind: str, stems: tuple[str, ...], model: dict[str, Any], num_parameters: int
) -> None:
    depths: dict[str, Any] = {"time_transformer_depth": 1, "freq_transformer_depth": 1}
    with torch.device("meta"):
        network = build(kind, settings(stems, stereo=True, **depths, **model))
    assert sum(parameter.numel() for parameter in network.parameters()) == num_parameters


@pytest.mark.parametrize("kind", KINDS)
def test_the_size_of_the_tiles_does_not_matter(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network, mixture = small(kind), noise(2, 2, 9000)
    with torch.inference_mode():
        expected = network(mixture)
        monkeypatch.setattr(axial, "_TILE_TOKENS", 100)
        assert agreement_db(expected, network(mixture)) > REQUIRED_DB


@pytest.mark.parametrize("kind", KINDS)
def test_items_of_a_batch_do_not_influence_each_other(kind: str) -> None:
    network = small(kind)
    mixtures = torch.cat([noise(1, 2, 9000), torch.zeros(1, 2, 9000), 9 * noise(1, 2, 9000)])
    with torch.inference_mode():
        alone = torch.cat([network(mixture[None]) for mixture in mixtures])
        assert agreement_db(alone, network(mixtures)) > REQUIRED_DB


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_samples", [1, 500, 1024])
def test_a_mixture_shorter_than_the_window_keeps_its_length(kind: str, num_samples: int) -> None:
    estimate = small(kind)(noise(1, 2, num_samples))
    assert estimate.shape == (1, 1, 2, num_samples)
    assert estimate.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_silence_stays_silent_and_the_input_is_not_modified(kind: str) -> None:
    network = small(kind)
    assert not network(torch.zeros(1, 2, 9000)).any()
    mixture = noise(1, 2, 9000)
    before = mixture.clone()
    estimate = network(mixture)
    assert torch.equal(mixture, before)
    assert estimate.dtype == torch.float32
    assert not estimate.requires_grad


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_gives_float32_near_the_exact_output(kind: str) -> None:
    network, mixture = small(kind), noise(1, 2, 9000)
    with torch.inference_mode():
        exact = network(mixture)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = network(mixture)
        coarse = network.to(torch.bfloat16)(mixture)
    for estimate in (mixed, coarse):
        assert estimate.dtype == torch.float32
        # bfloat16 keeps 8 bits: about 48 dB per operation.
        assert agreement_db(exact, estimate) > 30


@pytest.mark.parametrize("kind", KINDS)
def test_no_tensor_is_made_on_another_device_than_the_mixture_s(kind: str) -> None:
    # The meta device stands in for an accelerator: mixing it with the CPU is an error.
    estimate = small(kind).to("meta")(noise(1, 2, 9000).to("meta"))
    assert estimate.device.type == "meta"
    assert estimate.shape == (1, 1, 2, 9000)


def test_spec() -> None:
    spec = build("mel", settings(("Vocals", "Instrumental"), **SMALL)).spec
    assert (spec.family, spec.stems) == ("mel_band_roformer", ("vocals", "instrumental"))
    assert (spec.sample_rate, spec.num_channels, spec.scaling) == (44100, 2, None)
    assert (spec.chunking.chunk_samples, spec.chunking.overlap_samples) == (352_800, 176_400)
    assert spec.chunking.fixed_length
    mono = build("bs", settings(("vocals", "other"), target="other", **{**SMALL, "stereo": False}))
    assert (mono.spec.family, mono.spec.stems) == ("bs_roformer", ("other",))
    assert mono.spec.offered_stems == ("other", "vocals")
    assert mono.spec.num_channels == 1

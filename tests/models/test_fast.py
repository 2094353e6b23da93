"""Fast layers give what the plain ones give, or are not used."""

from __future__ import annotations

import copy
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from stemsplit.models import fast as fast_layers
from stemsplit.models.blocks.dconv import DConv, DConvConfig
from stemsplit.models.fast import accelerate, convolutions, products, tfc_tdf
from stemsplit.models.fast import blocked_attention as attention
from stemsplit.models.fast import folded_dconv as dconv
from stemsplit.models.fast.blocked_attention import SCORE_SCALE, attend
from stemsplit.models.fast.convolutions import TransposedConvolution
from stemsplit.models.fast.folded_dconv import FastDConv
from stemsplit.models.fast.fused_transformer import FastCrossLayer, FastSelfLayer
from stemsplit.models.fast.hybrid import FastDecoderLayer, FastEncoderLayer
from stemsplit.models.fast.normalization import normalize
from stemsplit.models.fast.roformer import FastRotaryAttention
from stemsplit.models.fast.tfc_tdf import FastRescale, FastTfcTdf
from stemsplit.models.fast.waveform import FastChain
from stemsplit.models.roformer import axial
from stemsplit.models.self_test import self_test_signals
from tests.golden import make_mdxnet
from tests.models import random_models, test_mdxnet, test_roformer
from tests.models.parity import agreement_db, build, noise

pytestmark = pytest.mark.skipif(not products.are_available(), reason="this torch has no oneDNN")

# Sums are formed in another order: what is left is the rounding of float32.
REQUIRED_DB = 100.0

NETWORKS = {
    "htdemucs": random_models.htdemucs,
    "htdemucs, no rewrite": lambda: random_models.htdemucs(rewrite=False),
    "htdemucs, no bottom channels": lambda: random_models.htdemucs(bottom_channels=0),
    "htdemucs, no transformer": lambda: random_models.htdemucs(t_layers=0),
    "htdemucs, relu": lambda: random_models.htdemucs(t_gelu=False, t_layer_scale=False),
    "htdemucs, no norm_out": lambda: random_models.htdemucs(t_norm_out=False, t_norm_in_group=True),
    "htdemucs, no dconv": lambda: random_models.htdemucs(dconv_mode=0),
    "hdemucs": random_models.hdemucs,
    "hdemucs, zero padded": lambda: random_models.hdemucs(hybrid_old=True),
    "demucs": random_models.demucs,
    "demucs, relu": lambda: random_models.demucs(gelu=False, glu=False),
    "demucs, lstm": lambda: random_models.demucs(lstm_layers=1),
}


@pytest.fixture(params=NETWORKS)
def plain(request: pytest.FixtureRequest) -> Any:
    return build(NETWORKS[request.param]())


def fitted(network: Any, num_samples: int) -> int:
    return int(network.spec.chunking.fitted_length(num_samples))


def test_they_give_what_the_plain_layers_give(plain: Any) -> None:
    fast = copy.deepcopy(plain)
    assert accelerate(fast) == torch.float32
    for num_samples, num_items in ((20_001, 1), (9000, 2)):
        mixture = noise(num_items, 2, fitted(plain, num_samples))
        with torch.inference_mode():
            assert agreement_db(plain(mixture), fast(mixture)) > REQUIRED_DB


def test_they_do_so_piece_by_piece(plain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolutions, "_SLAB_VALUES", 3000)
    monkeypatch.setattr(products, "_TILE_VALUES", 3000)
    monkeypatch.setattr(attention, "_BLOCK_SCORES", 3000)
    fast = copy.deepcopy(plain)
    assert accelerate(fast) == torch.float32
    mixture = noise(2, 2, fitted(plain, 20_001))
    with torch.inference_mode():
        assert agreement_db(plain(mixture), fast(mixture)) > REQUIRED_DB


@pytest.mark.parametrize("values", [500, 1 << 22])  # map by map in pieces, and as a whole
@pytest.mark.parametrize("case", make_mdxnet.CASES)
def test_mdxnets_give_what_they_give_with_plain_layers(
    case: str, values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tfc_tdf, "_SLAB_VALUES", values)
    monkeypatch.setattr(tfc_tdf, "_TILE_VALUES", values // 4)
    plain = test_mdxnet.network_of(make_mdxnet.CASES[case])
    fast = copy.deepcopy(plain)
    assert accelerate(fast) == torch.float32
    assert {FastTfcTdf, FastRescale} <= {type(module) for module in fast.modules()}
    for num_items in (1, 2):
        mixture = noise(num_items, 2, fitted(plain, 1))
        with torch.inference_mode():
            assert agreement_db(plain(mixture), fast(mixture)) > REQUIRED_DB


@pytest.mark.parametrize("tile_tokens", [100, 4096])  # few sequences at once, and many
@pytest.mark.parametrize("kind", ["bs", "mel"])
def test_roformers_give_what_they_give_with_plain_layers(
    kind: str, tile_tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = test_roformer.small(kind)
    fast = copy.deepcopy(plain)
    assert accelerate(fast) == torch.float32
    assert not any(isinstance(module, nn.Linear) for module in fast.modules())
    assert any(isinstance(module, FastRotaryAttention) for module in fast.modules())
    monkeypatch.setattr(axial, "_TILE_TOKENS", tile_tokens)
    for num_samples, num_items in ((50_001, 1), (900, 2)):
        mixture = noise(num_items, 2, num_samples)
        with torch.inference_mode():
            assert agreement_db(plain(mixture), fast(mixture)) > REQUIRED_DB


def test_they_leave_the_mixture_alone(plain: Any) -> None:
    accelerate(plain)
    mixture = noise(1, 2, fitted(plain, 9000))
    before = mixture.clone()
    with torch.inference_mode():
        first = plain(mixture)
        assert torch.equal(first, plain(mixture))
    assert torch.equal(mixture, before)


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("htdemucs", {FastEncoderLayer, FastDecoderLayer, FastSelfLayer, FastCrossLayer}),
        ("hdemucs", {FastEncoderLayer, FastDecoderLayer, FastDConv}),
        ("demucs", {FastChain}),
    ],
)
def test_every_kind_of_layer_that_costs_time_is_replaced(family: str, expected: set[type]) -> None:
    network = build(NETWORKS[family]())
    accelerate(network)
    assert expected <= {type(module) for module in network.modules()}


def test_bfloat16_is_used_by_the_transformer_only() -> None:
    plain = build(random_models.htdemucs())
    fast = copy.deepcopy(plain)
    assert accelerate(fast, torch.bfloat16) == torch.bfloat16
    mixture = noise(1, 2, 20_000)
    with torch.inference_mode():
        estimate = fast(mixture)
        # Rounded, or the test would be of float32; and far from the 39 dB of casting everything.
        assert 50 < agreement_db(plain(mixture), estimate) < 100
    assert estimate.dtype == torch.float32
    assert accelerate(build(random_models.demucs()), torch.bfloat16) == torch.float32


def test_layers_that_disagree_are_put_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plain = build(random_models.htdemucs())
    network = copy.deepcopy(plain)
    monkeypatch.setattr(products.Product, "plus", lambda _self, x, other: x * 0 + other)
    assert accelerate(network) is None
    assert "Fast layers (float32) are off: on this machine they agree" in caplog.text
    mixture = noise(1, 2, 9000)
    with torch.inference_mode():
        assert torch.equal(network(mixture), plain(mixture))


def test_layers_that_are_wrong_after_silence_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where rows are alike, and there only, a deviation is off as sums in float32 made it."""
    exact = dconv._Layer._statistics

    def one_sided(layer: dconv._Layer, hidden: Tensor) -> tuple[Tensor, Tensor]:
        mean, std_inverse = exact(layer, hidden)
        alike = (hidden[:, 1:] == hidden[:, :-1]).float().mean(dim=(1, 3), keepdim=True)
        return mean, std_inverse * (1 + 5e-3 * (alike > 0.2))

    network = build(random_models.htdemucs())
    monkeypatch.setattr(dconv._Layer, "_statistics", one_sided)
    with torch.inference_mode():
        plain = network.self_test()
    assert accelerate(network) is None
    monkeypatch.setattr(fast_layers, "_REQUIRED_DB", {torch.float32: 0.0})
    accelerate(network)
    with torch.inference_mode():
        levels = [agreement_db(*items) for items in zip(plain, network.self_test(), strict=True)]
    assert levels[0] > 100  # noise alone does not tell
    assert min(levels) < 80


def test_the_self_test_hears_silence_an_onset_quiet_noise_an_offset_and_a_click() -> None:
    noise, onset, click = self_test_signals(2, 4096)
    assert 0.9 < noise.std() < 1.1
    assert onset[:, :1536].abs().max() == 0 < onset[:, 1536].abs().min()
    assert 0 < onset[:, 3072:].abs().max() < 1e-3
    assert (click == click[0, 0]).sum() == 2 * 4095
    assert click[0, 0] != 0


def test_operators_that_refuse_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Tensor:
        raise RuntimeError("unsupported on this machine")

    network = build(random_models.htdemucs())
    with monkeypatch.context() as patch:
        patch.setattr(products.Product, "gelu", refuse)
        assert accelerate(network) is None
        patch.setattr(products.Product, "__init__", refuse)
        assert accelerate(network) is None
    monkeypatch.setattr(products, "are_available", lambda: False)
    assert accelerate(network) is None


def test_what_is_no_probed_network_is_left_alone() -> None:
    assert accelerate(nn.Linear(2, 2)) is None
    assert accelerate(object()) is None


@pytest.mark.parametrize("scale", [1.0, 40.0, 1e4])  # softly, with the shift, one key takes all
def test_attention_is_softmax_attention(scale: float) -> None:
    queries, keys, values = noise(2, 700, 16), noise(2, 50, 16, seed=1), noise(2, 50, 16, seed=2)
    queries *= scale
    expected = nn.functional.scaled_dot_product_attention(
        queries.double(), keys.double(), values.double()
    )  # [H, T, D]
    attended = attend(
        queries * (SCORE_SCALE / 16**0.5), keys, values.transpose(1, 2).contiguous()
    )  # [T, H * D]
    assert agreement_db(expected.transpose(0, 1).flatten(1), attended) > 80


@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(8, 4, 2), (8, 4, 0), (7, 3, 1), (2, 4, 0), (5, 1, 2)]
)
def test_transposed_convolutions_of_any_geometry(
    kernel: int, stride: int, padding: int, gelu: bool
) -> None:
    grid, weight, bias = noise(2, 3, 9, 6), noise(6, 5, 1, kernel, seed=1), noise(5, seed=2)
    expected = nn.functional.conv_transpose2d(
        grid.permute(0, 3, 1, 2), weight, bias, (1, stride), (0, padding)
    ).permute(0, 2, 3, 1)
    fast = TransposedConvolution(weight, bias, stride=stride, padding=padding, gelu=gelu)
    assert agreement_db(nn.functional.gelu(expected) if gelu else expected, fast(grid)) > 100


def test_normalisation_is_exact_far_from_zero() -> None:
    norm = nn.GroupNorm(1, 6).requires_grad_(False)
    x = noise(1, 5000, 3, 6) + 1000  # squares of the raw values would drown the variance
    expected = norm.double()(x.double().permute(0, 2, 3, 1).flatten(0, 1))  # [B * F, H, N]
    ours = normalize(x, norm.float(), dims=(1, 3)).permute(0, 2, 3, 1).flatten(0, 1)
    assert agreement_db(expected, ours) > 70  # the input's own rounding


def after_silence(num_rows: int, num_bins: int, num_features: int) -> Tensor:
    """Hidden features [1, N, F, H] of which nearly all rows are alike, as silence leaves them."""
    rows = noise(1, 1, num_bins, num_features).repeat(1, num_rows, 1, 1)
    sound = rows[:, num_rows // 2 :][:, :500]
    sound += noise(*sound.shape, seed=1)
    return rows


@pytest.mark.parametrize(("num_rows", "num_bins"), [(85_995, 1), (20_000, 5), (1, 2)])
def test_statistics_are_exact_where_nearly_all_rows_are_alike(num_rows: int, num_bins: int) -> None:
    """In float32, 1 / std was off by up to 8e-5: the rows were all rounded the same way."""
    torch.manual_seed(0)
    plain = DConv(48, DConvConfig(depth=1, compress=8)).requires_grad_(False)
    hidden = after_silence(num_rows, num_bins, 6)
    (layer,) = FastDConv(plain)._layers
    mean, std_inverse = layer._statistics(hidden)
    widen = cast(nn.Conv1d, cast(nn.Sequential, plain.layers[0])[3])
    wide = nn.functional.linear(hidden.double(), widen.weight[..., 0].double(), widen.bias.double())
    variance, expected_mean = torch.var_mean(wide, dim=(1, 3), correction=0, keepdim=True)
    assert torch.allclose(mean, expected_mean, rtol=0, atol=1e-12)
    assert torch.allclose(std_inverse, torch.rsqrt(variance + 1e-5), rtol=1e-10, atol=0)


def test_normalisation_is_exact_where_nearly_all_rows_are_alike() -> None:
    norm = nn.GroupNorm(1, 6).requires_grad_(False)
    hidden = after_silence(85_995, 1, 6)
    expected = norm.double()(hidden[:, :, 0].transpose(1, 2).double())  # [B, H, N]
    ours = normalize(hidden, norm.float(), dims=(1, 3))[:, :, 0].transpose(1, 2)
    assert agreement_db(expected, ours) > 135  # what is left is the rounding of the result

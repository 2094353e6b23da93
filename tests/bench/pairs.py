"""Networks of published sizes with the same weights: ours, and a reference implementation's.

Each pair runs one chunk as the model's own rule has it. The references are other people's packages,
imported only when their pair is made.
"""

from __future__ import annotations

import importlib
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from stemsplit.models.registry import build_model
from tests.bench.operations import EP317, INSTVOC, fine_tune
from tests.models import random_models, test_scnet
from tests.models.deterministic_weights import fill_by_name, noise_by_name

Run = Callable[[], Tensor]


@dataclass(frozen=True, slots=True)
class Pair:
    """Both sides' outputs of the same chunk, of so many seconds, at each call.

    `layers` is our network, whose layers may be swapped for faster ones before `ours` is called.
    """

    layers: nn.Module
    ours: Run
    theirs: Run
    seconds: float


@dataclass(frozen=True, slots=True)
class Subject:
    """What is compared: `make` needs what `pip install` gets by the name of `package`."""

    package: str
    make: Callable[[], Pair]


def _pair(layers: Any, theirs: Callable[[Tensor], Tensor], samples: int | None = None) -> Pair:
    """Both run on the same noise [1, C, T], of one chunk or so many samples."""
    spec = layers.spec
    mixture = noise_by_name(
        "mixture", 1, spec.num_channels, samples or min(spec.chunking.chunk_samples, 600_000)
    )
    seconds = mixture.shape[-1] / spec.sample_rate
    return Pair(layers, lambda: layers(mixture), lambda: theirs(mixture), seconds)


def _demucs(kind: str, **arguments: Any) -> Pair:
    reference = getattr(random_models, kind)(small=False, **arguments)
    args, kwargs = reference._init_args_kwargs
    name = random_models.class_name(reference)
    return _pair(build_model(name, args, kwargs, reference.state_dict()), reference)


def _msst(family: str, settings: Mapping[str, Any], module: str, **arguments: Any) -> Pair:
    """A network of the community's training software."""
    sections = SimpleNamespace(
        **{name: SimpleNamespace(**values) for name, values in settings.items()}
    )
    sections.training.target_instrument = None
    path, _, kind = module.rpartition(".")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network_class = getattr(importlib.import_module(f"msst.models.{path}"), kind)
        reference = network_class(**arguments) if arguments else network_class(sections)
    fill_by_name(reference)
    tensors = {name: tensor.clone() for name, tensor in reference.state_dict().items()}
    return _pair(build_model(family, (), settings, tensors), reference)


def _roformer(family: str, kind: str, settings: Mapping[str, Any]) -> Pair:
    return _msst(family, settings, f"bs_roformer.{kind}", **settings["model"], flash_attn=True)


def _scnet(module: str = "scnet", **model: Any) -> Pair:
    settings = test_scnet.published(model)
    return _msst("scnet", settings, f"scnet.{module}.SCNet", **settings["model"])


def _openunmix(hidden_size: int) -> Pair:
    from tests.models import test_openunmix

    settings = test_openunmix.published_settings({512: "umxhq", 1024: "umxl"}[hidden_size])
    theirs, ours = test_openunmix.both(settings)
    return _pair(ours, theirs.float(), samples=5 * 44100)


def _mdxnet() -> Pair:
    """Both from spectrogram to spectrogram."""
    import onnxruntime

    from tests.models.published_mdxnet import PublishedMdxNet
    from tests.models.test_mdxnet import PUBLISHED, published

    network: Any = published(PUBLISHED)
    assert isinstance(network, PublishedMdxNet)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        path = network.export(Path(folder, "network.onnx"))
        session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    ours: Any = build_model("mdxnet", (), PUBLISHED, network.state_dict())
    maps = noise_by_name("maps", 1, 4, ours.config.num_bins, ours.config.num_frames)
    turned = maps.transpose(-1, -2).contiguous()
    return Pair(
        ours,
        lambda: ours._run_layers(turned).transpose(-1, -2),
        lambda: torch.from_numpy(session.run(None, {"input": maps.numpy()})[0]),
        ours.config.num_frames * ours.config.hop_length / 44100,
    )


def _asteroid(class_name: str, **arguments: Any) -> Pair:
    package = importlib.import_module("asteroid.models")
    reference = getattr(package, class_name)(**arguments)
    fill_by_name(reference)
    tensors = {name: tensor.clone() for name, tensor in reference.state_dict().items()}
    ours: Any = build_model(class_name, (), arguments, tensors)
    return _pair(ours, reference, samples=4 * ours.spec.sample_rate)


_ALONE = {"n_src": 1, "sample_rate": 16000}

SUBJECTS: Mapping[str, Subject] = {
    "htdemucs": Subject(
        "demucs==4.1.0", lambda: _demucs("htdemucs", **random_models.PUBLISHED_HTDEMUCS)
    ),
    "hdemucs": Subject("demucs==4.1.0", lambda: _demucs("hdemucs", segment=10)),
    "demucs v3": Subject("demucs==4.1.0", lambda: _demucs("demucs", segment=10, normalize=False)),
    "scnet": Subject("msst==0.1.0", _scnet),
    "scnet_xl": Subject("msst==0.1.0", lambda: _scnet(**test_scnet.XL)),
    "scnet_masked": Subject("msst==0.1.0", lambda: _scnet("scnet_masked")),
    "mdx23c": Subject(
        "msst==0.1.0",
        lambda: _msst("mdx23c", INSTVOC, "mdx23c_tfc_tdf_v3.TFC_TDF_net"),
    ),
    "bs_roformer": Subject("msst==0.1.0", lambda: _roformer("bs_roformer", "BSRoformer", EP317)),
    "mel_band_roformer": Subject(
        "msst==0.1.0",
        lambda: _roformer(
            "mel_band_roformer", "MelBandRoformer", fine_tune(("vocals",), 352_800, 2)
        ),
    ),
    "mdxnet": Subject("onnxruntime", _mdxnet),
    "umxhq": Subject("openunmix==1.3.0", lambda: _openunmix(512)),
    "umxl": Subject("openunmix==1.3.0", lambda: _openunmix(1024)),
    "speech conv_tasnet": Subject(
        "asteroid==0.7.0",
        lambda: _asteroid("ConvTasNet", n_src=2, kernel_size=32, stride=16, sample_rate=16000),
    ),
    "dprnn": Subject(
        "asteroid==0.7.0",
        lambda: _asteroid(
            "DPRNNTasNet", **_ALONE, kernel_size=2, stride=1, chunk_size=250, hop_size=125
        ),
    ),
    "dptnet": Subject("asteroid==0.7.0", lambda: _asteroid("DPTNet", **_ALONE, n_repeats=2)),
    "dccrn": Subject("asteroid==0.7.0", lambda: _asteroid("DCCRNet", architecture="DCCRN-CL")),
}

"""Makes bandsplit_rnn.npz with the networks' own software, which is no package.

    python -m tests.golden.make_bandsplit_rnn UPSTREAM FORK

UPSTREAM is the folder `src` of https://github.com/amanteur/BandSplitRNN-PyTorch at commit f3375dc,
FORK that of https://github.com/crlandsc/Music-Demixing-with-Band-Split-RNN at commit cbc85d6. Both
need omegaconf, tqdm and torchaudio (2.11 was used). Weights and tracks are those of
`tests.models.deterministic_weights`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.models.deterministic_weights import fill_by_name, noise_by_name

_FEATURIZERS = ("featurizer", "inverse_featurizer")
_SAMPLE_RATE, _N_FFT, _HOP_LENGTH = 8000, 64, 16
CHUNK_SAMPLES = 864  # every 192

SMALL: dict[str, Any] = {
    "model": {
        "sr": _SAMPLE_RATE,
        "n_fft": _N_FFT,
        "bandsplits": [[500, 250], [1500, 500], [3000, 1500]],
        "t_timesteps": CHUNK_SAMPLES // _HOP_LENGTH + 1,
        "bottleneck_layer": "rnn",
        "fc_dim": 8,
        "rnn_dim": 6,
        "rnn_type": "LSTM",
        "bidirectional": True,
        "num_layers": 2,
        "mlp_dim": 10,
        "return_mask": False,
        "complex_as_channel": True,
        "is_mono": False,
    },
    "featurizer": {
        "direct_transform": {
            "_target_": "torchaudio.transforms.Spectrogram",
            "n_fft": _N_FFT,
            "win_length": _N_FFT,
            "hop_length": _HOP_LENGTH,
            "power": None,
        },
        "inverse_transform": {
            "_target_": "torchaudio.transforms.InverseSpectrogram",
            "n_fft": _N_FFT,
            "win_length": _N_FFT,
            "hop_length": _HOP_LENGTH,
        },
    },
    "audio_params": {
        "target": "vocals",
        "is_mono": False,
        "sr": _SAMPLE_RATE,
        "win_size": 0.101,
        "hop_size": 0.017,
        "batch_size": 8,
        "window": None,
    },
}
"""A small network's `hparams.yaml`, as UPSTREAM has it."""


def small(stem: str, hop_size: float = 0.017) -> dict[str, Any]:
    """The same for another stem and another step between chunks, in seconds."""
    changed = {"target": stem, "hop_size": hop_size}
    return {**SMALL, "audio_params": {**SMALL["audio_params"], **changed}}


def in_mono(settings: dict[str, Any]) -> dict[str, Any]:
    """The same for a network that hears one channel."""
    return {**settings, "model": {**settings["model"], "is_mono": True}}


def of_the_fork(settings: dict[str, Any]) -> dict[str, Any]:
    """The same as FORK's training program writes it."""
    rest = {name: value for name, value in settings.items() if name != "audio_params"}
    return {**rest, "test_dataset": settings["audio_params"], "wandb_api_key": "0"}


def checkpoint(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """What the training program saves: `tensors` are the network's."""
    windows = {f"{name}.window": torch.hann_window(_N_FFT) for name in _FEATURIZERS}
    return {
        "epoch": 246,
        "global_step": 160_000,
        "pytorch-lightning_version": "1.9.0",
        "state_dict": windows | {f"model.{name}": tensor for name, tensor in tensors.items()},
        "optimizer_states": [{"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": []}],
        "lr_schedulers": [],
        "hparams_name": "hparams",
    }


PARTS = {
    "noise": 1200,
    "silence": 1800,
    "onset": 700,
    "offset": 1000,
    "click": 900,
    "quiet": 2200,
    "end": 401,
}
"""What the track consists of, and how many samples of it."""


def track() -> Tensor:
    """All of `PARTS` in a row, [C, T]."""
    signals = {
        name: noise_by_name(name, 2, length) if name != "click" else torch.zeros(2, length)
        for name, length in PARTS.items()
    }
    signals["silence"] *= 0
    signals["offset"] = 0.01 * signals["offset"] + 0.5
    signals["click"][:, 400] = 1.0
    signals["quiet"] *= 1e-5
    return torch.cat(list(signals.values()), dim=1)


def _separate(folder: Path, settings: dict[str, Any], mixture: Tensor) -> tuple[Tensor, Tensor]:
    """What the software makes of a track [C, T], and its network of its first chunks [B, C, T]."""
    for name in list(sys.modules):
        if name.partition(".")[0] in ("model", "separator", "utils"):
            del sys.modules[name]
    sys.path.insert(0, str(folder))
    network = importlib.import_module("model.bandsplitrnn").BandSplitRNN(**settings["model"])
    fill_by_name(network)
    sys.modules["wandb"], sys.modules["train"] = ModuleType("wandb"), _training(network)
    config = importlib.import_module("omegaconf").OmegaConf.create(settings)
    with TemporaryDirectory() as temporary:
        file = Path(temporary, "vocals.ckpt")
        torch.save(checkpoint(network.state_dict()), file)
        separator = importlib.import_module("separator").Separator(config, str(file))
    sys.path.remove(str(folder))
    chunks = mixture[:, : 3 * CHUNK_SAMPLES].unflatten(1, (3, -1)).transpose(0, 1)
    with torch.no_grad():
        return separator(mixture.clone()), separator.model(chunks)


def _training(network: Any) -> ModuleType:
    """In the place of the training program, which needs much more to be imported."""
    transforms = importlib.import_module("torchaudio.transforms")
    sizes = {"n_fft": _N_FFT, "win_length": _N_FFT, "hop_length": _HOP_LENGTH}
    there, back = (
        transforms.Spectrogram(**sizes, power=None),
        transforms.InverseSpectrogram(**sizes),
    )
    module: Any = ModuleType("train")
    module.initialize_featurizer = lambda _: (there, back)
    module.initialize_model = lambda _: (network.eval(),)
    return module


if __name__ == "__main__":
    upstream, fork = (Path(name).resolve() for name in sys.argv[1:])
    cases = {
        "bins": (upstream, SMALL, track()),
        "mono": (upstream, in_mono(SMALL), track()[:1]),
        "frames": (fork, of_the_fork(SMALL), track()),
    }
    arrays = {}
    for case, arguments in cases.items():
        whole, chunks = _separate(*arguments)
        arrays |= {case: whole.numpy(), f"{case}_chunks": chunks.numpy()}
    np.savez_compressed(Path(__file__).with_name("bandsplit_rnn.npz"), **arrays)

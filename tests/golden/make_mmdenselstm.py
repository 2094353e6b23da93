"""Makes mmdenselstm.npz and mmdenselstm.json with the program that trained the published networks.

    PYTHONPATH=src python -m tests.golden.make_mmdenselstm

`src` is that of tky823/DNN-based_source_separation (8663d6f), which is no need of the tests. Songs
are separated as its tutorial does. All compute in float64. The json file has what its checkpoints
say, and the shapes of their tensors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.golden.make_spleeter import mixture as eventful
from tests.models.deterministic_weights import noise_by_name, values_by_name

STEMS = ("bass", "drums", "other", "vocals")
N_FFT, HOP, PATCH_FRAMES = 64, 16, 24

_RELU, _NORM, _PLAIN = ["relu"] * 5, [True] * 5, [False] * 5
_HIGH = {
    "norm": [True, True, None, True, True],
    "nonlinear": ["relu", "relu", None, "relu", "relu"],
}
BANDS: dict[str, dict[str, Any]] = {
    "low": {"sections": 9, "num_features": 6, "growth_rate": [4] * 5}
    | {"hidden_channels": [0, 0, 5, 6, 0], "depth": [2, 3, 2, 2, 3], "dilated": _PLAIN},
    "middle": {"sections": 11, "num_features": 5, "growth_rate": [2] * 5}
    | {"hidden_channels": [0, 0, 4, 0, 0], "depth": [2] * 5, "dilated": [True] * 5},
    "high": {"sections": 12, "num_features": 4, "growth_rate": [2, 2, 0, 3, 2], **_HIGH}
    | {"hidden_channels": [0, 0, 4, 0, 0], "depth": [1, 1, 0, 1, 1]}
    | {"dilated": [False, False, None, False, False]},
    "full": {"sections": 32, "num_features": 4, "growth_rate": [3] * 5}
    | {"hidden_channels": [0, 0, 0, 5, 0], "depth": [2, 1, 3, 2, 2], "dilated": _PLAIN},
}
"""32 of 33 bins are heard. Numbers of bins and frames are odd at some levels."""


def arguments(position: str) -> dict[str, Any]:
    """What the network of one stem is made with."""
    per_band: dict[str, dict[str, Any]] = {
        name: {band: values.get(name, default) for band, values in BANDS.items()}
        for name, default in (
            ("num_features", None),
            ("growth_rate", None),
            ("hidden_channels", None),
            ("kernel_size", 3),
            ("scale", 2),
            ("dilated", None),
            ("norm", _NORM),
            ("nonlinear", _RELU),
            ("depth", None),
        )
    }
    bands = [band for band in BANDS if band != "full"]
    return {
        "in_channels": 2,
        **per_band,
        "bands": bands,
        "sections": [BANDS[band]["sections"] for band in bands],
        "growth_rate_final": 4,
        "hidden_channels_final": 0,
        "kernel_size_final": 3,
        "dilated_final": True,
        "depth_final": 3,
        "rnn_position": position,
    }


CASES = {"after_dense": STEMS, "before_dense": STEMS[:2], "parallel": STEMS[2:]}
"""By where the LSTMs are, the stems."""


def tracks() -> dict[str, tuple[str, Tensor]]:
    """The networks that hear it, and a mixture [C, T]."""
    song = eventful()
    return {
        "song": ("after_dense", song),
        "quiet": ("after_dense", 1e-4 * noise_by_name("quiet", 2, 1003)),
        "loud": ("before_dense", 10 * noise_by_name("loud", 2, 1003)),
        "short": ("parallel", song[:, 2000:3003]),
    }


def weights(stem: str, shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """All tensors of a stem's network, which is about as loud as stems are."""
    tensors = {name: values_by_name(f"{stem}.{name}", shape) for name, shape in shapes.items()}
    for name in shapes:
        if name.endswith("num_batches_tracked"):
            tensors[name] = torch.tensor(7)
    tensors["scale_in"] = 0.5 - tensors["scale_in"].abs()  # some are negative
    tensors["bias_out"] += 0.3
    return tensors


def separate(networks: Mapping[str, Any], signal: Tensor) -> np.ndarray[Any, Any]:
    """The stems [S, C, T], as the tutorial has them."""
    from algorithm.frequency_mask import multichannel_wiener_filter

    window = torch.hann_window(N_FFT, dtype=torch.float64)
    spectrogram = torch.stft(
        signal.double(), n_fft=N_FFT, hop_length=HOP, window=window, return_complex=True
    )
    spectrogram = F.pad(spectrogram, (0, -spectrogram.shape[-1] % PATCH_FRAMES))  # [C, F, N]
    stems = []
    for network in networks.values():
        patches = []
        for patch in spectrogram.abs().split(PATCH_FRAMES, dim=-1):
            straight, flipped = network(torch.stack([patch, patch.flip(0)]))
            patches.append((straight + flipped.flip(0)) / 2)
        stems.append(torch.cat(patches, dim=-1))
    estimates = multichannel_wiener_filter(spectrogram[None], torch.stack(stems))
    flat = estimates.reshape(-1, *estimates.shape[-2:])
    signals = torch.istft(flat, N_FFT, hop_length=HOP, window=window)
    shape = (*estimates.shape[:2], -1)
    return signals.reshape(shape)[..., : signal.shape[-1]].numpy()


def main() -> None:
    from models.mm_dense_lstm import MMDenseLSTM

    networks: dict[str, dict[str, Any]] = {}
    published: dict[str, dict[str, Any]] = {}
    for position, names in CASES.items():
        networks[position] = {}
        for stem in names:
            network = MMDenseLSTM(**arguments(position))
            shapes = {name: list(each.shape) for name, each in network.state_dict().items()}
            network.load_state_dict(weights(stem, shapes))
            networks[position][stem] = network.double().eval()
        published[position] = {"config": network.get_config(), "shapes": shapes}
    with torch.no_grad():
        stems = {
            track: separate(networks[position], signal).astype(np.float32)
            for track, (position, signal) in tracks().items()
        }
    folder = Path(__file__).parent
    np.savez_compressed(folder / "mmdenselstm.npz", **stems)
    (folder / "mmdenselstm.json").write_text(json.dumps(published) + "\n")


if __name__ == "__main__":
    main()

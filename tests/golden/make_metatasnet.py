"""Makes metatasnet.npz with the authors' own code, pfnet-research/meta-tasnet at 30eba96 (MIT).

    python -m tests.golden.make_metatasnet CHECKOUT

Wants resampy 0.2.2, the one of those days, with which their program changes rates: its filters are
others today. What the program does to a song is not a function that could be called: `separate`
does the same around their network, with a song at the network's rate in place of 44.1 kHz, and
without a sample of silence that they append, count in the level and cut off again. Weights and
mixtures are those of `tests.models.deterministic_weights`; of each stem, every 31st sample is kept.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from tests.models.deterministic_weights import noise_by_name, values_by_name

_SMALL: dict[str, Any] = {"B": 8, "H": 16, "layers": 2, "stack": 2, "num_mels": 6}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "three": {
        **_SMALL,
        "stages_num": 3,
        "N": 16,
        "L": 20,
        "W": 20,
        "filters": 3,
        "E_1": 3,
        "E_2": 2,
    },
    "two": {
        **_SMALL,
        "stages_num": 2,
        "N": 24,
        "L": 16,
        "W": 10,
        "filters": 2,
        "E_1": 4,
        "E_2": 3,
    },
}
"""What tells networks apart of the arguments of their training."""
OTHERS: dict[str, Any] = {
    "sampling_rate": 8000,
    "kernel": 3,
    "independent_params": False,
    "residual_bias": False,
    "dropout": 0.0,
    "batch_size": 12,
    "base_directory": ".",
    "checkpoint": None,
    "debug": False,
    "similarity_loss_weight": 2.0,
    "dissimilarity_loss_weight": 3.0,
    "seed": 42,
    "reconstruction_loss_weight": 0.05,
    "learning_rate": 1e-3,
    "time_length": 8,
}
"""All else that training writes beside the weights, as far as it is of another kind."""
NUM_SAMPLES = 80 * 240  # else they would cut off more than that
KEPT = slice(None, None, 31)


def songs() -> dict[str, Tensor]:
    """Stereo songs [2, T]; the authors' program takes no silence."""
    noise = noise_by_name("song", 3, NUM_SAMPLES)
    onset, click = noise[0].clone(), torch.zeros(NUM_SAMPLES)
    onset[: NUM_SAMPLES // 2] = 0
    click[1000::5000] = 0.9
    return {
        "noise_and_onset": torch.stack((noise[1], onset)),
        "offset_and_click": torch.stack((0.3 * noise[0] + 0.5, click)),
        "quiet_and_noise": torch.stack((1e-4 * noise[1], noise[2])),
    }


def weights(name: str, shape: Sequence[int]) -> Tensor:
    values = values_by_name(name, shape)
    if name.endswith("spectrogram.window"):
        return torch.hann_window(len(values))
    return values.abs() + 0.5 if name.endswith("spectrogram.std") else values


def network_of(arguments: dict[str, Any]) -> Any:
    """The authors' network."""
    from model.tasnet import MultiTasNet

    network = MultiTasNet(Namespace(**OTHERS, **arguments))
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            tensor.copy_(weights(name, tensor.shape))
    return network.eval()


def separate(network: Any, song: Tensor) -> np.ndarray:
    """The stems [S, 2, T]."""
    import resampy

    num_stages = network.stages_num
    rate = 8000 << (num_stages - 1)
    rates = [8000 << stage for stage in range(num_stages)]
    audio = song.numpy()
    mixtures = [
        audio if each == rate else resampy.resample(audio, rate, each, filter="kaiser_best")
        for each in rates
    ]
    heard = []
    for mixture in mixtures:
        tensor = torch.from_numpy(mixture)[:, None]
        heard.append(tensor / tensor.std(dim=-1, keepdim=True))
    channels = []
    for channel in range(2):
        with torch.no_grad(), mock.patch("torch.stft", _stft):
            inputs = [each[channel : channel + 1] for each in heard]
            found = network.inference(inputs, n_chunks=8)[-1][0, :, 0, : song.shape[-1]]  # [S, T]
        factors = np.linalg.lstsq(found.numpy().T, audio[channel].astype(float), rcond=None)[0]
        channels.append(found.numpy() * factors[:, None])
    return np.stack(channels, axis=1).astype(np.float32)


_torch_stft = torch.stft


def _stft(*arguments: Any, **options: Any) -> Tensor:
    """As it was when they wrote it."""
    return torch.view_as_real(_torch_stft(*arguments, **options, return_complex=True))


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    arrays = {}
    for name, arguments in ARGUMENTS.items():
        network = network_of(arguments)
        heard = [
            noise_by_name(f"stage {stage}", 1, 1, 16_000 << stage)
            for stage in range(arguments["stages_num"])
        ]
        with torch.no_grad(), mock.patch("torch.stft", _stft):
            outputs = network.inference(heard, n_chunks=1)
        arrays[f"{name}.stages"] = torch.cat(outputs, dim=-1)[0, :, 0, KEPT].numpy()
        for song, samples in songs().items():
            arrays[f"{name}.{song}"] = separate(network, samples)[..., KEPT]
    np.savez_compressed(Path(__file__).with_name("metatasnet.npz"), **arrays)

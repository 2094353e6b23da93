"""Makes spleeter.npz with Deezer's own code, whose TensorFlow is no need of the tests.

    python -m tests.golden.make_spleeter

Wants TensorFlow with tf_keras (`TF_USE_LEGACY_KERAS=1`) and spleeter 2.4.2, installed without its
own requirements. Weights and mixture are those of `tests.models.deterministic_weights`.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.models.deterministic_weights import noise_by_name, values_by_name

FRAME_LENGTH, FRAME_STEP, NUM_FRAMES, NUM_BINS = 128, 32, 64, 64
WIDTHS = [4, 6, 8, 8, 10, 12]
NUM_SAMPLES = 2 * NUM_FRAMES * FRAME_STEP + 701  # two blocks and a part of a third

PARTS = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
"""What a variable is called whose values are asked for."""

_TWO = ["vocals", "accompaniment"]
_FOUR = ["vocals", "drums", "bass", "other"]
_FIVE = ["vocals", "piano", "drums", "bass", "other"]
_ELU = {"conv_activation": "ELU", "deconv_activation": "ELU"}


def _settings(
    stems: list[str], kind: str, params: dict[str, Any], extension: str
) -> dict[str, Any]:
    return {
        "mix_name": "mix",
        "instrument_list": stems,
        "sample_rate": 44100,
        "frame_length": FRAME_LENGTH,
        "frame_step": FRAME_STEP,
        "T": NUM_FRAMES,
        "F": NUM_BINS,
        "n_channels": 2,
        "separation_exponent": 2,
        "mask_extension": extension,
        "model": {"type": kind, "params": {"conv_n_filters": WIDTHS, **params}},
    }


SETTINGS: dict[str, dict[str, Any]] = {
    "2stems": _settings(_TWO, "unet.unet", {}, "zeros"),
    "4stems": _settings(_FOUR, "unet.unet", _ELU, "average"),
    "5stems": _settings(_FIVE, "unet.softmax_unet", _ELU, "zeros"),
}
"""In the form of Deezer's configurations: the three models, with small networks."""


def mixture() -> Tensor:
    """Signals [C, T]: noise, silence, an onset, an offset with a click, and very quiet noise."""
    signal = noise_by_name("mixture", 2, NUM_SAMPLES)
    signal[:, 500:1100] = 0
    signal[:, 2200:2500] = 0.25
    signal[:, 2350] += 0.5
    signal[:, 3500:4000] *= 1e-4
    return signal


def variable(layer: str, part: str, shape: tuple[int, ...]) -> Tensor:
    """The value of a TensorFlow variable, of a kernel in TensorFlow's order of axes."""
    if len(shape) == 4:
        height, width, num_in, num_out = shape
        kernel = values_by_name(f"{layer}.weight", (num_out, num_in, height, width))
        return kernel.permute(2, 3, 1, 0)
    return values_by_name(f"{layer}.{PARTS.get(part, part)}", shape)


def _with_weights(kind: type, name: str) -> type:
    """The layer, counted, with weights by that name."""
    numbers = itertools.count()

    class Filled(kind):  # type: ignore[misc]
        def build(self, shape: Any) -> None:
            super().build(shape)
            number = next(numbers)
            layer = f"{name}_{number}" if number else name
            for weight in self.weights:
                part = weight.name.rpartition("/")[2].partition(":")[0]
                weight.assign(variable(layer, part, tuple(weight.shape)).numpy())

    return Filled


def separate(settings: dict[str, Any], signal: Tensor) -> Tensor:
    """The stems [S, C, T] by Deezer's own code."""
    from spleeter.model import EstimatorSpecBuilder
    from spleeter.model.functions import unet

    kinds = {
        "Conv2D": "conv2d",
        "Conv2DTranspose": "conv2d_transpose",
        "BatchNormalization": "batch_normalization",
    }
    plain = {kind: getattr(unet, kind) for kind in kinds}
    try:
        for kind, name in kinds.items():
            setattr(unet, kind, _with_weights(plain[kind], name))
        builder = EstimatorSpecBuilder({"waveform": signal.T.numpy()}, settings)
        outputs = builder.outputs
    finally:
        for kind, layer in plain.items():
            setattr(unet, kind, layer)
    stems = [outputs[stem].numpy().T for stem in settings["instrument_list"]]
    return torch.from_numpy(np.stack(stems))


if __name__ == "__main__":
    np.savez_compressed(
        Path(__file__).with_name("spleeter.npz"),
        **{name: separate(each, mixture()).numpy() for name, each in SETTINGS.items()},
    )

"""Makes asteroid.npz and asteroid.json with asteroid 0.7.0, which is no need of the tests.

    python -m tests.golden.make_asteroid

It wants `requests`, too, which it does not say. Weights are those of
`tests.models.deterministic_weights`. The json file has the arguments as asteroid publishes them.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stemsplit.models.self_test import self_test_signals
from tests.models import takes
from tests.models.deterministic_weights import fill_by_name, noise_by_name

_FREE = {"n_filters": 16, "kernel_size": 8, "stride": 4, "sample_rate": 16000}
_CONV = {**_FREE, "bn_chan": 8, "hid_chan": 12, "skip_chan": 10, "n_blocks": 3, "n_repeats": 2}
_DPRNN = {**_FREE, "bn_chan": 8, "hid_size": 6, "chunk_size": 10, "n_repeats": 2}
_DPTNET = {**_FREE, "ff_hid": 6, "chunk_size": 10, "n_repeats": 2}
_OTHER_SEGMENTS = {"chunk_size": 12, "hop_size": 5, "bidirectional": False}
_STFT = {"stft_n_filters": 64, "stft_kernel_size": 48, "stft_stride": 16}

CASES: dict[str, tuple[str, int, dict[str, Any]]] = {
    "conv_tasnet": ("ConvTasNet", 400, {**_CONV, "n_src": 2, "mask_act": "relu"}),
    "conv_tasnet_plain": (
        "ConvTasNet",
        400,
        {**_CONV, "n_src": 1, "skip_chan": 0, "norm_type": "cLN", "encoder_activation": "relu"},
    ),
    "conv_tasnet_stft": ("ConvTasNet", 400, {**_CONV, "n_src": 3, "fb_name": "stft"}),
    "dprnn": ("DPRNNTasNet", 400, {**_DPRNN, "n_src": 2}),
    "dprnn_gru": (
        "DPRNNTasNet",
        402,
        {**_DPRNN, **_OTHER_SEGMENTS, "n_src": 1, "kernel_size": 2, "stride": 2}
        | {"rnn_type": "GRU", "num_layers": 2, "norm_type": "cLN", "mask_act": "tanh"},
    ),
    "dptnet": ("DPTNet", 400, {**_DPTNET, "n_src": 2}),
    "dptnet_segments": ("DPTNet", 400, {**_DPTNET, **_OTHER_SEGMENTS, "n_src": 3, "n_heads": 2}),
    "dccrn": (
        "DCCRNet",
        400,
        {"architecture": "DCCRN-CL", "stft_n_filters": 128}
        | {"stft_kernel_size": 100, "stft_stride": 25},
    ),
    "dccrn_mini": (
        "DCCRNet",
        400,
        {**_STFT, "architecture": "mini", "n_src": 2, "mask_bound": None},
    ),
    "dcunet_ten": ("DCUNet", 304, {**_STFT, "architecture": "DCUNet-10"}),
    "dcunet_mini": (
        "DCUNet",
        432,
        {**_STFT, "architecture": "mini", "fix_length_mode": "pad", "mask_bound": "sigmoid"},
    ),
}
"""The class, a number of samples that leaves none over, and what it is called with."""


def mixture(num_samples: int) -> Tensor:
    """Signals [B, 1, T]: those of the self-test, silence, something very quiet, and a voice."""
    noise = noise_by_name("mixture", 1, 1, num_samples)
    tried = 0.2 * self_test_signals(1, num_samples)
    voice = takes.voice(2 * num_samples)[None, :, num_samples:]
    return torch.cat([noise, tried, torch.zeros_like(noise), 1e-5 * noise, voice])


def network(case: str) -> Any:
    """The reference's, with weights by name."""
    initialise = nn.RNNBase.__init__

    def with_whole_numbers(self: Any, mode: str, inputs: Any, *rest: Any, **others: Any) -> None:
        initialise(self, mode, int(inputs), *rest, **others)  # DCCRNet has them of NumPy

    class_name, _, arguments = CASES[case]
    nn.RNNBase.__init__ = with_whole_numbers  # type: ignore[method-assign, assignment]
    try:
        built = getattr(importlib.import_module("asteroid.models"), class_name)(**arguments)
    finally:
        nn.RNNBase.__init__ = initialise  # type: ignore[method-assign]
    fill_by_name(built)
    return built


def main() -> None:
    stems, arguments = {}, {}
    with torch.no_grad():
        for case, (_, num_samples, _) in CASES.items():
            reference = network(case)
            heard = mixture(num_samples)
            stems[case] = reference(heard).reshape(len(heard), -1, 1, num_samples).numpy()
            arguments[case] = reference.get_model_args()
    folder = Path(__file__).parent
    np.savez_compressed(folder / "asteroid.npz", **stems)
    (folder / "asteroid.json").write_text(json.dumps(arguments, indent=1) + "\n")


if __name__ == "__main__":
    main()

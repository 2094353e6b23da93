"""Makes xumx.npz and xumx.json with asteroid 0.7.0 and norbert 0.2.1, no need of the tests.

    python -m tests.golden.make_xumx

asteroid wants `requests`, too, which it does not say. Since PyTorch 2.0 it does not let one make an
`XUMX`, as `return_time_signals` would fail; what is used here is the same class without that word.
Network and filter compute in float64. The json file has the arguments and the tensors' shapes as
asteroid publishes them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.golden.make_spleeter import mixture as eventful
from tests.models.deterministic_weights import noise_by_name, values_by_name

_STEREO = {"sources": ["bass", "drums", "vocals", "other"], "max_bin": 24, "sample_rate": 44100}
_VOICES = ["vocal_percussion", "bass", "alto", "tenor", "soprano", "lead_vocal"]
_MONO = {"sources": _VOICES, "nb_channels": 1, "sample_rate": 48000}
_SMALL = {"window_length": 64, "in_chan": 64, "n_hop": 16, "hidden_size": 12}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "stereo": _STEREO | _SMALL,
    "mono": _MONO | _SMALL | {"n_hop": 32, "nb_layers": 2, "bidirectional": False},
}


def tracks() -> dict[str, tuple[str, Tensor]]:
    """The network that hears it, and a mixture [C, T] of whole hops."""
    song = torch.cat([eventful(), noise_by_name("more", 2, 5040)], dim=-1)[:, :5040]  # 316 frames
    return {
        "song": ("stereo", song),
        "quiet": ("stereo", 1e-4 * noise_by_name("quiet", 2, 1600)),
        "loud": ("stereo", 10 * noise_by_name("loud", 2, 1600)),
        "silence": ("stereo", torch.zeros(2, 160)),
        "voices": ("mono", song[:1, :1600]),
    }


def weights(shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """All tensors of a network, by their published names, with stems about as loud as stems are."""
    tensors = {name: values_by_name(name, shape) for name, shape in shapes.items()}
    for name, tensor in tensors.items():
        if "output_mean" in name:
            tensor.add_(0.3)
        elif name.endswith("window"):
            tensor.copy_(torch.hann_window(len(tensor)))
        elif name.endswith("num_batches_tracked"):
            tensors[name] = torch.tensor(7)
    return tensors


def separate(network: Any, signal: Tensor) -> np.ndarray[Any, Any]:
    """The stems [S, C, T], by the defaults of asteroid's evaluation."""
    import norbert
    import scipy.signal
    from asteroid.complex_nn import torch_complex_from_magphase

    heard = signal[None].double()
    magnitudes = network(heard)[0][:, :, 0]  # [S, N, C, F]
    loudness, phase = network.encoder(heard)
    spectrogram = torch_complex_from_magphase(loudness.permute(1, 2, 3, 0), phase)[0]  # [C, F, N]
    estimates = norbert.wiener(
        magnitudes.permute(1, 3, 2, 0).numpy(),  # [N, F, C, S]
        spectrogram.permute(2, 1, 0).numpy().astype(np.complex128),  # [N, F, C]
        1,
        use_softmask=False,
    )
    n_fft, hop = network.in_chan, network.n_hop
    _, stems = scipy.signal.istft(
        estimates.transpose(3, 2, 1, 0) / (n_fft / 2), nperseg=n_fft, noverlap=n_fft - hop
    )
    return np.asarray(stems)


def main() -> None:
    from asteroid.models.x_umx import BrokenXUMX

    networks, published = {}, {}
    for name, arguments in ARGUMENTS.items():
        network = BrokenXUMX(**arguments)
        shapes = {each: list(tensor.shape) for each, tensor in network.state_dict().items()}
        network.load_state_dict(weights(shapes))
        networks[name] = network.double().eval()
        published[name] = {"model_args": network.get_model_args(), "shapes": shapes}
    with torch.no_grad():
        stems = {
            track: separate(networks[name], signal).astype(np.float32)
            for track, (name, signal) in tracks().items()
        }
    folder = Path(__file__).parent
    np.savez_compressed(folder / "xumx.npz", **stems)
    (folder / "xumx.json").write_text(json.dumps(published, indent=1) + "\n")


if __name__ == "__main__":
    main()

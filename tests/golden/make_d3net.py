"""Makes d3net.zip and d3net.npz with the authors' own program, which is no package to install.

    python -m tests.golden.make_d3net REFERENCE

REFERENCE is the folder `d3net` of https://github.com/sony/ai-research-code at commit cfe96df, run
with nnabla 1.39.0 (Python 3.10), librosa 0.11.0 and PyYAML. d3net.zip has the weights as their
library saves them, in the layout of the published file; d3net.npz what comes out, and the names
and shapes of all tensors of the published sizes.

Their transform relied on librosa to reflect a signal at its ends, as it did until its version 0.10
and as their training does: here it is told to. Their filter is run in float64: in float32, channels
that are nearly the same have covariances that are nothing but rounding (14 dB from the exact).
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.models.deterministic_weights import noise_by_name, values_by_name

STEMS = ("vocals", "drums", "bass", "other")
"""In the order of their program."""
SAMPLE_RATE = 44100
N_FFT, HOP = 64, 16
# 52 frames: their program leaves out a song's last patch unless less than half a patch remains.
NUM_SAMPLES = 51 * HOP + 5

_SMALL: dict[str, Any] = {
    "valid_signal_idx": 24,
    "band_split_idxs": [8],
    "num_init_features": [6, 4],
    "num_layer_blocks": [[2, 3, 2], [1, 1, 1]],
    "dens_k": [[4, 5, 4], [2, 2, 2]],
    "b_n_blocks": [[2, 2, 2], [1, 1, 1]],
    "comp_rates": [[1.0, 1.0], [1.0, 1.0]],
    "f_num_init_features": 6,
    "f_num_layer_block": [2, 2, 2],
    "f_dens_k": [3, 4, 3],
    "f_n_blocks": [2, 2, 2],
    "f_comp_rates": [1.0, 1.0],
    "ttl_num_layer_block": 3,
    "ttl_dens_k": 4,
    "patch_length": 16,
    "n_channels": 2,
    "fft_size": N_FFT,
    "hop_size": HOP,
    "fs": SAMPLE_RATE,
    "test_patch_len": 16,
    "out_shift": 8,
}
SMALL: dict[str, dict[str, Any]] = {
    "vocals": _SMALL,
    # Three bands, of which the last has as many features as the first.
    "drums": {
        **_SMALL,
        "band_split_idxs": [8, 16],
        "num_init_features": [4, 3, 3],
        "num_layer_blocks": [[1, 1, 1], [1, 1, 1], [2]],
        "dens_k": [[4, 3, 4], [2, 2, 3], [4]],
        "b_n_blocks": [[1, 1, 1], [1, 1, 1], [3]],
        "comp_rates": [[1.0, 1.0]] * 3,
        "f_num_layer_block": [1, 1, 1],
        "f_n_blocks": [1, 1, 1],
    },
    # Two levels, and other patches.
    "bass": {
        **_SMALL,
        "band_split_idxs": [16],
        "num_layer_blocks": [[1] * 5, [1]],
        "dens_k": [[3] * 5, [2]],
        "b_n_blocks": [[1] * 5, [1]],
        "comp_rates": [[1.0] * 4] * 2,
        "f_num_layer_block": [1],
        "f_dens_k": [4],
        "f_n_blocks": [1],
        "test_patch_len": 24,
        "out_shift": 12,
    },
    "other": {
        **_SMALL,
        "num_layer_blocks": [[1], [1]],
        "dens_k": [[3], [2]],
        "b_n_blocks": [[1], [1]],
        "f_num_layer_block": [1],
        "f_dens_k": [4],
        "f_n_blocks": [1],
        "out_shift": 4,
    },
}


def signals() -> dict[str, Tensor]:
    """Mixtures [C, T]."""
    noise = noise_by_name("mixture", 2, NUM_SAMPLES)
    onset = noise.clone()
    onset[:, : NUM_SAMPLES // 2] = 0
    # Not without any noise: what their networks say of bins that are nothing but rounding gets the
    # phase of the rounding, which no two transforms share.
    clicks = 0.25 + 1e-3 * noise
    clicks[:, ::200] += 0.5
    return {
        "noise": noise,
        "onset": onset,
        "clicks on an offset": clicks * torch.tensor([[1.0], [0.6]]),
        "very quiet": 1e-4 * noise,
        "mono": noise[:1].repeat(2, 1),
        "silence": torch.zeros_like(noise),
    }


def patch() -> Tensor:
    """Magnitudes [B, N, C, F] as their networks take them; 48 frames are enough for each."""
    return noise_by_name("patch", 1, 48, 2, N_FFT // 2 + 1).abs()


def published_values(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """For a tensor of theirs: norms and values for each bin are vectors, whatever their axes."""
    ours = name.replace("/", ".").replace("bn.var", "running_var").replace("in_scale", "in.scale")
    if not name.endswith(("/W", "/b")):
        return values_by_name(ours, (int(np.prod(shape)),)).numpy().reshape(shape)
    values = values_by_name(ours, shape)
    return (values * 0.6 if name.endswith("/W") else values).numpy()


def _make(reference: str) -> None:
    sys.path[:0] = [reference, f"{reference}/music-source-separation"]
    import librosa
    import nnabla as nn
    import yaml
    from filter import apply_mwf  # type: ignore[import-not-found]
    from model import D3NetMSS  # type: ignore[import-not-found]
    from util import model_separate, stft2time_domain  # type: ignore[import-not-found]

    def network(stem: str, settings: dict[str, Any], magnitudes: np.ndarray) -> np.ndarray:
        with nn.parameter_scope(stem):
            output = D3NetMSS(settings, test=True)(nn.Variable.from_numpy_array(magnitudes))
            for name, parameter in nn.get_parameters(grad_only=False).items():
                parameter.d = published_values(f"{stem}/{name}", parameter.shape)
            output.forward()
            return np.array(output.d)

    def separated(mixture: np.ndarray) -> np.ndarray:
        channels = [
            librosa.stft(each, n_fft=N_FFT, hop_length=HOP, pad_mode="reflect").T
            for each in mixture
        ]
        spectrogram = np.stack(channels, axis=1).astype(np.complex64)  # [N, C, F]
        stems = {}
        for stem, settings in SMALL.items():
            with nn.parameter_scope(stem):
                heard = np.abs(np.ascontiguousarray(spectrogram))
                magnitudes = model_separate(heard, settings, ch_flip_average=True)
            stems[stem] = magnitudes * np.exp(1j * np.angle(spectrogram.astype(np.complex128)))
        filtered = apply_mwf(stems, spectrogram)
        return np.stack([stft2time_domain(filtered[stem], HOP).T for stem in STEMS])

    arrays: dict[str, np.ndarray] = {}
    archive = zipfile.ZipFile(
        Path(__file__).with_name("d3net.zip"), "w", zipfile.ZIP_DEFLATED, compresslevel=9
    )
    with archive, TemporaryDirectory() as folder:
        for stem, settings in SMALL.items():
            nn.clear_parameters()
            arrays[f"network {stem}"] = network(stem, settings, patch().numpy())
            nn.save_parameters(f"{folder}/{stem}.h5")
            archive.write(f"{folder}/{stem}.h5", f"{stem}.h5")
        nn.clear_parameters()
        for stem in STEMS:
            nn.load_parameters(f"{folder}/{stem}.h5")
        for name, mixture in signals().items():
            arrays[name] = separated(mixture.numpy()).astype(np.float32)
    for stem in STEMS:
        nn.clear_parameters()
        file = Path(reference, "music-source-separation", "configs", f"{stem}.yaml")
        settings = yaml.safe_load(file.read_text())
        shape = (1, settings["test_patch_len"], 2, 2049)
        with nn.parameter_scope(stem):
            D3NetMSS(settings, test=True)(nn.Variable(shape))
        lines = [
            f"{name} {each.shape}" for name, each in nn.get_parameters(grad_only=False).items()
        ]
        arrays[f"tensors {stem}"] = np.frombuffer("\n".join(lines).encode(), np.uint8)
    np.savez_compressed(Path(__file__).with_name("d3net.npz"), **arrays)


if __name__ == "__main__":
    _make(sys.argv[1])

"""Counts what the networks of the catalogue compute for a second of music.

    python -m tests.bench.operations [NAME...]

Multiplications and additions of matrix products and convolutions, on the chunks and with the
overlap that each network is run with by default, in 10^9: `giga_operations` of the catalogue.
Nothing is computed: on the meta device tensors are shapes.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import nullcontext
from fractions import Fraction
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from stemsplit.hub.catalog import load_catalog
from stemsplit.models.d3net.config import SECTION
from stemsplit.models.d3net.released import RELEASED
from stemsplit.models.family import NetworkArguments
from stemsplit.models.registry import FAMILIES

_FOUR = ("drums", "bass", "other", "vocals")
_DEMUCS = {"sources": list(_FOUR)}
_HTDEMUCS = {"bottom_channels": 512, "dconv_mode": 3, "segment": Fraction(39, 5)}
_MDXNET = {"num_blocks": 11, "l": 3, "g": 32, "bn": 8, "dim_f": 2048}
_UVR = {**_MDXNET, "target_name": "vocals", "g": 48, "dim_f": 3072, "dim_t": 256, "n_fft": 7680}
_UVR |= {"hann_overlap": 0.25}

_LONGEST_SAMPLES = 600_000
"""Chunks are counted up to this length: networks without attention cost the same per second."""


def _roformer(
    stems: tuple[str, ...], chunk_samples: int, num_overlap: int = 2, **model: Any
) -> dict[str, Any]:
    common = {"stereo": True, "time_transformer_depth": 1, "freq_transformer_depth": 1}
    return {
        "audio": {"chunk_size": chunk_samples, "sample_rate": 44100},
        "model": {**common, "num_stems": len(stems), **model},
        "training": {"instruments": list(stems)},
        "inference": {"num_overlap": num_overlap},
    }


def _mdx23c(stems: tuple[str, ...], num_overlap: int, **audio: int) -> dict[str, Any]:
    return {
        "audio": {"sample_rate": 44100, "num_channels": 2, **audio},
        "model": {"act": "gelu", "bottleneck_factor": 4, "growth": 128, "norm": "InstanceNorm"}
        | {"num_blocks_per_scale": 2, "num_channels": 128, "num_scales": 5, "num_subbands": 4}
        | {"scale": [2, 2]},
        "training": {"instruments": list(stems)},
        "inference": {"num_overlap": num_overlap},
    }


def fine_tune(stems: tuple[str, ...], chunk_samples: int, num_overlap: int) -> dict[str, Any]:
    """Of the Mel-Band RoFormer for vocals."""
    sizes = {"dim": 384, "depth": 6, "num_bands": 60, "stft_hop_length": 441}
    return _roformer(stems, chunk_samples, num_overlap, **sizes)


EP317 = _roformer(("vocals",), 352_800, dim=512, depth=12, stft_hop_length=441)
_EP17 = _roformer(_FOUR, 485_100, dim=384, depth=8, mlp_expansion_factor=2)
INSTVOC = _mdx23c(
    ("vocals", "instrumental"), 8, chunk_size=261_120, n_fft=8192, hop_length=1024, dim_f=4096
)
_KIT = ("kick", "snare", "toms", "hh", "ride", "crash")
_DRUMSEP = _mdx23c(_KIT, 4, chunk_size=130_560, n_fft=2048, hop_length=512, dim_f=1024)

_DENSE_BANDS: Mapping[str, tuple[int, int, list[int], list[int]]] = {
    "low": (32, 14, [5] * 7, [0, 0, 0, 64, 0, 64, 0]),
    "middle": (32, 4, [4] * 7, [0, 0, 0, 16, 0, 0, 0]),
    "high": (32, 2, [1, 1, 0, 1, 1], [0, 0, 4, 0, 0]),
    "full": (8, 7, [3, 3, 4, 5, 5, 5, 4, 3, 3], [0, 0, 0, 0, 64, 0, 0, 64, 0]),
}
"""Features before all blocks and of each layer; layers, and states of the LSTM, in each block."""


def _mmdenselstm() -> dict[str, Any]:
    depth = {band: layers for band, (_, _, layers, _) in _DENSE_BANDS.items()}
    values = {
        "num_features": {band: first for band, (first, *_) in _DENSE_BANDS.items()},
        "growth_rate": {band: [_DENSE_BANDS[band][1]] * len(each) for band, each in depth.items()},
        "depth": depth,
        "hidden_channels": {band: states for band, (*_, states) in _DENSE_BANDS.items()},
        "kernel_size": dict.fromkeys(_DENSE_BANDS, 3),
        "scale": dict.fromkeys(_DENSE_BANDS, 2),
    }
    for name, value in (("dilated", False), ("norm", True), ("nonlinear", "relu")):
        values[name] = {band: [value] * len(each) for band, each in depth.items()}
    final = {"growth_rate_final": 12, "depth_final": 3, "kernel_size_final": 3}
    bands = {"bands": ["low", "middle", "high"], "sections": [380, 644, 1025]}
    network = {**values, **final, **bands, "dilated_final": True, "rnn_position": "after_dense"}
    return {"mmdenselstm": dict.fromkeys(_FOUR, network)}


_XUMX = {"sources": list(_FOUR), "max_bin": 1487}
_SPEAKERS = {"n_src": 2, "kernel_size": 32, "stride": 16, "sample_rate": 16000}
_SPEAKERS_8K = {"n_src": 2, "sample_rate": 8000}
_ALONE = {"n_src": 1, "sample_rate": 16000}
_FFC_AE = {"mode": "ae", "out_channels": 32, "scale_factor": 1}
_FFC_AE |= {"block_depth": [9], "ffc_global_ratio_in": [0.75]}
_FFC_UNET = {"mode": "unet", "out_channels": 32, "scale_factor": 3}
_FFC_UNET |= {"block_depth": [4] * 4, "ffc_global_ratio_in": [0.75, 0.5, 0.25, 0.0]}

# Of models whose description lies on the Hub: what is known of it.
_KNOWN: Mapping[str, tuple[str, list[Mapping[str, object]]]] = {
    "d3net": ("d3net", [{SECTION: dict(RELEASED)}]),
    "htdemucs": ("demucs.htdemucs.HTDemucs", [_DEMUCS | _HTDEMUCS]),
    "htdemucs_ft": ("demucs.htdemucs.HTDemucs", [_DEMUCS | _HTDEMUCS] * 4),
    "htdemucs_6s": (
        "demucs.htdemucs.HTDemucs",
        [{**_HTDEMUCS, "bottom_channels": 0, "sources": [*_FOUR, "guitar", "piano"]}],
    ),
    "hdemucs_mmi": ("demucs.hdemucs.HDemucs", [_DEMUCS | {"segment": 44}]),
    "mdx_extra": ("demucs.hdemucs.HDemucs", [_DEMUCS | {"segment": 44}] * 4),
    "bs_roformer_ep317": ("bs_roformer", [EP317]),
    "bs_roformer_ep17": ("bs_roformer", [_EP17]),
    "melband_karaoke": (
        "mel_band_roformer",
        [fine_tune(("vocals", "instrumental"), 485_100, 8)],
    ),
    "melband_dereverb": ("mel_band_roformer", [fine_tune(("noreverb",), 352_800, 2)]),
    "melband_denoise": ("mel_band_roformer", [fine_tune(("dry",), 352_800, 4)]),
    "mdx23c_instvoc_hq": ("mdx23c", [INSTVOC]),
    "mdx23c_drumsep": ("mdx23c", [_DRUMSEP]),
    "uvr_kim_vocal_2": ("mdxnet", [_UVR]),
    "uvr_voc_ft": ("mdxnet", [_UVR]),
    "uvr_inst_hq_5": ("mdxnet", [_UVR | {"dim_f": 2560, "n_fft": 5120}]),
    "uvr_kara_2": ("mdxnet", [_UVR | {"dim_f": 2048, "n_fft": 5120}]),
    "speakers2": ("ConvTasNet", [_SPEAKERS]),
    "speakers2_noisy": ("ConvTasNet", [_SPEAKERS]),
    "speakers2_8k": ("ConvTasNet", [_SPEAKERS_8K]),
    "speakers3": ("ConvTasNet", [_SPEAKERS | {"n_src": 3}]),
    "speakers3_noisy": ("ConvTasNet", [_SPEAKERS | {"n_src": 3}]),
    "speakers3_8k": ("ConvTasNet", [_SPEAKERS_8K | {"n_src": 3}]),
    "dccrn": ("DCCRNet", [{"architecture": "DCCRN-CL"}]),
    "dprnn": (
        "DPRNNTasNet",
        [_ALONE | {"kernel_size": 2, "stride": 1, "chunk_size": 250, "hop_size": 125}],
    ),
    "mmdenselstm": ("mmdenselstm", [_mmdenselstm()]),
    "xumx": ("XUMX", [_XUMX]),
    "xumx_sony": ("XUMX", [_XUMX]),
    "xumxhq": ("XUMX", [_XUMX]),
    "dptnet": ("DPTNet", [_ALONE | {"n_repeats": 2}]),
    "meta_tasnet": ("metatasnet", [{"stages_num": 3}]),
    "waveunet": (
        "waveunet",
        [{"instruments": list(_FOUR), "num_channels": [32 << level for level in range(6)]}],
    ),
    "ffc_ae_v0": ("ffc_se", [_FFC_AE]),
    "ffc_ae_v1": ("ffc_se", [_FFC_AE | {"out_channels": 64}]),
    "ffc_unet": ("ffc_se", [_FFC_UNET]),
    "hifi_plusplus": ("hifi_plusplus", [{}]),
}


def giga_operations(class_name: str, kwargs: Mapping[str, object], *, masked: bool) -> float:
    """10^9 operations of one network for a second of music."""
    names = ("pos_embed_f",) if masked else ()
    with torch.device("meta"):
        network: Any = FAMILIES[class_name].build(NetworkArguments((), kwargs, names))
    network.eval()
    policy = network.spec.chunking
    chunk_samples = min(policy.chunk_samples, _LONGEST_SAMPLES)
    mixture = torch.zeros(1, network.spec.num_channels, policy.fitted_length(chunk_samples))
    counter = FlopCounterMode(display=False)
    no_autocast = mock.patch("torch.autocast", return_value=nullcontext())  # not on meta
    with mock.patch("torch.istft", _shape_of_istft), no_autocast, torch.no_grad(), counter:
        network(mixture.to("meta"))
    share = policy.hop_samples / policy.chunk_samples
    seconds = share * chunk_samples / network.spec.sample_rate
    return float(counter.get_total_flops() / seconds / 1e9)


def _shape_of_istft(spectrogram: Tensor, *_: object, length: int, **__: object) -> Tensor:
    return torch.empty(*spectrogram.shape[:-2], length, device=spectrogram.device)


def main() -> None:
    for name, entry in load_catalog().items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        class_name = entry.family
        networks: list[Mapping[str, object]] = []
        if name in _KNOWN:
            class_name, networks = _KNOWN[name]
        elif entry.family == "mdxnet":
            networks = [{**_MDXNET, **(network.settings or {})} for network in entry.networks]
        else:
            networks = [network.settings for network in entry.networks if network.settings]
        if networks and all("n_fft" in known for known in networks if class_name == "mdxnet"):
            counts = [
                giga_operations(class_name, known, masked="masked" in name) for known in networks
            ]
            print(f"{name:24}{sum(counts):10.3g}", flush=True)


if __name__ == "__main__":
    main()

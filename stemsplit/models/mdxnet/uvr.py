"""MDX-Nets of the UVR community, of which the files do not say what the network is for.

The community knows them by a fingerprint of the file (`hub.onnx_weights.fingerprint`) and keeps
this table beside its software: https://github.com/TRvlvr/application_data, March 2025.
"""

from __future__ import annotations

_SILENT_BINS = 3
"""The community's software silences what is below some 20 Hz for all of them."""

_HANN_OVERLAP = 0.25
"""How it has chunks overlap, unless it is told otherwise (python-audio-separator 0.47)."""

# fingerprint, bins, frames, n_fft, gain, stem
_TABLE = """
0ddfc0eb5792638ad5dc27850236c246 2048 256 6144 1.035 vocals
0f2a6bc5b49d87d64728ee40e23bceb1 2560 256 5120 1.019 instrumental
1c56ec0224f1d559c42fd6fd2a67b154 2048 256 5120 1.025 instrumental
1d64a6d2c30f709b8c9b4ce1366d96ee 2048 256 5120 1.065 instrumental
203f2a3955221b64df85a41af87cf8f0 3072 256 6144 1.035 instrumental
26d308f91f3423a67dc69a6d12a8793d 2048 512 8192 1.035 other
291c2049608edb52648b96e27eb80e95 3072 256 6144 1.035 instrumental
2cdd429caac38f0194b133884160f2c6 3072 256 7680 1.045 instrumental
2f5501189a2f6db6349916fabe8c90de 2048 256 6144 1.035 vocals
398580b6d5d973af3120df54cee6759d 3072 256 7680 1.75 vocals
488b3e6f8bd3717d9d7c428476be2d75 3072 256 7680 1.035 instrumental
4910e7827f335048bdac11fa967772f9 2048 128 4096 1.035 drums
53c4baf4d12c3e6c3831bb8f5b532b93 3072 256 7680 1.043 vocals
55657dd70583b0fedfba5f67df11d711 3072 256 6144 1.022 instrumental
5d343409ef0df48c7d78cce9f0106781 3072 256 7680 1.075 vocals
5f6483271e1efb9bfb59e4a3e6d4d098 2048 512 6144 1.035 vocals
65ab5919372a128e4167f5e01a8fda85 2048 256 8192 1.035 other
6703e39f36f18aa7855ee1047765621d 2048 512 16384 1.035 bass
6b31de20e84392859a3d09d43f089515 2048 256 6144 1.035 vocals
73492b58195c3b52d34590d5474452f6 3072 256 7680 1.043 vocals
77d07b2667ddf05b9e3175941b4454a0 3072 256 7680 1.021 vocals
867595e9de46f6ab699008295df62798 3072 256 7680 1.03 vocals
8a88db95c7fb5dbe6a095ff2ffb428b1 2048 256 5120 1.026 instrumental
94ff780b977d3ca07c7a343dab2e25dd 3072 256 6144 1.039 instrumental
970b3f9492014d18fefeedfe4773cb42 3072 256 7680 1.009 vocals
a3cd63058945e777505c01d2507daf37 2048 256 6144 1.03 vocals
b02be2d198d4968a121030cf8950b492 2560 256 5120 1.02 no crowd
b06327a00d5e5fbc7d96e1781bbdb596 3072 256 6144 1.035 instrumental
b33d9b3950b6cbf5fe90a32608924700 3072 256 7680 1.03 vocals
b6bccda408a436db8500083ef3491e8b 3072 256 7680 1.02 instrumental
b78da4afc6512f98e4756f5977f5c6b9 3072 256 7680 1.021 instrumental
c3b29bdce8c4fa17ec609e16220330ab 2048 256 16384 1.035 bass
cb790d0c913647ced70fc6b38f5bea1a 2560 256 5120 1.01 instrumental
cc63408db3d80b4d85b0287d1d7c9632 3072 256 6144 1.033 instrumental
cd5b2989ad863f116c855db1dfe24e39 3072 512 6144 1.035 reverb
ceed671467c1f64ebdfac8a2490d0d52 3072 256 7680 1.035 instrumental
d2a1376f310e4f7fa37fb9b5774eb701 3072 256 7680 1.035 instrumental
d7bff498db9324db933d913388cba6be 2048 256 6144 1.035 vocals
d94058f8c7f1fae4164868ae8ae66b20 2048 256 6144 1.035 vocals
dc41ede5961d50f277eb846db17f5319 2048 512 4096 1.035 drums
e5572e58abf111f80d8241d2e44e7fa4 3072 256 7680 1.028 instrumental
e7324c873b1f615c35c1967f912db92a 3072 256 7680 1.03 vocals
ead8d05dab12ec571d67549b3aab03fc 3072 256 6144 1.035 instrumental
f2df6d6863d8f435436d8b561594ff49 3072 256 7680 1.035 instrumental
"""


def uvr_settings(fingerprint: str) -> dict[str, object] | None:
    """What `read_mdxnet_config` needs beside the operations in a file; None for an unknown file.

    The numbers of bins and frames are for files that leave them open.
    """
    for row in _TABLE.strip().splitlines():
        known, num_bins, num_frames, n_fft, gain, stem = row.split(maxsplit=5)
        if known == fingerprint:
            return {
                "target_name": stem,
                "dim_f": int(num_bins),
                "dim_t": int(num_frames),
                "n_fft": int(n_fft),
                "compensate": float(gain),
                "silent_bins": _SILENT_BINS,
                "hann_overlap": _HANN_OVERLAP,
            }
    return None

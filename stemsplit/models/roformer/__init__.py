"""Band-Split and Mel-Band RoFormer: attention over time and over bands, in turn.

Lu, Wang, Kong, Hung (2023), "Music Source Separation with Band-Split RoPE Transformer",
arXiv:2309.02612. Wang, Lu, Won (2023), "Mel-Band RoFormer for Music Source Separation",
arXiv:2310.01809. The networks here are those of the published community checkpoints, under the
names that these store, and read the configurations that lie beside them.
"""

from __future__ import annotations

from stemsplit.models.family import Family, NetworkArguments
from stemsplit.models.roformer.config import read_bs_roformer_config, read_melband_roformer_config
from stemsplit.models.roformer.hyperace import has_hyperace
from stemsplit.models.roformer.model import BSRoFormer, MelBandRoFormer


def _build_bs(given: NetworkArguments) -> BSRoFormer:
    return BSRoFormer(
        read_bs_roformer_config(given.kwargs, hyperace=has_hyperace(given.tensor_names))
    )


FAMILIES = (
    Family(
        name="bs_roformer",
        build=_build_bs,
        marks=("freqs_per_bands",),
    ),
    Family(
        name="mel_band_roformer",
        build=lambda given: MelBandRoFormer(read_melband_roformer_config(given.kwargs)),
        marks=("num_bands",),
    ),
)

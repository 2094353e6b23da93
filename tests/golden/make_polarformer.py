"""Makes polarformer.npz with pymss-core 0.1.14.

    pip install pymss-core==0.1.14
    python -m tests.golden.make_polarformer

Weights and mixtures are those of `tests.models.deterministic_weights`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.golden.make_hyperace import KINDS, mixtures
from tests.models.deterministic_weights import fill_by_name

NETWORK: dict[str, Any] = {
    "dim": 16,
    "depth": 3,
    "stereo": True,
    "num_stems": 1,
    "time_transformer_depth": 1,
    "freq_transformer_depth": 1,
    "heads": 2,
    "dim_head": 8,
    "freqs_per_bands": (2, 3, 4, 20, 100),
    "stft_n_fft": 256,
    "stft_hop_length": 50,
    "stft_win_length": 256,
    "mask_estimator_depth": 2,
    "use_pope": True,
}


def main() -> None:
    from pymss_core.modules.bs_roformer import BSRoformer

    network = BSRoformer(**NETWORK, flash_attn=False)
    fill_by_name(network)
    with torch.no_grad():
        estimates = network(mixtures())  # [B, C, T]
    path = Path(__file__).with_name("polarformer.npz")
    np.savez_compressed(path, **dict(zip(KINDS, estimates.numpy(), strict=True)))


if __name__ == "__main__":
    main()

"""Makes hyperace.npz with pymss-core 0.1.14, in double precision.

    pip install pymss-core==0.1.14
    python -m tests.golden.make_hyperace

Its networks hear what there is of both parts of a mask (`mask_mode` full). Weights and mixtures are
those of `tests.models.deterministic_weights`; what layers add to what they are given is made small,
or else the network would make 1e-3 of a rounding of 1e-7, as random deep networks do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.models.deterministic_weights import fill_by_name, noise_by_name

NETWORK: dict[str, Any] = {
    "dim": 16,
    "depth": 1,
    "stereo": True,
    "num_stems": 1,
    "time_transformer_depth": 1,
    "freq_transformer_depth": 1,
    "heads": 2,
    "dim_head": 8,
    "stft_n_fft": 2048,
    "stft_hop_length": 512,
    "stft_win_length": 2048,
    "mask_estimator_depth": 2,
}
KINDS = ("noise", "silence", "onset", "offset", "clicks", "quiet")
_NUM_SAMPLES = 4000
_ADDED = ("dsconv2.bn.weight", "dsconv2.bn.bias", "tdf.5.weight", "tfc2.2.weight")


def mixtures() -> Tensor:
    """One of each kind, [B, C, T], the same on both sides; T is no multiple of the hop."""
    noise = noise_by_name("mixture", 2, _NUM_SAMPLES)
    late = torch.arange(_NUM_SAMPLES) >= _NUM_SAMPLES // 2
    clicks = torch.zeros(2, _NUM_SAMPLES)
    clicks[0, 700], clicks[1, 2900] = 0.9, -0.9
    return torch.stack([noise, 0 * noise, noise * late, noise + 0.5, clicks, 1e-4 * noise])


def fill(network: nn.Module) -> None:
    """Gives the network its weights."""
    fill_by_name(network)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith(_ADDED):
                tensor.mul_(0.3)


def main() -> None:
    from pymss_core.modules.bs_roformer import BSRoformerHyperACE

    network = BSRoformerHyperACE(**NETWORK, flash_attn=False).eval()
    network.set_mask_mode("full")
    fill(network)
    with torch.no_grad():
        estimates = network.double()(mixtures().double()).float()  # [B, C, T]
    path = Path(__file__).with_name("hyperace.npz")
    np.savez_compressed(path, **dict(zip(KINDS, estimates.numpy(), strict=True)))


if __name__ == "__main__":
    main()

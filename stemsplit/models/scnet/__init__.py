"""SCNet, which spends its effort where the music is: low frequencies. Tong et al. (ICASSP 2024)."""

from __future__ import annotations

from stemsplit.models.family import Family, NetworkArguments
from stemsplit.models.scnet.config import read_scnet_config
from stemsplit.models.scnet.model import SCNet, has_masks


def _build(given: NetworkArguments) -> SCNet:
    return SCNet(read_scnet_config(given.kwargs, masked=has_masks(given.tensor_names)))


FAMILIES = (Family(name="scnet", build=_build, marks=("band_SR",)),)

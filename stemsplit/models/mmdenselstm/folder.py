"""A folder of trained MMDenseLSTMs: in it, a folder for each stem with its network."""

from __future__ import annotations

from stemsplit.models.family import Folder, FolderModel, FolderSystem, NetworkFiles
from stemsplit.models.mmdenselstm.config import SECTION

_STEMS = ("bass", "drums", "other", "vocals")
_FILES = ("best.pth", "last.pth")
"""By the loss on songs that were kept apart, or after training."""
_PLACES = ("", "model/")


def mmdenselstm_folder(folder: Folder) -> FolderSystem | None:
    """The model in the folder; None where not all stems have their network.

    All of them make one model, since the filter weighs one against another.
    """
    for place in _PLACES:
        for name in _FILES:
            if all(name in folder.files(f"{place}{stem}") for stem in _STEMS):
                weights = {stem: f"{place}{stem}/{name}" for stem in _STEMS}
                network = NetworkFiles(
                    signature=folder.name,
                    weights=weights,
                    configs={f"{SECTION}.{stem}": file for stem, file in weights.items()},
                )
                return FolderSystem(models=(FolderModel(networks=(network,)),))
    return None

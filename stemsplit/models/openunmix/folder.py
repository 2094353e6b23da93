"""A folder of Open-Unmix's training program: two files for each stem, and one for all."""

from __future__ import annotations

import re
from pathlib import PurePath

from stemsplit.errors import CheckpointError
from stemsplit.models.family import Folder, FolderModel, FolderSystem, NetworkFiles
from stemsplit.quoting import listed

_WEIGHTS = r"{stem}(?:-[0-9a-f]{{8,64}})?\.(?:pth?|th|ckpt|safetensors)"
_SHARED = "separator.json"
"""What all networks share; its stem is the section `separator` of the settings."""


def openunmix_folder(folder: Folder) -> FolderSystem | None:
    """The model in the folder; None without the file that all such folders have.

    Raises:
        CheckpointError: a stem does not have its two files.
    """
    files = folder.files()
    if _SHARED not in files:
        return None
    stems = [PurePath(name).stem for name in files if name.endswith(".json") and name != _SHARED]
    weights = [
        (stem, name)
        for stem in stems
        for name in files
        if re.fullmatch(_WEIGHTS.format(stem=re.escape(stem)), name)
    ]
    if not stems or sorted(stem for stem, _ in weights) != sorted(stems):
        raise CheckpointError(
            f"{folder} has the {_SHARED} of Open-Unmix, but not one file with weights for each "
            f".json (found: {listed(files)}).",
            hint="Each stem needs a .json and a .pth, such as vocals.json and vocals.pth.",
        )
    network = NetworkFiles(
        signature=folder.name,
        weights=dict(weights),
        configs={"separator": _SHARED, **{f"targets.{stem}": f"{stem}.json" for stem in stems}},
    )
    return FolderSystem(models=(FolderModel(networks=(network,)),))

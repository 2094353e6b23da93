"""A folder of D3Net's program: a file with weights for each stem, and perhaps what describes it."""

from __future__ import annotations

from pathlib import PurePath

from stemsplit.errors import CheckpointError
from stemsplit.models.d3net.config import SECTION
from stemsplit.models.d3net.released import RELEASED
from stemsplit.models.family import Folder, FolderModel, FolderSystem, NetworkFiles
from stemsplit.quoting import listed

_WEIGHTS, _CONFIG = ".h5", ".yaml"


def d3net_folder(folder: Folder) -> FolderSystem | None:
    """The model in the folder; None where its files of weights are not called as stems are.

    All of them make one model, since the filter weighs one against another. Networks of which none
    has a description are those that were published.

    Raises:
        CheckpointError: some have a description and some do not.
    """
    files = folder.files()
    found = [PurePath(name).stem for name in files if name.endswith(_WEIGHTS)]
    described = [stem for stem in found if stem + _CONFIG in files]
    if not found or not (described or set(found) <= RELEASED.keys()):
        return None
    missing = [stem for stem in found if stem not in described]
    if described and missing:
        raise CheckpointError(
            f"{folder} has no description of {listed(missing)}.",
            hint=f"Each stem needs a {_WEIGHTS} and a {_CONFIG}.",
        )
    stems = sorted(found, key=[*RELEASED, *found].index)
    network = NetworkFiles(
        signature=folder.name,
        weights={stem: stem + _WEIGHTS for stem in stems},
        configs={f"{SECTION}.{stem}": stem + _CONFIG for stem in stems if described},
    )
    return FolderSystem(models=(FolderModel(networks=(network,)),))

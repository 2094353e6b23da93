"""Folders of Band-Split RNNs: one for each stem, with its weights and its `hparams.yaml`."""

from __future__ import annotations

import re
from pathlib import PurePath

from stemsplit.errors import CheckpointError
from stemsplit.models.family import Folder, FolderModel, FolderSystem, NetworkFiles
from stemsplit.quoting import listed

_SETTINGS = "hparams.yaml"
_SUFFIXES = (".ckpt", ".pt", ".pth", ".safetensors")


def bandsplit_rnn_folder(folder: Folder) -> FolderSystem | None:
    """The networks in folders that are called as they are, such as `vocals/vocals.ckpt`.

    A folder's name may say more before that, as that of a repository on the Hub does:
    `bsrnn-vocals/vocals.ckpt`.

    Raises:
        CheckpointError: there are several files for a stem.
    """
    networks: dict[str, NetworkFiles] = {}
    for subfolder in folder.files():
        files = folder.files(subfolder)
        weights = [name for name in files if _fits(subfolder, PurePath(name))]
        if _SETTINGS not in files or not weights:
            continue
        stem = PurePath(weights[0]).stem
        if len(weights) > 1 or stem in networks:
            raise CheckpointError(
                f"{folder} has several files for {stem}: {listed(weights)} in {subfolder}.",
                hint="Have one folder for each stem, with one file of weights in it.",
            )
        networks[stem] = NetworkFiles(
            signature=stem,
            weights={"": f"{subfolder}/{weights[0]}"},
            configs={"": f"{subfolder}/{_SETTINGS}"},
            stems=(stem,),
        )
    if not networks:
        return None
    return FolderSystem(
        models=(FolderModel(networks=tuple(networks.values()), stems=tuple(networks)),)
    )


def _fits(subfolder: str, file: PurePath) -> bool:
    called_so = re.fullmatch(rf"(.*[-_])?{re.escape(file.stem)}", subfolder)
    return file.suffix in _SUFFIXES and called_so is not None

"""Folders of a layout that a family of networks has for itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stemsplit.checkpoints.file_errors import readable
from stemsplit.hub.model_files import Member, ModelFile, ModelSource, stem_weights
from stemsplit.hub.recipe import EnsembleSource

if TYPE_CHECKING:
    from stemsplit.models.family import FolderModel


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """What a family hears of a folder: see `models.family.Folder`."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        return self.path.name

    def files(self, subfolder: str = "") -> Sequence[str]:
        place = self.path / subfolder
        if not place.is_dir():
            return []
        with readable(place):
            return sorted(file.name for file in place.iterdir() if not file.name.startswith("."))


def declared_system(folder: Path) -> EnsembleSource | None:
    """The models in a folder of the layout of one of the families; None if it has none of these.

    Raises:
        CheckpointError: a file is missing or is there twice, or the folder cannot be read.
    """
    from stemsplit.models.registry import recognize_folder  # with all networks

    folder = folder.resolve()
    system = recognize_folder(LocalFolder(folder))
    if system is None:
        return None
    models = tuple(_source(folder, model) for model in system.models)
    return EnsembleSource(name=safe_name(folder.name), models=models, recipe=system.recipe)


def _source(folder: Path, model: FolderModel) -> ModelSource:
    def files(names: Mapping[str, str]) -> tuple[ModelFile, ...]:
        return tuple(ModelFile.local(folder / name, part=part) for part, name in names.items())

    members = tuple(
        Member(
            signature=network.signature,
            weights=files(network.weights),
            configs=files(network.configs),
            settings=network.settings,
            stems=network.stems,
        )
        for network in model.networks
    )
    stems_of_networks = [network.stems for network in model.networks]
    return ModelSource(
        name=safe_name(model.name or folder.name),
        origin=str(folder if model.name is None else members[0].weights[0].local_path()),
        stems=model.stems,
        members=members,
        weights=stem_weights(model.stems, stems_of_networks) if model.stems else None,
        overlap=model.overlap,
        scaling=model.scaling,
        mixer=None if model.mixer is None else ModelFile.local(folder / model.mixer.file),
        read_mixer=None if model.mixer is None else model.mixer.read,
    )


def safe_name(name: str) -> str:
    """A name that is one folder's name on any system."""
    safe = re.sub(r'[\x00-\x1f<>:"/\\|?*]', "_", name).strip(" .")
    return safe or "model"

"""How much of a model is on this machine."""

from __future__ import annotations

from typing import Literal

from stemsplit.errors import ModelError
from stemsplit.hub.model_files import ModelFile, ModelSource
from stemsplit.hub.resolve import resolve

Presence = Literal["built in", "yes", "partly", "no"]


def presence(name: str) -> Presence:
    """How much of a model is on this machine, going by which files are there."""
    try:
        source = resolve(name, offline=True)
    except ModelError:
        return "no"
    if not source.members:
        return "built in"
    files = files_of(source)
    num_here = sum(file.local_path() is not None for file in files)
    if num_here == len(files):
        return "yes"
    return "partly" if num_here else "no"


def files_of(source: ModelSource) -> list[ModelFile]:
    """All files that a model is made of."""
    files = [file for member in source.members for file in member.files]
    return files if source.mixer is None else [*files, source.mixer]

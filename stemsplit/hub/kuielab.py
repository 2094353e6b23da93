"""KUIELab-MDX-Net as a folder: the whole system of Kim et al. (2021), arXiv:2111.12203.

Its parts were published in different places, so whoever has them puts them together: the four
networks as `bass.onnx`, `drums.onnx`, `other.onnx` and `vocals.onnx` (or `kuielab_a_bass.onnx` and
so on), `mixer.ckpt`, which set A has and set B does not, and the weights of Demucs v2 as
`demucs-e07c671f.th` (A) or `demucs_extra-3646af93.th` (B). They may lie in the folders of the
authors' program, `onnx` and `model`. Without the Mixer or without Demucs it is the system without.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from stemsplit.checkpoints.file_errors import readable
from stemsplit.errors import CheckpointError
from stemsplit.hub.model_files import Member, ModelFile, ModelSource
from stemsplit.hub.recipe import EnsembleSource
from stemsplit.quoting import listed

_FFT = {"bass": 16384, "drums": 4096, "other": 8192, "vocals": 6144}
"""By stem, in the order of the Mixer's rows."""

_DEMUCS_STEMS = ("drums", "bass", "other", "vocals")
_NETWORK_SHARES = {"bass": 0.5, "drums": 0.5, "other": 0.7, "vocals": 0.9}
_DEMUCS_OVERLAP = 0.5

_FOLDERS = ("", "onnx", "onnx_A", "onnx_B", "model")
_NETWORK = re.compile(r"(?:kuielab_[ab]_)?(bass|drums|other|vocals)\.onnx")
_MIXER = "mixer.ckpt"
_DEMUCS = re.compile(r"demucs(?:48_hq|_extra)?(?:-[0-9a-f]{8})?\.(?:th|ckpt)")


def kuielab_system(folder: Path) -> EnsembleSource | None:
    """The system in `folder`; None if its four networks are not there.

    Raises:
        CheckpointError: there is more than one file for the same part, or the folder is not to be
            read.
    """
    files = _files(folder)
    networks = {
        stem: _only(folder, [name for name in files if _stem(name) == stem]) for stem in _FFT
    }
    if None in networks.values():
        return None
    mixer = _only(folder, [name for name in files if Path(name).name == _MIXER])
    demucs = _only(folder, [name for name in files if _DEMUCS.fullmatch(Path(name).name)])
    stems = tuple(_FFT)
    name = folder.resolve().name or "kuielab"
    system = ModelSource(
        name=name,
        entry=None,
        origin=str(folder),
        revision=None,
        stems=stems,
        members=tuple(_network(folder, stem, str(networks[stem])) for stem in stems),
        weights=tuple(tuple(float(stem == own) for stem in stems) for own in stems),
        mixer=None if mixer is None else ModelFile.local(folder / mixer),
    )
    if demucs is None:
        return EnsembleSource.of(system)
    from stemsplit.models.spec import InputScaling

    combined = ModelSource(
        name=Path(demucs).stem,
        entry=None,
        origin=str(folder / demucs),
        revision=None,
        stems=_DEMUCS_STEMS,
        members=(Member(signature=Path(demucs).stem, weights=(ModelFile.local(folder / demucs),)),),
        overlap=_DEMUCS_OVERLAP,
        # The program of set A measures both channels of a song together, that of set B their mean.
        scaling=None if mixer is None else InputScaling(statistics="samples"),
    )
    recipe = {stem: {0: share, 1: 1 - share} for stem, share in _NETWORK_SHARES.items()}
    return EnsembleSource(name=name, models=(system, combined), recipe=recipe)


def _files(folder: Path) -> list[str]:
    """The names of what could be parts, relative to `folder`."""
    found = []
    for place in (folder / each for each in _FOLDERS):
        if place.is_dir():
            with readable(place):
                found += [file.relative_to(folder).as_posix() for file in sorted(place.iterdir())]
    return found


def _stem(name: str) -> str | None:
    match = _NETWORK.fullmatch(Path(name).name)
    return match[1] if match else None


def _only(folder: Path, names: Sequence[str]) -> str | None:
    if len(names) > 1:
        raise CheckpointError(
            f"{folder} has several files for one part: {listed(names)}.",
            hint="Keep set A and set B in folders of their own.",
        )
    return names[0] if names else None


def _network(folder: Path, stem: str, name: str) -> Member:
    return Member(
        signature=stem,
        weights=(ModelFile.local(folder / name),),
        settings={"target_name": stem, "n_fft": _FFT[stem]},
        stems=(stem,),
    )

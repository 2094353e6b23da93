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
from pathlib import PurePath

from stemsplit.errors import CheckpointError
from stemsplit.models.family import Folder, FolderModel, FolderSystem, MixerFile, NetworkFiles
from stemsplit.models.mdxnet.mixer import STEMS, read_mixer
from stemsplit.models.spec import MUSDB18_STEMS, InputScaling
from stemsplit.quoting import listed

_FFT = {"bass": 16384, "drums": 4096, "other": 8192, "vocals": 6144}
_NETWORK_SHARES = {"bass": 0.5, "drums": 0.5, "other": 0.7, "vocals": 0.9}

_DEMUCS_OVERLAP = 0.5

_SUBFOLDERS = ("", "onnx", "onnx_A", "onnx_B", "model")
_NETWORK = r"(?:kuielab_[ab]_)?{stem}\.onnx"
_MIXER = r"mixer\.ckpt"
_DEMUCS = r"demucs(?:48_hq|_extra)?(?:-[0-9a-f]{8})?\.(?:th|ckpt)"


def kuielab_folder(folder: Folder) -> FolderSystem | None:
    """The system in the folder; None if its four networks are not there.

    Raises:
        CheckpointError: there is more than one file for the same part.
    """
    files = [
        f"{subfolder}/{name}" if subfolder else name
        for subfolder in _SUBFOLDERS
        for name in folder.files(subfolder)
    ]
    networks = []
    for stem in STEMS:
        file = _only(_NETWORK.format(stem=stem), files, folder)
        if file is None:
            return None
        networks.append(
            NetworkFiles(
                signature=stem,
                weights={"": file},
                settings={"target_name": stem, "n_fft": _FFT[stem]},
                stems=(stem,),
            )
        )
    mixer = _only(_MIXER, files, folder)
    demucs = _only(_DEMUCS, files, folder)
    system = FolderModel(
        networks=tuple(networks),
        stems=STEMS,
        mixer=None if mixer is None else MixerFile(mixer, read_mixer),
    )
    if demucs is None:
        return FolderSystem(models=(system,))
    name = PurePath(demucs).stem
    combined = FolderModel(
        networks=(NetworkFiles(signature=name, weights={"": demucs}),),
        name=name,
        stems=MUSDB18_STEMS,
        overlap=_DEMUCS_OVERLAP,
        # The program of set A measures both channels of a song together, that of set B their mean.
        scaling=None if mixer is None else InputScaling(statistics="samples"),
    )
    recipe = {stem: {0: share, 1: 1 - share} for stem, share in _NETWORK_SHARES.items()}
    return FolderSystem(models=(system, combined), recipe=recipe)


def _only(pattern: str, files: Sequence[str], folder: Folder) -> str | None:
    found = [file for file in files if re.fullmatch(pattern, PurePath(file).name)]
    if len(found) > 1:
        raise CheckpointError(
            f"{folder} has several files for one part: {listed(found)}.",
            hint="Keep set A and set B in folders of their own.",
        )
    return found[0] if found else None

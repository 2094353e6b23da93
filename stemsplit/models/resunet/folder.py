"""A folder with the files of ResUNetDecouple+'s authors: a network for each stem.

Such is `~/bytesep_data`, where their program puts what it downloads; but that has both forms, which
are models of their own.
"""

from __future__ import annotations

import re

from stemsplit.errors import CheckpointError
from stemsplit.models.family import Folder, FolderModel, FolderSystem, NetworkFiles
from stemsplit.models.resunet.config import MODEL_TYPES, RELEASED_STEMS, released_settings
from stemsplit.quoting import listed

_FORMS = dict(zip(("resunet143", "mobilenet"), MODEL_TYPES, strict=True))
_NAME = re.compile(rf"({'|'.join(_FORMS)})_subb[a-z]*_({'|'.join(RELEASED_STEMS)})(_.*)?\.pth")


def resunet_folder(folder: Folder) -> FolderSystem | None:
    """The model in the folder; None without two files of their names.

    Raises:
        CheckpointError: there are more than one for each stem.
    """
    found = [(name, match) for name in folder.files() if (match := _NAME.fullmatch(name))]
    if len(found) < 2:
        return None  # one file is a model by itself
    forms = {match[1] for _, match in found}
    files = {match[2]: name for name, match in found}
    if len(forms) > 1 or len(files) < len(found):
        raise CheckpointError(
            f"{folder} has several networks for a stem: {listed(name for name, _ in found)}.",
            hint="Give the path of one file, or have one for vocals and one for accompaniment in "
            "a folder of their own.",
        )
    (form,) = forms
    networks = tuple(
        NetworkFiles(
            signature=stem,
            weights={"": files[stem]},
            settings=released_settings(_FORMS[form], stem),
            stems=(stem,),
        )
        for stem in RELEASED_STEMS
    )
    return FolderSystem(models=(FolderModel(networks=networks, stems=RELEASED_STEMS),))

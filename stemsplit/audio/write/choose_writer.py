"""The writer that fits what is to be written: a file for each stem, or one for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stemsplit.audio.write.stem_layout import STEM_FILE
from stemsplit.audio.write.stem_mp4 import StemFileWriter
from stemsplit.audio.write.writer import StemWriter


def new_writer(paths: Mapping[str, Path], **stream: Any) -> StemWriter | StemFileWriter:
    """A writer of a file for each stem, or of the one stem file that `paths` names.

    `stream`: what both kinds take, see `StemWriter`.

    Raises:
        OutputExistsError, AudioWriteError: as the writers do.
    """
    if STEM_FILE in paths:
        return StemFileWriter(paths[STEM_FILE], **stream)
    return StemWriter(paths, **stream)

"""Pages in their places: made whenever somebody asks, and never over a file that is not ours."""

from __future__ import annotations

from pathlib import Path

from stemsplit.audio.file_names import display_path
from stemsplit.audio.write.output_files import (
    check_target,
    new_temporary,
    publish,
    track_key,
    writing,
)
from stemsplit.durable import sync_file, sync_folder
from stemsplit.errors import OutputExistsError
from stemsplit.report.page import MARKER

_HEAD_BYTES = 512


def write_page(file: Path, page: str) -> None:
    """Writes a page in one step, over an earlier one if there is one.

    Raises:
        OutputExistsError: a file is there that is no page of ours.
        AudioWriteError: the disk is full, the folder cannot be written, and the like.
    """
    check_page(file)
    part = new_temporary(file.parent, track_key(file))
    with writing(file):
        try:
            part.write_text(page, encoding="utf-8", newline="\n")
            sync_file(part)
            publish(part, file, may_replace=is_page(file))
            sync_folder(file.parent)
        finally:
            part.unlink(missing_ok=True)


def check_page(file: Path) -> None:
    """Finds out before any work whether a page could go there.

    Raises:
        OutputExistsError: a file is there that is no page of ours.
    """
    check_target(file, may_replace=True)
    if not is_page(file) and file.exists():
        raise OutputExistsError(
            f"{display_path(file)} is there already, and is no page of stemsplit's.",
            hint="Rename it or move it away.",
        )


def is_page(file: Path) -> bool:
    """Whether stemsplit has written the file, or a power cut has emptied it."""
    head = _head(file)
    return head is not None and (MARKER.encode() in head or not head)


def is_made_of(file: Path, source: str) -> bool:
    """Whether the file is a page of ours whose `made_of` is `source`."""
    head = _head(file) or b""
    return MARKER.encode() in head and source.encode() in head


def _head(file: Path) -> bytes | None:
    try:
        with file.open("rb") as stream:
            return stream.read(_HEAD_BYTES)
    except OSError:
        return None

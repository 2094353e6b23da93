"""What lists of songs (playlists, cue sheets) have in common: their text, and the files they name.

They come from other machines, of other years: texts of no stated encoding, backslashes, accents
that are spelled in two ways. So a name is tried as it stands, and then as it may have been meant;
the first one that is there is taken.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes

from stemsplit.audio.readable import check_readable, reading_errors
from stemsplit.audio.tags.tag_text import decode_text
from stemsplit.files import read_regular

_MAX_NAME = 4096
"""Characters; no system opens a longer path."""

_CODE_PAGES = ("cp1252", "cp932")


def read_lines(path: Path, max_bytes: int) -> list[str] | None:
    """The lines of a list; None if it is no text.

    Raises:
        AudioReadError: it cannot be read, is empty, or has more than `max_bytes`.
    """
    check_readable(path)
    with reading_errors(path):
        text = decode_text(read_regular(path, max_bytes))
    return None if "\0" in text else re.split("\r\n|\r|\n", text)


def find_named(name: str, folder: Path) -> Path:
    """The file that a list in `folder` means; as it stands there, if none is there."""
    for spelling in _spellings(name[:_MAX_NAME]):
        path = folder / spelling
        if os.path.lexists(path):
            return path
    return folder / name[:_MAX_NAME].strip().replace("\0", "")


def _spellings(name: str) -> Iterator[str]:
    plain = list(dict.fromkeys([name, name.strip(), *_in_bytes(name)]))
    if os.sep == "/":
        plain += [each.replace("\\", "/") for each in plain if "\\" in each]
    # VLC writes them as in addresses.
    plain += [os.fsdecode(unquote_to_bytes(os.fsencode(each))) for each in plain if "%" in each]
    for each in plain:
        yield each
        for form in ("NFC", "NFD"):
            yield unicodedata.normalize(form, each)


def _in_bytes(name: str) -> Iterator[str]:
    """The name by the very bytes that it probably has in the list, if they are not UTF-8."""
    if not name.isascii():
        for code_page in _CODE_PAGES:
            try:
                yield os.fsdecode(name.encode(code_page))
            except UnicodeEncodeError:
                continue

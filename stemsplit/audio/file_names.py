"""Names that may be anything: of tracks and stems as names of files, of files as text."""

from __future__ import annotations

import os
import re
from pathlib import Path

from stemsplit.audio.addresses import with_scheme
from stemsplit.errors import one_line

_WINDOWS_FORBIDS = re.compile(r'[\x00-\x1f<>:"|?*\\]')
# Not files but devices, whatever the suffix; the digits are those of Latin-1, superscripts too.
_WINDOWS_DEVICE = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[1-9\u00b9\u00b2\u00b3]) *(\.|$)", re.IGNORECASE
)


_AUDIO_NAME = re.compile(
    r"\.(aac|aiff?|ape|flac|m4a|mp[23]|og[ag]|opus|tta|wave?|wma|wv)$", re.IGNORECASE
)


def has_audio_name(name: str) -> bool:
    """Whether the extension says that the file is audio."""
    return _AUDIO_NAME.search(name) is not None


PLAYLIST_SUFFIXES = (".m3u", ".m3u8")
OTHER_PLAYLIST_SUFFIXES = (".asx", ".b4s", ".jspf", ".pls", ".wax", ".wpl", ".wvx", ".xspf", ".zpl")
"""Of playlists that are not read."""
CUE_SHEET_SUFFIX = ".cue"


def is_list(path: Path) -> bool:
    """Whether the extension says that the file names others, which are audio."""
    lists = (*PLAYLIST_SUFFIXES, *OTHER_PLAYLIST_SUFFIXES, CUE_SHEET_SUFFIX)
    return path.suffix.lower() in lists


def component(value: str, *, on_windows: bool = os.name == "nt") -> str:
    """`value` as the name of one file or folder.

    A name that only Windows forbids is changed only there: elsewhere a song keeps its name.
    """
    name = value.replace("/", "_").replace("\0", "_")
    if on_windows:
        name = _WINDOWS_FORBIDS.sub("_", name).rstrip(" .")
        name = f"_{name}" if _WINDOWS_DEVICE.match(name) else name
    return name if name.strip(".") else "_"


def display_path(path: str | os.PathLike[str]) -> str:
    """The path as one line that any terminal or JSON file takes, undecodable bytes as escapes."""
    return one_line(with_scheme(path))

"""Addresses of other machines (URLs) where files are expected."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote_to_bytes

# At least two letters: one is a drive of Windows.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):([/\\]+)")
_WITHOUT_SLASHES = re.compile(r"(data|magnet|mailto|spotify|urn|ytsearch\d*):", re.IGNORECASE)
_HOST = re.compile(
    r"(www\.[\w-]+\.[\w.-]+|([\w-]+\.)+(be|com|fm|io|net|org|tv))(:\d+)?(/|\?|$)", re.IGNORECASE
)

# With one slash: what a Path makes of three.
_FILE = re.compile(r"file:(?://(?:localhost)?)?(/[^/].*)", re.IGNORECASE | re.DOTALL)


def with_scheme(path: str | os.PathLike[str]) -> str:
    """The path as text, and with both slashes where it begins as `https://` does.

    A Path has only one of them left.
    """
    text = os.fsdecode(path)
    match = _SCHEME.match(text)
    if match is None or len(match[2]) > 1:
        return text
    slashes = "///" if match[1].lower() == "file" else "//"
    return f"{match[1]}:{slashes}{text[match.end() :]}"


def as_address(path: str | os.PathLike[str]) -> str | None:
    """The address that a name of no file was meant to be, if it looks like one.

    Also those that people copy without `https://`, such as `youtu.be/...`.
    """
    text = os.fsdecode(path)
    if any(pattern.match(text) for pattern in (_SCHEME, _WITHOUT_SLASHES, _HOST)):
        return with_scheme(text)
    return None


def absolute_name(path: Path) -> str:
    """The absolute path as text, or the address itself if it is one."""
    text = with_scheme(path)
    return text if "://" in text and not os.path.lexists(path) else str(path.absolute())


def local_file(address: str | os.PathLike[str]) -> Path | None:
    """The file of this machine that a `file:` address stands for; None for everything else."""
    match = _FILE.fullmatch(os.fsdecode(address))
    if match is None:
        return None
    name = os.fsdecode(unquote_to_bytes(os.fsencode(match[1])))
    if "\0" in name:
        return None
    on_drive = os.name == "nt" and re.match("/[A-Za-z][:|]", name)
    return Path(f"{name[1]}:{name[3:]}" if on_drive else name)

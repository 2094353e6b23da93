"""Formats of which only one thing has to be checked."""

from __future__ import annotations

import re

from stemsplit.audio.resample import MAX_SAMPLE_RATE
from stemsplit.audio.screening.headers import HeaderClaimError, Headers
from stemsplit.audio.screening.id3 import check_id3

_FLV_METADATA = re.compile(rb"\x02\0\x0aon(MetaData|CuePoint)")
_FLV_TAG_BYTES = 11
_MAX_FLV_BYTES = 1 << 14
"""Of all metadata; a name and its value take five bytes at least."""

_REAL_INDEX = re.compile(rb"INDX")
_MAX_REAL_ENTRIES = 5000

_MAX_APE_FRAMES = 1_000_000
"""A fortnight of Monkey's Audio; each takes 50 bytes."""

_ID3 = re.compile(rb"ID3[\x02-\x04]")


def check_flv(headers: Headers) -> None:
    """Checks the metadata of Flash video, which may come at any place."""
    left = _MAX_FLV_BYTES
    for position in headers.find(_FLV_METADATA, headers.start):
        start = position - _FLV_TAG_BYTES
        left -= int.from_bytes(headers.at(start + 1, 3), "big")
        if left < 0:
            reason = f"it has more than {_MAX_FLV_BYTES} bytes"
            headers.hide([(position + 3, b"nobody")], "The Flash metadata", reason)


def check_real(headers: Headers) -> None:
    """Hides long indices of RealAudio, which take a time that grows with the square of them."""
    for position in headers.find(_REAL_INDEX, headers.start):
        if int.from_bytes(headers.at(position + 10, 4), "big") > _MAX_REAL_ENTRIES:
            headers.hide([(position, b"none")])


def check_dsf(headers: Headers) -> None:
    """Checks the ID3 tag to which the header of a DSF file points."""
    check_id3(headers, int.from_bytes(headers.at(headers.start + 20, 8), "little"))


def check_oma(headers: Headers) -> None:
    """Checks the tag of OpenMG audio, which is ID3 by another name."""
    for magic in (b"ea3", b"EA3"):
        check_id3(headers, headers.start, magic)


def check_monkeys_audio(headers: Headers) -> None:
    """Checks the number of frames in Monkey's Audio.

    Raises:
        HeaderClaimError: it is absurd.
    """
    head = headers.at(headers.start, 32)
    version = int.from_bytes(head[4:6], "little")
    # From version 3.98 on, a descriptor comes first.
    count_at = int.from_bytes(head[8:12], "little") + 12 if version >= 3980 else 24
    num_frames = int.from_bytes(headers.at(headers.start + count_at, 4), "little")
    if num_frames > _MAX_APE_FRAMES:
        raise HeaderClaimError(f"claims to have {num_frames} frames, more than {_MAX_APE_FRAMES}")


def check_true_audio(headers: Headers) -> None:
    """Checks the sample rate of True Audio: a frame is a second long, and ffmpeg makes room for it.

    Raises:
        HeaderClaimError: it is absurd.
    """
    sample_rate = int.from_bytes(headers.at(headers.start + 10, 4), "little")
    if sample_rate > MAX_SAMPLE_RATE:
        raise HeaderClaimError(f"claims to have {sample_rate} Hz")


def check_raw(headers: Headers) -> None:
    """Checks ID3 tags in mid-stream, which ffmpeg reads in raw AAC."""
    for position in headers.find(_ID3, headers.start):
        check_id3(headers, position)

"""MP4 and QuickTime (ISO/IEC 14496-12): tags, and how many samples the tables claim.

ffmpeg sets some 30 bytes aside for each sample of each track, and a table can claim a billion equal
ones in twenty bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from stemsplit.audio.screening.headers import (
    Allowance,
    HeaderClaimError,
    Headers,
    TagCostError,
)
from stemsplit.audio.screening.masked_file import Patch

MAX_SAMPLES = 4_000_000
"""Of all tracks together, frames of AAC or pictures: a day of AAC at 44.1 kHz."""

_MAX_DEPTH = 12
_PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"moof", b"traf")
_TAGS = (b"udta", b"meta", b"ilst")
# The way in which HEIF lists its pictures; no music has that.
_HEIF = (b"iinf", b"iloc", b"iprp", b"iref")
# Samples of PCM are not read one by one: ffmpeg takes so many together.
_PCM_SAMPLES = 1024
_TABLE_BYTES = 64 << 20


class _Box(NamedTuple):
    kind: bytes
    position: int
    start: int
    end: int

    @property
    def hidden(self) -> list[Patch]:
        """What makes it one that readers pass over."""
        return [(self.position + 4, b"free")]


def check_mp4(headers: Headers) -> None:
    """Checks all tags, and the samples that all tracks and fragments claim.

    Raises:
        HeaderClaimError: they claim more than can be.
    """
    _Walk(headers).walk(headers.start, headers.size, depth=0, is_audio=False)


class _Walk:
    def __init__(self, headers: Headers) -> None:
        self._headers = headers
        self._num_samples = 0

    def walk(self, start: int, end: int, *, depth: int, is_audio: bool) -> None:
        if depth > _MAX_DEPTH:
            raise HeaderClaimError(f"has boxes in boxes more than {_MAX_DEPTH} deep")
        for box in _boxes(self._headers, start, end):
            if box.kind == b"mdia":
                is_audio = self._holds_audio(box)
            if box.kind in _PARENTS:
                self.walk(box.start, box.end, depth=depth + 1, is_audio=is_audio)
            elif box.kind in _TAGS:
                self._check_tags(box)
            elif box.kind == b"cmov":
                # Compressed headers, as QuickTime 3 wrote: what is in them cannot be checked.
                self._headers.hide(box.hidden)
            elif box.kind == b"stbl":
                self._add(_claimed_samples(self._headers, box, is_audio=is_audio))
            elif box.kind == b"trun":
                self._add(_numbers(self._headers, box, 2)[1])

    def _add(self, num_samples: int) -> None:
        self._num_samples += num_samples
        if self._num_samples > MAX_SAMPLES:
            raise HeaderClaimError(
                f"claims to have {self._num_samples} packets, more than {MAX_SAMPLES}"
            )

    def _holds_audio(self, mdia: _Box) -> bool:
        handlers = [
            self._headers.at(box.start + 8, 4)
            for box in _boxes(self._headers, mdia.start, mdia.end)
            if box.kind == b"hdlr"
        ]
        return handlers == [b"soun"]

    def _check_tags(self, box: _Box) -> None:
        def check(left: Allowance) -> None:
            left.entry(box.end - box.start)
            self._count_entries(box, left, 0)

        self._headers.tag("The MP4 tag", box.hidden, check)

    def _count_entries(self, box: _Box, left: Allowance, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise TagCostError(f"it has boxes in boxes more than {_MAX_DEPTH} deep")
        start = box.start
        # ISO has a version and flags before the boxes here, QuickTime has not.
        if box.kind == b"meta" and self._headers.at(start + 4, 4) != b"hdlr":
            start += 4
        for item in _boxes(self._headers, start, box.end):
            left.entry(0)
            if item.kind in _TAGS:
                self._count_entries(item, left, depth + 1)
            elif item.kind == b"covr":
                for _ in _boxes(self._headers, item.start, item.end):
                    left.entry(0, is_picture=True)
            elif item.kind == b"keys":
                left.entries(_numbers(self._headers, item, 2)[1], 0)
            elif item.kind in _HEIF:
                raise TagCostError("it has pictures as in a HEIF file")


def _boxes(headers: Headers, position: int, end: int) -> Iterator[_Box]:
    while position + 8 <= end:
        head = headers.at(position, 16)
        if len(head) < 8:
            return
        size, kind, start = int.from_bytes(head[:4], "big"), head[4:8], position + 8
        if size == 1:
            size, start = int.from_bytes(head[8:16], "big"), position + 16
        stop = end if size == 0 else min(position + size, end)
        if stop < start:
            return
        yield _Box(kind, position, start, stop)
        position = stop


def _claimed_samples(headers: Headers, stbl: _Box, *, is_audio: bool) -> int:
    """For how many samples of a track ffmpeg would set memory aside.

    Where there are two tables of a kind, readers differ in which they take.
    """
    tables: dict[bytes, list[_Box]] = {}
    for box in _boxes(headers, stbl.start, stbl.end):
        tables.setdefault(box.kind, []).append(box)
    times = tables.get(b"stts", [])
    # One entry, and a duration of one unit for each sample: PCM, which is not read by the sample.
    if is_audio and times and all(_numbers(headers, box, 4)[1::2] == [1, 1] for box in times):
        return _pcm_blocks(headers, tables)
    claims = [0]
    for box in tables.get(b"stsz", []):
        _, common, count, *_ = _numbers(headers, box, 3)
        claims.append(count if common else min(count, _size(box) // 4))
    for box in tables.get(b"stz2", []):
        _, _, count, *_ = _numbers(headers, box, 3)
        claims.append(min(count, _size(box) * 2))  # four bits for each at least
    return max(claims)


def _pcm_blocks(headers: Headers, tables: dict[bytes, list[_Box]]) -> int:
    """How many blocks the chunks of a PCM track are read in."""
    places = [*tables.get(b"stco", []), *tables.get(b"co64", [])]
    num_chunks = max(
        (min(_numbers(headers, box, 2)[1], _size(box) // 4) for box in places), default=0
    )
    num_blocks = 0.0
    for box in tables.get(b"stsc", []):
        num_bytes = min(12 * _numbers(headers, box, 2)[1], _size(box) - 8, _TABLE_BYTES)
        content = headers.at(box.start + 8, max(num_bytes, 0))
        # From which chunk on, how many samples a chunk has, in which format.
        runs = np.frombuffer(content[: len(content) // 12 * 12], ">u4").reshape(-1, 3)
        starts = np.append(runs[:, 0].astype(np.float64) - 1, num_chunks)
        lengths = np.diff(starts).clip(0, num_chunks)
        num_blocks = max(num_blocks, float(lengths @ np.ceil(runs[:, 1] / _PCM_SAMPLES)))
    return int(num_blocks)


def _numbers(headers: Headers, box: _Box, count: int) -> list[int]:
    """The first numbers of 32 bits in a box: its version and flags, its table's size, and so on."""
    content = headers.at(box.start, min(4 * count, _size(box))).ljust(4 * count, b"\0")
    return list(struct.unpack(f">{count}I", content))


def _size(box: _Box) -> int:
    return box.end - box.start

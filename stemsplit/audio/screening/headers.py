"""What every walk over a file's headers has: bounded reads, and the tags that it finds too costly.

The limits are far beyond what people have in their files, and far below what hurts. Libraries look
every entry up among those before it, so that their time grows with the square of the number: 25,000
take ten seconds, 2,000 less than a tenth of one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

from stemsplit.audio.screening.masked_file import Patch

MAX_ENTRIES = 2000
MAX_PICTURES = 64
MAX_TAG_BYTES = 64 << 20
"""Of all tags of a file, and of what compressed ones may grow to."""

MAX_TEXT_BYTES = 8 << 20
"""Of Vorbis comments without pictures: ffmpeg joins those of one name, each time anew."""

MAX_READS = 300_000
"""How many headers a file may have; a film of ten hours in fragments of a second has half."""

_MAX_PATCHES = 20_000
_PIECE_BYTES = 1 << 20
_OVERLAP_BYTES = 32


class TagCostError(Exception):
    """A tag may cost more than tags do; the text says what it has."""


class HeaderClaimError(Exception):
    """The headers without which there is no sound claim what cannot be; the text says what."""


@dataclass(slots=True)
class Allowance:
    """What the tags of a file may still cost."""

    num_entries: int = MAX_ENTRIES
    num_pictures: int = MAX_PICTURES
    num_bytes: int = MAX_TAG_BYTES

    def entry(self, num_bytes: int, *, is_picture: bool = False) -> None:
        """Takes one entry into account, as `entries` does."""
        self.num_pictures -= is_picture
        if self.num_pictures < 0:
            raise TagCostError(f"it has more than {MAX_PICTURES} pictures")
        self.entries(1, num_bytes)

    def entries(self, count: int, num_bytes: int) -> None:
        """Takes entries into account, with so many bytes in all.

        Raises:
            TagCostError: there is no room for them.
        """
        self.num_entries -= count
        self.num_bytes -= num_bytes
        if self.num_entries < 0:
            raise TagCostError(f"it has more than {MAX_ENTRIES} entries")
        if self.num_bytes < 0:
            raise TagCostError(f"it has more than {MAX_TAG_BYTES >> 20} MiB")


class Headers:
    """A file while its headers are gone through; they begin at `start`.

    `patches` and `hidden` grow: how the file is to be read, and which tags are not seen then, why.
    `id3`, `matroska`: where the tags of these kinds begin and end that are seen.
    """

    def __init__(self, file: BinaryIO, *, start: int = 0) -> None:
        self._file = file
        self._num_reads = 0
        self._allowance = Allowance()
        self.start = start
        self.size = file.seek(0, 2)
        self.patches: list[Patch] = []
        self.hidden: list[tuple[str, str]] = []
        self.id3: list[tuple[int, int]] = []
        self.matroska: list[tuple[int, int]] = []

    @property
    def num_entries(self) -> int:
        """How many entries of tags were found, without those that are hidden."""
        return MAX_ENTRIES - self._allowance.num_entries

    def at(self, position: int, num_bytes: int) -> bytes:
        """So many bytes from there; fewer where the file ends.

        Raises:
            HeaderClaimError: there was no end to reading.
        """
        self._num_reads += 1
        if self._num_reads > MAX_READS:
            raise HeaderClaimError(f"has more than {MAX_READS} headers")
        num_present = min(num_bytes, self.size - position)
        if position < 0 or num_present <= 0:
            return b""
        self._file.seek(position)
        return self._file.read(num_present)

    def find(self, pattern: re.Pattern[bytes], position: int) -> Iterator[int]:
        """Where the pattern is, from there to the end; it must be shorter than 32 bytes."""
        last = -1
        while piece := self.at(position, _PIECE_BYTES):
            for match in pattern.finditer(piece):
                if position + match.start() > last:
                    last = position + match.start()
                    yield last
            # What begins in the last bytes may go on.
            position += len(piece) if len(piece) <= _OVERLAP_BYTES else len(piece) - _OVERLAP_BYTES

    def tag(self, name: str, hide: Sequence[Patch], check: Callable[[Allowance], None]) -> bool:
        """Whether there is room for a tag; if there is not, readers see `hide` in its place."""
        trial = replace(self._allowance)
        try:
            check(trial)
        except TagCostError as error:
            self.hide(hide, name, str(error))
            return False
        self._allowance = trial
        return True

    def hide(self, patches: Sequence[Patch], name: str = "", reason: str = "") -> None:
        """Has readers see `patches`; the user hears of what has a name, once for each reason."""
        self.patches += patches
        if len(self.patches) > _MAX_PATCHES:
            raise HeaderClaimError(f"has more than {_MAX_PATCHES // 2} tags that no reader bears")
        if name and (name, reason) not in self.hidden:
            self.hidden.append((name, reason))

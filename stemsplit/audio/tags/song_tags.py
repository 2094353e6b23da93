"""Tags and cover art in a form that belongs to no file format, and their names in each format.

Only what is named here is copied, so that nothing gets into a stem that is true of the full mix
alone: ReplayGain, R128, iTunes' Sound Check and volume adjustment (loudness), encoder settings and
gapless data (other bytes), MusicBrainz and AcoustID identifiers (they would make taggers and
library programs take each stem for the full recording, and rename it). The ISRC stays: it says
where the stem comes from, and no program renames files by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

# All formats can hold this much. The tightest is FLAC, whose blocks end at 16 MiB.
MAX_PICTURE_BYTES = 16_000_000
MAX_FIELD_CHARS = 65_536

FRONT_COVER = 3
"""The kind of a picture, as ID3v2 (and after it FLAC and ASF) number them."""


class Names(NamedTuple):
    """How the formats call a field. Where there are several names, the first is written.

    `plain` are those of ffmpeg, which are also what people and programs write where a format lets
    them choose; small letters stand for any.
    """

    id3: str
    mp4: str
    vorbis: tuple[str, ...]
    ape: tuple[str, ...]
    asf: str
    plain: tuple[str, ...]


# What iTunes has no atom for.
_FREE_FORM = "----:com.apple.iTunes:"

FIELDS: Mapping[str, Names] = {
    "title": Names("TIT2", "©nam", ("TITLE",), ("Title",), "Title", ("title",)),
    "artist": Names(
        "TPE1", "©ART", ("ARTIST",), ("Artist",), "Author", ("artist", "author", "performer")
    ),
    "albumartist": Names(
        "TPE2",
        "aART",
        ("ALBUMARTIST", "ALBUM ARTIST"),
        ("Album Artist", "AlbumArtist"),
        "WM/AlbumArtist",
        ("album_artist", "albumartist", "album artist", "album/artist"),
    ),
    "album": Names(
        "TALB", "©alb", ("ALBUM",), ("Album",), "WM/AlbumTitle", ("album", "product", "album/title")
    ),
    "date": Names(
        "TDRC",
        "©day",
        ("DATE", "YEAR"),
        ("Year", "Date"),
        "WM/Year",
        ("date", "year", "date_released", "date_recorded", "creationdate"),
    ),
    "genre": Names("TCON", "©gen", ("GENRE",), ("Genre",), "WM/Genre", ("genre",)),
    "tracknumber": Names(
        "TRCK",
        "trkn",
        ("TRACKNUMBER",),
        ("Track",),
        "WM/TrackNumber",
        ("track", "tracknumber", "track number", "part_number"),
    ),
    "tracktotal": Names(
        "", "", ("TRACKTOTAL", "TOTALTRACKS"), (), "", ("tracktotal", "totaltracks")
    ),
    "discnumber": Names(
        "TPOS", "disk", ("DISCNUMBER",), ("Disc",), "WM/PartOfSet", ("disc", "discnumber")
    ),
    "disctotal": Names("", "", ("DISCTOTAL", "TOTALDISCS"), (), "", ("disctotal", "totaldiscs")),
    "composer": Names("TCOM", "©wrt", ("COMPOSER",), ("Composer",), "WM/Composer", ("composer",)),
    "bpm": Names(
        "TBPM",
        "tmpo",
        ("BPM", "TEMPO"),
        ("BPM",),
        "WM/BeatsPerMinute",
        ("bpm", "tbpm", "tmpo", "tempo"),
    ),
    "key": Names(
        "TKEY",
        _FREE_FORM + "initialkey",
        ("INITIALKEY", "KEY"),
        ("InitialKey",),
        "WM/InitialKey",
        ("initialkey", "initial_key", "tkey", "key", "key signature"),
    ),
    "isrc": Names("TSRC", _FREE_FORM + "ISRC", ("ISRC",), ("ISRC",), "WM/ISRC", ("isrc", "tsrc")),
    "comment": Names(
        "COMM",
        "©cmt",
        ("COMMENT", "DESCRIPTION"),
        ("Comment",),
        "Description",
        ("comment", "comments", "description", "annotation"),
    ),
    "copyright": Names("TCOP", "cprt", ("COPYRIGHT",), ("Copyright",), "Copyright", ("copyright",)),
    "publisher": Names(
        "TPUB",
        _FREE_FORM + "LABEL",
        ("LABEL", "PUBLISHER", "ORGANIZATION"),
        ("Label",),
        "WM/Publisher",
        ("publisher", "label", "organization"),
    ),
    "lyrics": Names(
        "USLT",
        "©lyr",
        ("LYRICS", "UNSYNCEDLYRICS"),
        ("Lyrics",),
        "WM/Lyrics",
        ("lyrics", "unsyncedlyrics", "uslt"),
    ),
}

_MANY_LINES = ("comment", "lyrics")

NUMBERED: Mapping[str, str] = {"tracknumber": "tracktotal", "discnumber": "disctotal"}
"""Fields that are a number of a total, which some formats keep in one field: "3/12"."""

_OF_ALBUM = {
    *("artist", "albumartist", "album", "date", "genre", "discnumber", "disctotal"),
    *("copyright", "publisher"),
}

# C0 without tab and line feed, DEL, C1: they end strings early, or drive terminals.
_CONTROL = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)])
_LINE_BREAKS = re.compile(r"\s*[\r\n]+\s*")

_IMAGES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"RIFF", "image/webp"),
)


@dataclass(frozen=True, slots=True)
class Picture:
    """An embedded picture; `kind` is ID3's number for what it shows."""

    mime: str
    kind: int
    data: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Tags:
    """What a file says about its music. `text` has the keys of `FIELDS`, and no empty values.

    `warnings` tell what could not be taken over.
    """

    text: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()
    warnings: tuple[str, ...] = ()

    def titled(self, track: str, stem: str | None = None) -> Tags:
        """The tags of a stem: its name follows the title, which is `track` if there is none."""
        title = self.text.get("title", _cleaned([track], many_lines=False))
        title = title[:1] or ("untitled",)
        if stem is not None:
            title = (f"{title[0]} ({stem})",)
        return replace(self, text={**self.text, "title": title})

    def of_track(self, text: Mapping[str, Iterable[str]], *, is_whole: bool) -> Tags:
        """The tags of a track of which a cue sheet says `text`; these are its file's.

        `is_whole`: the file holds nothing else. Else its title and the like are the album's.
        """
        own = make_tags(text, ())
        kept = {name: texts for name, texts in self.text.items() if is_whole or name in _OF_ALBUM}
        warnings = (*self.warnings, *own.warnings)
        return replace(self, text={**kept, **own.text}, warnings=warnings)

    def number(self, name: str) -> tuple[int, int]:
        """A field's number and total (track 3 of 12); 0 for what is not known."""
        return self._integer(name), self._integer(NUMBERED[name])

    def _integer(self, name: str) -> int:
        (value,) = self.text.get(name, ("",))[:1]
        # MP4 has 16 bits for it.
        return int(value) if re.fullmatch("[0-9]{1,5}", value) and int(value) < 65_536 else 0


def make_tags(text: Mapping[str, Iterable[str]], pictures: Iterable[Picture]) -> Tags:
    """Tags that every format can hold, from what a file had: cleaned, and of bounded size."""
    warnings: list[str] = []
    kept: dict[str, tuple[str, ...]] = {}
    for name in FIELDS:
        values = _cleaned(text.get(name, ()), many_lines=name in _MANY_LINES)
        cut = _shortened(values)
        if cut != values:
            warnings.append(
                f"The source's {name} tag has more than {MAX_FIELD_CHARS} characters: it was cut."
            )
        if cut:
            kept[name] = cut
    for number, total in NUMBERED.items():
        _split_pair(kept, number, total)
    return Tags(text=kept, pictures=_small_enough(pictures, warnings), warnings=tuple(warnings))


def _cleaned(values: Iterable[str], *, many_lines: bool) -> tuple[str, ...]:
    cleaned = []
    for value in values:
        # Halves of surrogate pairs, from names and tags that were no valid Unicode, become "?".
        value = value.encode("utf-8", "replace").decode("utf-8")
        value = value.replace("\r\n", "\n") if many_lines else _LINE_BREAKS.sub(" ", value)
        cleaned.append(value.translate(_CONTROL).strip())
    return tuple(dict.fromkeys(value for value in cleaned if value))


def _shortened(values: tuple[str, ...]) -> tuple[str, ...]:
    room = MAX_FIELD_CHARS
    kept = []
    for value in values:
        kept.append(value[:room])
        room -= len(kept[-1])
        if not room:
            break
    return tuple(kept)


def _split_pair(text: dict[str, tuple[str, ...]], number: str, total: str) -> None:
    """Turns "3/12" into a number and a total."""
    if number in text and "/" in text[number][0]:
        first, second = (part.strip() for part in text[number][0].split("/", 1))
        text.pop(number)
        if first:
            text[number] = (first,)
        if second:
            text.setdefault(total, (second,))


def _small_enough(pictures: Iterable[Picture], warnings: list[str]) -> tuple[Picture, ...]:
    room = MAX_PICTURE_BYTES
    kept = []
    # The front cover first: some programs show the first picture, whatever it is.
    for picture in sorted(pictures, key=lambda picture: picture.kind != FRONT_COVER):
        if len(picture.data) > room:
            warnings.append(
                f"A picture of {len(picture.data) / 1e6:.1f} MB in the source's tags was left out: "
                f"there is room for {MAX_PICTURE_BYTES / 1e6:.0f} MB."
            )
            continue
        mime = _mime(picture)
        if mime and picture.data:
            kind = picture.kind if 0 <= picture.kind <= 20 else 0
            kept.append(Picture(mime, kind, picture.data))
            room -= len(picture.data)
    return tuple(kept)


def _mime(picture: Picture) -> str:
    """The picture's true type, or what the tag claims if it is not a known one; "" for a link."""
    for magic, mime in _IMAGES:
        if picture.data.startswith(magic):
            return mime
    return picture.mime if re.fullmatch(r"image/[a-z0-9.+-]{1,32}", picture.mime) else ""

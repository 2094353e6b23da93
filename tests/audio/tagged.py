"""Songs of every output format, and tags with everything in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stemsplit.audio.tags.song_tags import FRONT_COVER, Picture, make_tags
from tests.audio.songs import tone, write_pyav, write_sndfile

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256))

SONG = make_tags(
    {
        "title": ["Für Élise – 🎹"],
        "artist": ["Ludwig van Beethoven"],
        "albumartist": ["Various"],
        "album": ["Bagatelles"],
        "date": ["1810-04-27"],
        "genre": ["Classical"],
        "tracknumber": ["3/12"],
        "discnumber": ["1/2"],
        "composer": ["LvB"],
        "bpm": ["96"],
        "key": ["Am"],
        "isrc": ["DEAB12300001"],
        "comment": ["WoO 59\nlost"],
        "copyright": ["public domain"],
        "publisher": ["Nohl"],
        "lyrics": ["(none)\nat all"],
    },
    [Picture("image/png", 4, PNG), Picture("image/jpeg", FRONT_COVER, JPEG)],
)

OUTPUTS = ("wav", "aiff", "flac", "mp3", "ogg", "opus", "m4a", "alac", "stem.mp4")
RATE = 48_000  # one that Opus has


def make_file(folder: Path, kind: str) -> Path:
    """An untagged song of half a second. The name tells nothing, as that of a part."""
    path = folder / f".stemsplit-{kind}.part"
    samples = tone(RATE // 2, sample_rate=RATE)
    sndfile = {
        "wav": ("WAV", "PCM_24"),
        "aiff": ("AIFF", "PCM_24"),
        "flac": ("FLAC", "PCM_16"),
        "mp3": ("MP3", "MPEG_LAYER_III"),
        "ogg": ("OGG", "VORBIS"),
        "opus": ("OGG", "OPUS"),
    }
    if kind in sndfile:
        container, subtype = sndfile[kind]
        return write_sndfile(path, samples, sample_rate=RATE, container=container, subtype=subtype)
    codec, container = {
        "m4a": ("aac", "ipod"),
        "alac": ("alac", "ipod"),
        "stem.mp4": ("aac", "mp4"),
        "wma": ("wmav2", "asf"),
        "wv": ("wavpack", "wv"),
    }[kind]
    return write_pyav(path, samples, codec=codec, container=container, sample_rate=RATE)


def container_of(kind: str) -> Any:
    return "m4a" if kind == "alac" else kind

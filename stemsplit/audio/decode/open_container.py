"""Files as ffmpeg's libraries (PyAV) open them: screened, and with no more of ffmpeg than it takes.

Each file gets the one reader that it was checked for, no protocol (Python opens the file, so that a
playlist named song.mp3 reaches neither other files nor the network), and no decoders but those of
sound: ffmpeg would decode covers and pictures of videos to tell their size. Without that, opening
a song with a cover takes a tenth of the time.
"""

from __future__ import annotations

import errno
import functools
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from stemsplit.audio.file_names import display_path, is_list
from stemsplit.audio.screening import MaskedFile, screen
from stemsplit.audio.tags.song_tags import FRONT_COVER, Picture
from stemsplit.errors import AudioReadError

# Tags in an unknown encoding are no reason to refuse a song, and keep their bytes. From version 19
# on, PyAV does so unasked, and no longer knows the argument.
_AV_VERSION = int(av.__version__.partition(".")[0])
_ANY_TAGS = {"metadata_errors": "surrogateescape"} if _AV_VERSION < 19 else {}

_MAX_PICTURE_PACKETS = 1000


class _SeekableFile(MaskedFile):
    """A file in which ffmpeg may seek to the impossible positions that a damaged file names.

    If `seek` raised, PyAV would print the traceback on stderr; ffmpeg knows negative results.
    """

    def seek(self, offset: int, whence: int = 0, /) -> int:
        try:
            return super().seek(offset, whence)
        except OSError as error:
            return -(error.errno or errno.EINVAL)


@contextmanager
def open_container(path: Path) -> Iterator[Any]:
    """The file as PyAV's container, closed on leaving.

    Raises:
        AudioReadError: ffmpeg does not know the format, or its headers claim what cannot be.
    """
    screening = screen(path)
    if not screening.demuxers:
        raise AudioReadError(f"{display_path(path)} has no audio in it.", hint="It is a picture.")
    options = {
        "protocol_whitelist": "none",
        "format_whitelist": screening.demuxers,
        "codec_whitelist": _audio_decoders(),
    }
    with _SeekableFile(path, screening.patches) as file:
        try:
            container = av.open(file, options=options, **_ANY_TAGS)
        except (av.FFmpegError, ValueError) as error:
            raise _not_audio(path) from error
        with container:
            yield container


def _not_audio(path: Path) -> AudioReadError:
    if is_list(path):
        return AudioReadError(
            f"{display_path(path)} is not audio, but a list of songs.",
            hint="Name the songs in it; on the command line, `stemsplit` also takes the list.",
        )
    return AudioReadError(
        f"{display_path(path)} is not audio that stemsplit can read.",
        hint="If it plays elsewhere, convert it to wav or flac.",
    )


def attached_pictures(container: Any) -> Iterator[Picture]:
    """The covers and other pictures that lie beside the music in an open container."""
    attached = {
        stream.index: stream
        for stream in container.streams.video
        if stream.disposition & Disposition.attached_pic
    }
    # They come before everything else.
    packets = itertools.islice(container.demux(), _MAX_PICTURE_PACKETS)
    for packet in packets if attached else ():
        stream = attached.pop(packet.stream.index, None)
        if stream is not None:
            name = stream.metadata.get("filename", "").casefold()
            is_cover = name.startswith("cover.") or not name
            kind = FRONT_COVER if is_cover else 0
            yield Picture(stream.metadata.get("mimetype", ""), kind, bytes(packet))
        if not attached:
            return


@functools.cache
def _audio_decoders() -> str:
    """The names of all decoders of sound, with commas between them."""
    names = []
    for name in sorted(av.codecs_available):
        try:
            codec = av.Codec(name, "r")
        except ValueError:  # only an encoder
            continue
        if codec.type == "audio":
            names.append(codec.name)
    return ",".join(names)

"""Audio files in: what they claim, and their samples in blocks.

The reader is chosen by content, never by the name. Linear PCM is read here (see `linear` for why);
libsndfile gets the other formats that it knows best, told by their first bytes; everything else
goes to ffmpeg (see `pyav` for why MP3 and FLAC do too).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from stemsplit.audio.blocks import regroup, skip, take
from stemsplit.audio.decode.damage import Damage
from stemsplit.audio.decode.decode_linear import LINEAR_MAGIC, open_linear
from stemsplit.audio.decode.decode_sndfile import open_sndfile
from stemsplit.audio.decode.decoded import Decoded
from stemsplit.audio.file_names import display_path
from stemsplit.audio.info import AudioInfo, StatsAccumulator, TrackStats
from stemsplit.audio.readable import check_regular, reading_errors, unchanged
from stemsplit.audio.reading import being_read
from stemsplit.audio.resample import MAX_SAMPLE_RATE
from stemsplit.audio.screening import screen
from stemsplit.audio.stretch import Stretch
from stemsplit.errors import AudioReadError
from stemsplit.files import FileState, open_regular

__all__ = [
    "AudioInfo",
    "Look",
    "StatsAccumulator",
    "TrackStats",
    "hash_file",
    "look",
    "no_such_stretch",
    "probe",
    "read_blocks",
]

BLOCK_SAMPLES = 1 << 16

# libsndfile is not asked about anything else: it would take junk for MP3, and mpg123 would complain
# about it on stderr.
_SNDFILE_MAGIC = (*LINEAR_MAGIC, b"OggS")

_HASH_BYTES = 1 << 20

# A file without sound that is larger than this is no recording that was stopped at once.
_MAX_EMPTY_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Look:
    """What the header of a file claimed when it was looked at, and the file's `state` then."""

    info: AudioInfo
    state: FileState

    def is_current(self) -> bool:
        """Whether the file is still in that state."""
        return self.state.is_that_of(self.info.path)


def look(path: str | os.PathLike[str], *, stream: int = 0) -> Look:
    """What the header of the file claims of an audio stream; decodes one frame at most.

    Raises:
        AudioReadError: missing, unreadable, not audio, a sample rate out of range, no such stream.
    """
    path = Path(path)
    with reading_errors(path):
        state = FileState.of(path)
        with _open(path, stream, Damage()) as decoded:
            return Look(decoded.info, state)


def probe(path: str | os.PathLike[str], *, stream: int = 0) -> AudioInfo:
    """What the header of the file claims, as `look` finds it."""
    return look(path, stream=stream).info


def read_blocks(
    path: str | os.PathLike[str],
    *,
    block_samples: int = BLOCK_SAMPLES,
    stream: int = 0,
    damage: Damage | None = None,
    state: FileState | None = None,
    stretch: Stretch | None = None,
) -> Iterator[Tensor]:
    """Blocks [C, T] of the file at its own rate and channels, all of `block_samples` but the last.

    `stream` counts the file's audio streams from 0; a stem file has several.

    float32; integer formats are divided by 2^(bits - 1), float formats are as they are, beyond ±1
    too. Every pass gives the same samples. What a damaged file still holds is given, and `damage`
    is filled with what it does not. Of a `stretch`, nothing else counts. The file is closed with
    the generator. It must stay as it is meanwhile, and be in `state`, if that is given.

    Raises:
        AudioReadError: on the first block, what `probe` raises, or that there is no such stream;
            later, NaN or infinite samples, or a change of rate or channels in mid-stream; at the
            end, that there was no sound, though the file is not an empty one, or no such part; at
            any time, that somebody else writes to the file, cuts or replaces it.
    """
    path = Path(path)
    damage = Damage() if damage is None else damage
    damage.begin()
    with (
        reading_errors(path),
        unchanged(path, state or FileState.of(path)) as check,
        _open(path, stream, damage) as decoded,
    ):
        info = decoded.info
        start, stop = (0, None) if stretch is None else stretch.samples(info.sample_rate)
        blocks = skip(decoded.blocks, start)
        if stop is not None:
            blocks = take(blocks, stop - start)
        position = start
        for block in regroup(blocks, block_samples=block_samples):
            check()
            _check_finite(block, position, info)
            position += block.shape[-1]
            damage.num_samples = position - start
            yield block
        check()
        damage.missing_samples = info.missing_samples(position) if stop is None else stop - position
        if stop is None or position < stop:
            damage.ends_unmarked |= info.ends_early
        if stretch is not None:
            damage.cut(start, position - start)
            if position == start:
                raise no_such_stretch(info, start)
        elif not damage.num_samples:
            _check_empty(info, damage)


def hash_file(path: str | os.PathLike[str]) -> str:
    """SHA-256 of the file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    path = Path(path)
    with reading_errors(path), open_regular(path) as file:
        while piece := file.read(_HASH_BYTES):
            digest.update(piece)
    return digest.hexdigest()


@contextmanager
def _open(path: Path, stream: int, damage: Damage) -> Iterator[Decoded]:
    with ExitStack() as stack:
        decoded = None
        stack.enter_context(being_read(path))
        check_regular(path)
        magic = screen(path).magic
        if stream == 0 and magic.startswith(LINEAR_MAGIC):
            decoded = stack.enter_context(open_linear(path))
        if stream == 0 and decoded is None and magic.startswith(_SNDFILE_MAGIC):
            decoded = stack.enter_context(open_sndfile(path))
        if decoded is not None and decoded.info.num_channels > 2:
            decoded = replace(decoded, info=_with_layout(decoded.info))
        if decoded is None:
            decoded = stack.enter_context(_open_ffmpeg(path, stream, damage))
        if not 1 <= decoded.info.sample_rate <= MAX_SAMPLE_RATE:
            raise AudioReadError(
                f"{display_path(path)} has a sample rate of {decoded.info.sample_rate} Hz.",
                hint=f"Convert it to a rate between 1 and {MAX_SAMPLE_RATE} Hz.",
            )
        yield decoded


def _open_ffmpeg(path: Path, stream: int, damage: Damage) -> AbstractContextManager[Decoded]:
    # Imported when it is needed: ffmpeg's libraries take a tenth of a second to load.
    from stemsplit.audio.decode.decode_pyav import open_pyav

    return open_pyav(path, stream, damage)


def _with_layout(info: AudioInfo) -> AudioInfo:
    """The same with the channels that the file names, which only ffmpeg can read."""
    try:
        with _open_ffmpeg(info.path, 0, Damage()) as other:
            channels = other.info.channels
    except AudioReadError:
        return info
    return replace(info, channels=channels) if len(channels) == info.num_channels else info


def _check_finite(block: Tensor, position: int, info: AudioInfo) -> None:
    bad = ~np.isfinite(block.numpy()).all(axis=0)  # [T]
    if not bad.any():
        return
    first = position + int(bad.argmax())
    raise AudioReadError(
        f"{display_path(info.path)} has samples that are not finite numbers: at least "
        f"{int(bad.sum())}, the first at {first / info.sample_rate:.3f} seconds.",
        hint="Export it again, or repair it in an audio editor.",
    )


def no_such_stretch(info: AudioInfo, start: int) -> AudioReadError:
    """That a part of the file begins where there is no file any more."""
    return AudioReadError(
        f"{display_path(info.path)} ends before {start / info.sample_rate:.2f} s, where this part "
        "of it should begin.",
        hint="Check that it is the file that the cue sheet was made for.",
    )


def _check_empty(info: AudioInfo, damage: Damage) -> None:
    """Lets only files pass that are meant to be empty."""
    if damage.missing_samples:
        raise AudioReadError(
            f"{display_path(info.path)} promises {damage.missing_samples / info.sample_rate:.2f} "
            "s, and nothing of it could be decoded.",
            hint="The file is probably cut off or damaged; copy or download it again.",
        )
    file_bytes = info.path.stat().st_size
    if damage.ends_unmarked or file_bytes > _MAX_EMPTY_BYTES:
        raise AudioReadError(
            f"{display_path(info.path)} holds no sound, though it has {file_bytes} bytes.",
            hint="Check that it plays, or convert it to wav or flac.",
        )

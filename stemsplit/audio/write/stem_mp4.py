"""The stem file of Native Instruments, .stem.mp4, which DJ software loads as one song.

There is no public specification. What is written here follows three sources:

- falcon69.stem.mp4, a file from NI's own tool chain: five AAC tracks in stereo (the song, then the
  four stems), only the first one enabled, and in moov/udta a box `stem` with JSON and no header
  fields of its own. Tags are in udta/meta, before that box.
- Mixxx (src/sources/soundsourcestem.cpp): wants exactly five audio tracks, all stereo, and takes
  track 0 for the song. (src/track/steminfoimporter.cpp): looks for moov/udta/stem, wants `version`
  of at least 1 and an array `stems`, whose names and colours it shows; it ignores `mastering_dsp`.
- stemgen, which Traktor users make stem files with: 44.1 or 48 kHz, AAC or ALAC, and the order
  drums, bass, other, vocals.

The song is encoded at its own level; the stems share one gain if one of them would clip. Compressor
and limiter are switched off, so that the stems at full level are the song.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from torch import Tensor

from stemsplit.audio.channels import default_channels
from stemsplit.audio.containers.mp4_boxes import Box, read_moov, replace_moov
from stemsplit.audio.encode.encoders import Encoding
from stemsplit.audio.formats import ClipPolicy
from stemsplit.audio.write.output_files import check_target, new_temporary, publish, writing
from stemsplit.audio.write.stem_layout import MASTER, SAMPLE_RATES, STEM_FILE, STEMS
from stemsplit.audio.write.writer import StemWriter, WritePolicy, WriteReport
from stemsplit.durable import sync_file, sync_folder
from stemsplit.errors import AudioWriteError
from stemsplit.quoting import counted

# The colours that DJs know, which is also what Mixxx shows where a file has none.
_COLOURS = {"drums": "#009E73", "bass": "#D55E00", "other": "#CC79A7", "vocals": "#56B4E9"}

# The values that NI's tools write, except that `enabled` is true there.
_MASTERING = {
    "compressor": {
        "enabled": False,
        "input_gain": 0.5,
        "output_gain": 0.5,
        "threshold": 0,
        "dry_wet": 50,
        "attack": 0.003000000026077032,
        "release": 0.300000011920929,
        "ratio": 3,
        "hp_cutoff": 300,
    },
    "limiter": {
        "enabled": False,
        "release": 0.05000000074505806,
        "threshold": 0,
        "ceiling": -0.3499999940395355,
    },
}

_ENABLED, _IN_MOVIE = 1, 2


class StemFileWriter:
    """Writes the song and its four stems into one file; used like `StemWriter`.

    Each stream is encoded into a hidden file of its own first, and `finish` puts them together
    without encoding anything again. Mono becomes stereo.

    Raises:
        OutputExistsError: at construction, or by `publish` if a file has appeared since then.
        AudioWriteError: more than two channels, another sample rate, a full disk, and the like.
    """

    def __init__(
        self,
        path: Path,
        *,
        encoding: Encoding,
        sample_rate: int,
        channels: tuple[str, ...],
        num_samples: int,
        policy: WritePolicy | None = None,
    ) -> None:
        _check_format(path, sample_rate, len(channels))
        self._path = path
        self._sample_rate = sample_rate
        self._policy = policy = policy or WritePolicy()
        check_target(path, may_replace=policy.may_replace(path))
        self._temporary = new_temporary(path.parent, policy.key)

        def streams(names: Sequence[str], clip: ClipPolicy) -> StemWriter:
            return StemWriter(
                {name: new_temporary(path.parent, policy.key) for name in names},
                encoding=replace(encoding, container="m4a"),
                sample_rate=sample_rate,
                channels=default_channels(2),
                num_samples=num_samples,
                policy=WritePolicy(clip=clip, key=policy.key),
            )

        self._master = streams([MASTER], "clamp")
        self._stems = streams(STEMS, policy.clip)
        self._open = ExitStack()

    def __enter__(self) -> StemFileWriter:
        with ExitStack() as stack:
            stack.enter_context(self._master)
            stack.enter_context(self._stems)
            self._open = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Before the writers clean up, because they also remove the folder if it is empty.
        with suppress(OSError):
            self._temporary.unlink(missing_ok=True)
        self._open.close()

    def write(self, name: str, block: Tensor) -> None:
        """Appends a block [C, T] (float32, on the CPU) to the song (`mixture`) or to a stem."""
        writer = self._master if name == MASTER else self._stems
        writer.write(name, block.expand(2, -1))  # [2, T]

    @property
    def temporaries(self) -> Mapping[str, Path]:
        """Where the file is for now; complete after `finish`."""
        return {STEM_FILE: self._temporary}

    def finish(
        self,
        decorate: Callable[[str, Path], None] | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> WriteReport:
        """Completes the file under its temporary name, and says what was done to the sound.

        `decorate(STEM_FILE, temporary)` may change the file once more: to write tags, say. What
        `check` raises ends the encoding.
        """
        master, stems = self._master.finish(check=check), self._stems.finish(check=check)
        streams = {**self._master.temporaries, **self._stems.temporaries}
        with writing(self._path):
            _join([streams[name] for name in (MASTER, *STEMS)], self._temporary, self._sample_rate)
            _mark(self._temporary)
            if decorate is not None:
                decorate(STEM_FILE, self._temporary)
        return WriteReport(
            gain=stems.gain,
            peaks={**master.peaks, **stems.peaks},
            num_clipped_samples=master.num_clipped_samples + stems.num_clipped_samples,
            warnings=(*_master_warnings(master), *stems.warnings),
        )

    def publish(self) -> None:
        """Puts the finished file in its place."""
        with writing(self._path):
            sync_file(self._temporary)
            publish(self._temporary, self._path, may_replace=self._policy.may_replace(self._path))
            sync_folder(self._path.parent)


def _check_format(path: Path, sample_rate: int, num_channels: int) -> None:
    if num_channels > 2:
        raise AudioWriteError(
            f"A stem file is stereo, and {path.name} would have {num_channels} channels.",
            hint="Mix the song down to stereo first, or use another `format`.",
        )
    if sample_rate not in SAMPLE_RATES:
        raise AudioWriteError(
            f"A stem file has 44100 or 48000 Hz, not {sample_rate} Hz.",
            hint="Use a `sample_rate` of 44100 or 48000.",
        )


def _master_warnings(report: WriteReport) -> tuple[str, ...]:
    if not report.num_clipped_samples:
        return ()
    cut = counted(report.num_clipped_samples, "sample was", "samples were")
    return (
        f"{cut} beyond full scale in the mixture and cut: the first track of a stem file keeps the "
        "song's level.",
    )


def _join(streams: Sequence[Path], path: Path, sample_rate: int) -> None:
    """Makes one file of several with one track each. Packets and edit lists stay as they are."""
    import av

    from stemsplit.audio.encode.encode_pyav import as_os_error

    with as_os_error(), ExitStack() as stack:
        # Python opens the files: ffmpeg would take a name with a colon for a protocol.
        opened = [stack.enter_context(stream.open("rb")) for stream in streams]
        inputs = [stack.enter_context(av.open(source)) for source in opened]
        file = stack.enter_context(path.open("xb"))
        # As for the single streams: lengths counted in samples, and no time or version inside.
        options = {"movie_timescale": str(sample_rate), "fflags": "+bitexact"}
        output: Any = stack.enter_context(av.open(file, "w", format="ipod", options=options))
        tracks = [output.add_stream_from_template(source.streams.audio[0]) for source in inputs]
        packets = [source.demux(source.streams.audio[0]) for source in inputs]
        # All have equal lengths and frames, so taking turns is the order of time.
        for turn in zip(*packets, strict=True):
            for track, packet in zip(tracks, turn, strict=True):
                if packet.dts is not None:  # the end of a stream is an empty packet
                    packet.stream = track
                    output.mux(packet)


def _mark(path: Path) -> None:
    """Makes a stem file of an MP4 file with five tracks."""
    moov = read_moov(path)
    for index, header in enumerate(moov.all(b"trak", b"tkhd")):
        flags = _IN_MOVIE if index else _IN_MOVIE | _ENABLED
        # A byte of version, then three of flags.
        header.content = header.content[:1] + struct.pack(">I", flags)[1:] + header.content[4:]
    if not any(child.kind == b"udta" for child in moov.children):
        moov.children.append(Box(b"udta"))
    udta = next(moov.all(b"udta"))
    udta.children.append(Box(b"stem", json.dumps(_manifest()).encode()))
    replace_moov(path, moov)


def _manifest() -> dict[str, Any]:
    return {
        "version": 1,
        "mastering_dsp": _MASTERING,
        "stems": [{"name": name.title(), "color": _COLOURS[name]} for name in STEMS],
    }

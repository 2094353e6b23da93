"""What a separation comes to in Python: named arrays, and the files that they can become."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from stemsplit.audio.encode.encoders import Codec, Container, Encoding, Subtype
from stemsplit.audio.file_names import component
from stemsplit.audio.formats import ClipPolicy
from stemsplit.audio.tags.tag_reader import read_tags
from stemsplit.audio.tags.tagger import Tagger
from stemsplit.audio.write.choose_writer import new_writer
from stemsplit.audio.write.stem_layout import MASTER, STEM_FILE, STEMS
from stemsplit.audio.write.writer import WritePolicy
from stemsplit.engine.checks import Checks
from stemsplit.engine.named_arrays import NamedArrays
from stemsplit.errors import UsageError

_BLOCK_SAMPLES = 1 << 16

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False, repr=False)
class Separation(NamedArrays):
    """The stems of a track: float32 arrays [C, T], as long as the mixture, at `sample_rate` Hz.

    A mapping from names to arrays, those of complements, residual and mixes too. `checks` has the
    levels of all of them, and as `suspicions` why the separation has probably failed. `channels`
    are named as in `stemsplit.audio.channels`. `source`: the song's file, None for an array.
    """

    stems: Mapping[str, np.ndarray]
    sample_rate: int
    channels: tuple[str, ...]
    residual_db: float | None
    checks: Checks
    source: Path | None = None

    def __repr__(self) -> str:
        of_what = "" if self.source is None else f" of {self.source.name}"
        return (
            f"<Separation{of_what}: {', '.join(self)}; "
            f"[{len(self.channels)}, {self.num_samples}] at {self.sample_rate} Hz>"
        )

    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        format: Container = "wav",  # noqa: A002 - the command line's word
        bit_depth: Subtype | Literal[16, 24] | None = None,
        bitrate: int | str | None = None,
        codec: Codec | None = None,
        dither: bool = False,
        clip: ClipPolicy = "common",
        tags: bool = True,
        overwrite: bool = False,
    ) -> dict[str, Path]:
        """The files in `folder` that the stems were written to, by stem: `vocals.wav` and so on.

        The arguments are the command line's options of the same name. All files appear together,
        or none. A stem file (`format="stem.mp4"`) has the song's name, and needs the outputs of a
        `Separator(stem_file=True)`. `tags`: those of the song's file go into the stems.

        Raises:
            UsageError: the options contradict each other, or do not go with these stems.
            OutputExistsError: a file is in the way.
            AudioWriteError: the format cannot hold such a sound, the disk is full, and the like.
        """
        encoding = Encoding(
            container=format,
            subtype=None if bit_depth is None else str(bit_depth),  # type: ignore[arg-type]
            codec=codec,
            bitrate=bitrate,
            dither=dither,
        )
        paths = self._paths(Path(folder), encoding)
        writer = new_writer(
            paths,
            channels=self.channels,
            sample_rate=self.sample_rate,
            num_samples=self.num_samples,
            encoding=encoding,
            policy=WritePolicy(clip=clip, may_replace=lambda _path: overwrite),
        )
        with writer:
            for name, array in self.stems.items():
                for block in torch.split(torch.from_numpy(array), _BLOCK_SAMPLES, dim=-1):
                    writer.write(name, block)
            source = self.source if tags else None
            tagger = None if source is None else Tagger(read_tags(source), source.stem, encoding)
            report = writer.finish(tagger)
            writer.publish()
        if report.gain != 1:
            _log.info("All stems were lowered by %.2f dB so that none clips", -report.gain_db)
        for warning in report.warnings:
            _log.warning("%s", warning)
        return paths

    def _paths(self, folder: Path, encoding: Encoding) -> dict[str, Path]:
        if encoding.container != "stem.mp4":
            return {stem: folder / f"{component(stem)}.{encoding.extension}" for stem in self}
        if set(self) != {MASTER, *STEMS}:
            raise UsageError(
                f"A stem file has {MASTER} and {', '.join(STEMS)}; these are {', '.join(self)}.",
                hint="Separate with `stem_file=True`, or use another `format`.",
            )
        track = "song" if self.source is None else self.source.stem
        return {STEM_FILE: folder / f"{component(track)}.{encoding.extension}"}

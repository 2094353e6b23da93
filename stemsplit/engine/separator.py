"""The Python interface: `Separator("htdemucs").separate("song.mp3")`."""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from stemsplit.engine.blend import Blend
from stemsplit.engine.chain import ChainSeparation, parse_step
from stemsplit.engine.checks import Checks
from stemsplit.engine.choice import Preference, check_permissive, pick_model
from stemsplit.engine.load import load_chain
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import Complement, SeparationOptions
from stemsplit.engine.runtime import Precision, choose_runtime
from stemsplit.engine.separate import ProgressCallback
from stemsplit.errors import UsageError
from stemsplit.hub.choose import Quality

_DEFAULT_MODEL = "htdemucs"

Audio = str | os.PathLike[str] | np.ndarray | Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Separation:
    """The stems of a track: float32 arrays [C, T], as long as the mixture, at `sample_rate` Hz.

    `stems` also holds complements, residual and mixes, by the names of their files. `checks` has
    the levels of all of them, and as `suspicions` why the separation has probably failed.
    """

    stems: Mapping[str, np.ndarray]
    sample_rate: int
    residual_db: float | None
    checks: Checks

    def __getitem__(self, stem: str) -> np.ndarray:
        return self.stems[stem]


@dataclass(frozen=True, slots=True)
class SeparatedBlock:
    """A stretch of every stem: float32 arrays [C, T] that begin at sample `start`."""

    start: int
    stems: Mapping[str, np.ndarray]


class Separator:
    """A loaded model that separates any number of songs.

    `model` is a catalogue name, a path or `hf://owner/repo[@revision]`, as on the command line, and
    htdemucs unless `quality` or `licence` choose another; the other arguments are the command
    line's options of the same name (`mixes` are its `--mix`; `start` and `end` are in seconds).
    Only the networks that the outputs need are loaded.

    Raises:
        ModelError: the model could not be had.
        UsageError: an option makes no sense, or the device is not there.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        quality: Quality | None = None,
        licence: Literal["permissive"] | None = None,
        stems: tuple[str, ...] | list[str] | None = None,
        two_stems: str | None = None,
        complement: Complement = "subtract",
        residual: bool = False,
        sum_to_mix: bool = False,
        mixes: tuple[str, ...] | list[str] = (),
        lfe: str | None = None,
        start: float = 0.0,
        end: float | None = None,
        shifts: int = 0,
        seed: int = 0,
        overlap: float | None = None,
        segment: float | None = None,
        then: tuple[str, ...] | list[str] = (),
        device: str = "auto",
        precision: Precision = "auto",
        batch_size: int | None = None,
        offline: bool = False,
    ) -> None:
        self._options = SeparationOptions(
            stems=None if stems is None else tuple(stems),
            two_stems=two_stems,
            complement=complement,
            residual=residual,
            sum_to_mix=sum_to_mix,
            mixes=tuple(mixes),
            lfe=lfe,
            start_seconds=start,
            end_seconds=end,
            shifts=shifts,
            seed=seed,
            overlap=overlap,
            segment_seconds=segment,
        )
        self._runtime = choose_runtime(device=device, precision=precision, batch_size=batch_size)
        steps = [parse_step(text) for text in then]
        if licence is not None:
            for _, step_model in steps:
                check_permissive(step_model)
        choice = pick_model(
            None if model is None else os.fspath(model),
            Preference(quality=quality, permissive=licence is not None),
            self._options,
            self._runtime,
            offline=offline,
        )
        self._chain = load_chain(
            _DEFAULT_MODEL if choice is None else choice.model,
            steps,
            self._options,
            self._runtime,
            offline=offline,
        )

    @property
    def model(self) -> Blend:
        """The loaded networks, with their stems, sample rates and origins."""
        return self._chain.model

    def separate(
        self,
        audio: Audio,
        *,
        sample_rate: int | None = None,
        on_progress: ProgressCallback | None = None,
    ) -> Separation:
        """The stems of a file, or of an array [C, T] or [T] at `sample_rate` Hz, in memory.

        Raises:
            AudioReadError: the file or array cannot be used.
            UsageError: an array without `sample_rate`.
        """
        stems: dict[str, np.ndarray] = {}
        with self._opened(audio, sample_rate, on_progress) as separation:
            song = separation.song
            for name in self._chain.outputs:
                stems[name] = np.zeros((song.num_channels, song.num_samples), dtype=np.float32)
            for block in separation.blocks():
                for name, samples in block.outputs.items():
                    stop = block.start + samples.shape[-1]
                    stems[name][:, block.start : stop] = samples.numpy()
            checks = separation.checks
        return Separation(
            stems=stems,
            sample_rate=song.sample_rate,
            residual_db=checks.residual_db,
            checks=checks,
        )

    def blocks(
        self,
        audio: Audio,
        *,
        sample_rate: int | None = None,
        on_progress: ProgressCallback | None = None,
    ) -> Iterator[SeparatedBlock]:
        """The same stems as they are finished, block by block, in bounded memory.

        With `then`, what each step makes comes after all of what it is made of, from the start.
        """
        with self._opened(audio, sample_rate, on_progress) as separation:
            for block in separation.blocks():
                stems = {name: samples.numpy() for name, samples in block.outputs.items()}
                yield SeparatedBlock(block.start, stems)

    @contextlib.contextmanager
    def _opened(
        self, audio: Audio, sample_rate: int | None, on_progress: ProgressCallback | None
    ) -> Iterator[ChainSeparation]:
        if isinstance(audio, (np.ndarray, torch.Tensor)):
            if sample_rate is None:
                raise UsageError("An array was given without sample_rate.")
            mixture = Mixture.from_array(audio, sample_rate)
        else:
            mixture = Mixture.from_file(Path(audio))
        with tempfile.TemporaryDirectory(prefix="stemsplit-") as folder:
            names = (Path(folder) / str(number) for number in itertools.count())
            yield ChainSeparation(
                mixture,
                self._chain,
                self._runtime,
                new_spool=lambda: next(names),
                on_progress=on_progress,
            )

"""The Python interface: `Separator("htdemucs").separate("song.mp3")`."""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from stemsplit.device.names import Precision
from stemsplit.device.runtime import choose_runtime
from stemsplit.engine.chain import ChainSeparation
from stemsplit.engine.choice import choose_model
from stemsplit.engine.enrolment import Reference, enrolled
from stemsplit.engine.ensemble import Ensemble
from stemsplit.engine.excerpt import Excerpt
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.named_arrays import SeparatedBlock
from stemsplit.engine.options import Complement, SeparationOptions
from stemsplit.engine.plan import RunPlan
from stemsplit.engine.preference import Preference
from stemsplit.engine.separate import ProgressCallback
from stemsplit.engine.separation import Separation
from stemsplit.engine.session import Session, open_session
from stemsplit.engine.steps import parse_steps
from stemsplit.errors import UsageError, check_number
from stemsplit.hub.catalog import DEFAULT_MODELS, Task
from stemsplit.hub.choose import Quality
from stemsplit.quoting import quoted
from stemsplit.stages import StageCallback, unheard

Audio = str | os.PathLike[str] | np.ndarray | Tensor


class Separator:
    """A loaded model that separates any number of songs.

    `model` is a catalogue name, a path or `hf://owner/repo[@revision]`, as on the command line. By
    default it is the one of the `task`, or what `quality` or `licence` choose; the task "extract"
    needs a `reference`, a recording of the wanted voice. The other arguments are the command
    line's options of the same name (`mixes` are its `--mix`; `start` and `end` are in seconds;
    `stem_file` gives what a stem file holds, the mixture and four stems, for `Separation.save`).
    Only the networks that the outputs need are loaded; `on_stage` hears of each block that comes
    from the Hub, and of each network that is read.

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
        task: Task = "separate",
        reference: str | os.PathLike[str] | None = None,
        stems: tuple[str, ...] | list[str] | None = None,
        two_stems: str | None = None,
        complement: Complement = "subtract",
        residual: bool = False,
        sum_to_mix: bool = False,
        mixes: tuple[str, ...] | list[str] = (),
        lfe: str | None = None,
        stem_file: bool = False,
        strength: float = 1.0,
        start: float = 0.0,
        end: float | None = None,
        track: int = 1,
        shifts: int = 0,
        seed: int = 0,
        overlap: float | None = None,
        segment: float | None = None,
        then: tuple[str, ...] | list[str] = (),
        device: str | torch.device = "auto",
        precision: Precision = "auto",
        batch_size: int | None = None,
        offline: bool = False,
        on_stage: StageCallback = unheard,
    ) -> None:
        options = _plain(
            stems=stems,
            two_stems=two_stems,
            complement=complement,
            residual=residual,
            sum_to_mix=sum_to_mix,
            mixes=mixes,
            lfe=lfe,
            stem_file=stem_file,
            strength=strength,
            shifts=shifts,
            seed=seed,
            overlap=overlap,
            segment_seconds=segment,
        )
        self._excerpt = Excerpt(**_plain(start_seconds=start, end_seconds=end, audio_track=track))
        plan = RunPlan(
            model=os.fspath(model) if isinstance(model, os.PathLike) else model,
            task=task,
            preference=Preference.of(quality, licence),
            options=SeparationOptions(**options),
            then=parse_steps(then),
            offline=offline,
            devices=str(device) if isinstance(device, torch.device) else device,
            precision=precision,
            **_plain(batch_size=batch_size),
        )
        session = _opened(plan, reference, on_stage)
        self._chain, self._runtime = session.chain, session.runtime

    @property
    def model(self) -> Ensemble:
        """The loaded networks, with their stems, sample rates and origins."""
        return self._chain.model

    def separate(
        self,
        audio: Audio,
        *,
        sample_rate: int | None = None,
        start: float | None = None,
        end: float | None = None,
        track: int | None = None,
        on_progress: ProgressCallback | None = None,
    ) -> Separation:
        """The stems of a file, or of an array [C, T] or [T] at `sample_rate` Hz, in memory.

        `start` and `end` in seconds, and the audio `track` of a file: where they are left out,
        those of the separator.

        Raises:
            AudioReadError: the file or array cannot be used.
            UsageError: an array without `sample_rate`, or a range or track that makes no sense.
        """
        excerpt = self._excerpt_of(start, end, track)
        with self._opened(audio, sample_rate, excerpt, on_progress) as separation:
            song = separation.song
            shape = (len(song.channels), song.num_samples)
            stems = {name: np.zeros(shape, dtype=np.float32) for name in self._chain.outputs}
            for block in separation.blocks():
                for name, array in block.items():
                    stems[name][:, block.start : block.start + block.num_samples] = array
            checks = separation.checks
        return Separation(
            stems=stems,
            sample_rate=song.sample_rate,
            channels=song.channels,
            residual_db=checks.residual_db,
            checks=checks,
            source=song.mixture.info.path if song.mixture.info else None,
        )

    def blocks(
        self,
        audio: Audio,
        *,
        sample_rate: int | None = None,
        start: float | None = None,
        end: float | None = None,
        track: int | None = None,
        on_progress: ProgressCallback | None = None,
    ) -> Iterator[SeparatedBlock]:
        """The same stems as they are finished, block by block, in bounded memory.

        With `then`, what each step makes comes after all of what it is made of, from the start.
        """
        excerpt = self._excerpt_of(start, end, track)
        with self._opened(audio, sample_rate, excerpt, on_progress) as separation:
            yield from separation.blocks()

    def _excerpt_of(self, start: float | None, end: float | None, track: int | None) -> Excerpt:
        given = _plain(start_seconds=start, end_seconds=end, audio_track=track)
        return replace(
            self._excerpt, **{name: value for name, value in given.items() if value is not None}
        )

    @contextlib.contextmanager
    def _opened(
        self,
        audio: Audio,
        sample_rate: int | None,
        excerpt: Excerpt,
        on_progress: ProgressCallback | None,
    ) -> Iterator[ChainSeparation]:
        if isinstance(audio, (np.ndarray, torch.Tensor)):
            if sample_rate is None:
                raise UsageError("An array was given without `sample_rate`.")
            check_number("sample_rate", sample_rate, whole=True)
            mixture = Mixture.from_array(audio, _plain_value(sample_rate), excerpt)
        elif isinstance(audio, (str, os.PathLike)):
            mixture = Mixture.from_file(Path(audio), excerpt=excerpt)
        else:
            raise UsageError(
                f"`audio` must be a path, an array or a tensor, got {quoted(audio)}.",
                hint="An array is [C, T], floating point, with `sample_rate`.",
            )
        with tempfile.TemporaryDirectory(prefix="stemsplit-") as folder:
            names = (Path(folder) / str(number) for number in itertools.count())
            yield ChainSeparation(
                self._chain.scan(mixture),
                self._chain,
                self._runtime,
                new_spool=lambda: next(names),
                on_progress=on_progress,
            )


def _opened(
    plan: RunPlan, reference: str | os.PathLike[str] | None, on_stage: StageCallback
) -> Session:
    """Who calls a library does not read notes: no other model takes the place of a chosen one."""
    runtime = choose_runtime(
        device=plan.devices, precision=plan.precision, batch_size=plan.batch_size
    )
    named = choose_model(plan, runtime.device).model or DEFAULT_MODELS[plan.task][0]
    plan = replace(plan, model=named, preference=Preference())
    if (plan.task == "extract") != (reference is not None):
        raise UsageError("The task 'extract' and a `reference` go together.")
    voice = None if reference is None else Reference.of_file(Path(reference))
    session = open_session(plan, runtimes=[runtime], on_stage=on_stage)
    return session if voice is None else replace(session, chain=enrolled(session.chain, voice))


def _plain(**values: Any) -> dict[str, Any]:
    """Python's numbers for NumPy's, and tuples for lists: what the dataclasses hold."""
    return {name: _plain_value(value) for name, value in values.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    is_list = isinstance(value, Iterable) and not isinstance(value, str)
    return tuple(value) if is_list else value

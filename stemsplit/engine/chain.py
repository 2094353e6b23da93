"""Stems that go through models of their own: `then=["vocals: karaoke"]`.

The model of a step runs over an output of what comes before it, the parent, as if that were a song.
What it takes apart are the children; they are called parent_child, and together with their residual
they are the parent. The parent waits on the disk as raw floats, so that memory does not depend on
the length of the song, and so that any model may listen to it twice, as to any song. Of a part of a
song (`start`, `end`) the steps hear that part only.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from stemsplit.audio.encode.encoders import Spool, read_spool
from stemsplit.audio.formats import SampleRate
from stemsplit.audio.write.output_files import writing
from stemsplit.device.runtime import Runtime
from stemsplit.engine.checks import Checks
from stemsplit.engine.ensemble import Ensemble, coarsest
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import SeparationOptions, choose_outputs
from stemsplit.engine.separate import Progress, ProgressCallback, TrackSeparation
from stemsplit.engine.steps import first_parents
from stemsplit.errors import UsageError
from stemsplit.stages import StageCallback, unheard


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A model for the output `parent`. `child_names`: what its stems are called then, if not so."""

    parent: str
    model: Ensemble
    child_names: Mapping[str, str]

    @property
    def options(self) -> SeparationOptions:
        """All stems, and what they leave over, unless one of them is just that."""
        bags = self.model.bags
        sums_up = len(bags) == 1 and bags[0].stems != bags[0].network_stems
        return SeparationOptions(residual=not sums_up)

    @property
    def children(self) -> dict[str, str]:
        """The names of the outputs, by the names that the model has for them."""
        outputs = choose_outputs(self.model.stems, self.options)
        stems = [output.name for output in outputs]
        return {stem: f"{self.parent}_{self.child_names.get(stem, stem)}" for stem in stems}


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """The model of the song, what is wanted of it, and the steps after it.

    Raises:
        UnknownStemError, UsageError: a step's parent is no output of what comes before it, or two
            outputs have one name.
    """

    model: Ensemble
    options: SeparationOptions
    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        if self.steps and self.options.stem_file:
            raise UsageError(
                "A stem file always holds the mixture and its four stems, and no `then`.",
                hint="Leave out `then`, or use another `format`.",
            )
        of_song = choose_outputs(self.model.stems, self.options, self.song_parents)
        names = [output.name for output in of_song]
        for step in self.steps:
            if step.parent not in names:
                raise UsageError(
                    f"`then` {step.parent!r}: there is no such output before this step.",
                    hint=f"There are {', '.join(names)}.",
                )
            for child in step.children.values():
                # Some file systems ignore case.
                if child.casefold() in [name.casefold() for name in names]:
                    raise UsageError(
                        f"`then` {step.parent!r}: there is an output {child!r} already.",
                        hint="Choose another model for this step, or another name for the mix.",
                    )
                names.append(child)

    @property
    def song_parents(self) -> tuple[str, ...]:
        """The outputs or stems that the song's own model gives to steps."""
        return first_parents([step.parent for step in self.steps])

    @property
    def song_outputs(self) -> tuple[str, ...]:
        """The names of what is written of the song's own model, in the order of writing."""
        return tuple(output.name for output in choose_outputs(self.model.stems, self.options))

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of all that is written."""
        children = [child for step in self.steps for child in step.children.values()]
        return (*self.song_outputs, *children)

    @property
    def precision(self) -> str:
        """The coarsest that any of the networks computes in."""
        return coarsest(model.precision for model, _ in self.stages)

    @property
    def stages(self) -> tuple[tuple[Ensemble, SeparationOptions], ...]:
        """The models in the order in which they run, each with what is wanted of it."""
        return ((self.model, self.options), *((step.model, step.options) for step in self.steps))


@dataclass(frozen=True, slots=True)
class NamedBlock:
    """A stretch [C, T] of some of the outputs, from sample `start` on."""

    start: int
    outputs: Mapping[str, Tensor]


class ChainSeparation:
    """The separation of one track by a chain, ready to stream; `song` is that of the track itself.

    `new_spool` gives the path of a new temporary file for each parent.
    """

    def __init__(
        self,
        mixture: Mixture,
        chain: Chain,
        runtime: Runtime,
        *,
        sample_rate: SampleRate = "source",
        new_spool: Callable[[], Path],
        on_progress: ProgressCallback | None = None,
        on_stage: StageCallback = unheard,
    ) -> None:
        self._chain = chain
        self._runtime = runtime
        self._new_spool = new_spool
        self._on_progress = on_progress
        self._on_stage = on_stage
        self._spools: dict[str, Path] = {}
        self._finished: list[tuple[Step, TrackSeparation]] = []
        self.song = TrackSeparation(
            mixture,
            chain.model,
            runtime,
            chain.options,
            sample_rate=sample_rate,
            parents=chain.song_parents,
            on_progress=self._progress_of(0),
            on_stage=on_stage,
        )

    @property
    def warnings(self) -> list[str]:
        """What the user should know, as far as the work has come."""
        tracks = (self.song, *(track for _, track in self._finished))
        return list(dict.fromkeys(warning for track in tracks for warning in track.warnings))

    @property
    def checks(self) -> Checks:
        """What was measured so far; of the steps, the levels and suspicions."""
        checks = self.song.checks
        written = self._chain.song_outputs
        stems = {name: check for name, check in checks.stems.items() if name in written}
        suspicions = list(checks.suspicions)
        for step, track in self._finished:
            own = track.checks
            stems |= {step.children[stem]: check for stem, check in own.stems.items()}
            suspicions += [f"{step.parent}, then: {text}" for text in own.suspicions]
        return replace(checks, stems=stems, suspicions=tuple(suspicions))

    def blocks(self) -> Generator[NamedBlock, None, None]:
        """All outputs: first those of the song's own model from start to end, then each step's."""
        with ExitStack() as stack:
            yield from self._stage(self.song, {}, stack)
            for index, step in enumerate(self._chain.steps, start=1):
                track = self._open(step, index)
                self._finished.append((step, track))
                yield from self._stage(track, step.children, stack)

    def _stage(
        self, track: TrackSeparation, names: Mapping[str, str], stack: ExitStack
    ) -> Iterator[NamedBlock]:
        """The blocks of one model, whose outputs get their `names`; parents are kept as well."""
        outputs = [names.get(output.name, output.name) for output in track.outputs]
        parents = {step.parent for step in self._chain.steps} & set(outputs)
        spools = {parent: self._open_spool(parent, stack) for parent in sorted(parents)}
        written = self._chain.outputs
        for block in track.blocks():
            samples = dict(zip(outputs, block.samples, strict=True))
            for parent, spool in spools.items():
                with writing(self._spools[parent]):
                    spool.write(samples[parent])
            wanted = {name: samples[name] for name in outputs if name in written}
            yield NamedBlock(block.start, wanted)
        for parent, spool in spools.items():
            with writing(self._spools[parent]):
                spool.close()

    def _open_spool(self, parent: str, stack: ExitStack) -> Spool:
        path = self._spools[parent] = self._new_spool()
        stack.callback(path.unlink, missing_ok=True)
        with writing(path):
            spool = Spool(path)
        stack.callback(spool.close)  # a second time does nothing; and before the file is removed
        return spool

    def _open(self, step: Step, index: int) -> TrackSeparation:
        path, num_channels = self._spools[step.parent], self.song.num_channels
        mixture = Mixture(
            name=step.parent,
            sample_rate=self.song.sample_rate,
            channels=self.song.channels,
            open_blocks=lambda: read_spool(path, num_channels),
        )
        progress = self._progress_of(index)
        return TrackSeparation(
            mixture,
            step.model,
            self._runtime,
            step.options,
            on_progress=progress,
            on_stage=self._on_stage,
        )

    def _progress_of(self, stage: int) -> ProgressCallback | None:
        """Each model counts the same: how long it takes is not known before it has run."""
        callback, num_stages = self._on_progress, 1 + len(self._chain.steps)
        if callback is None:
            return None

        def on_progress(progress: Progress) -> None:
            num_done = stage * progress.num_chunks + progress.num_done
            callback(Progress(num_done, num_stages * progress.num_chunks))

        return on_progress

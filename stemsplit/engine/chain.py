"""Stems that go through models of their own: `then=["vocals: karaoke"]`.

The model of a step runs over an output of what comes before it, the parent, as if that were a song.
What it takes apart are the children; they are called parent_child, and together with their residual
they are the parent. The parent waits on the disk as raw floats, so that memory does not depend on
the length of the song, and so that any model may listen to it twice, as to any song. Of a part of a
song (`start`, `end`) the steps hear that part only.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from stemsplit.audio.encode.encoders import Spool, read_spool
from stemsplit.audio.formats import SampleRate
from stemsplit.audio.write.output_files import writing
from stemsplit.device.runtime import Runtime
from stemsplit.engine.checks import Checks
from stemsplit.engine.ensemble import Ensemble, coarsest
from stemsplit.engine.meters import TrackMeters
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.named_arrays import SeparatedBlock
from stemsplit.engine.options import SeparationOptions, choose_outputs
from stemsplit.engine.scan import scan
from stemsplit.engine.separate import Progress, ProgressCallback, separate_blocks
from stemsplit.engine.separation_plan import SeparationPlan
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

    def scan(
        self,
        mixture: Mixture,
        *,
        sample_rate: SampleRate = "source",
        on_stage: StageCallback = unheard,
    ) -> SeparationPlan:
        """The first pass over a song, for its own model: see `stemsplit.engine.scan`."""
        return scan(
            mixture,
            self.model,
            self.options,
            sample_rate=sample_rate,
            parents=self.song_parents,
            on_stage=on_stage,
        )

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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stage:
    """One model of a chain at work; `step` None is the song's own."""

    plan: SeparationPlan
    meters: TrackMeters
    step: Step | None = None

    @property
    def names(self) -> list[str]:
        """Of its outputs, in the chain."""
        children = {} if self.step is None else self.step.children
        return [children.get(name, name) for name in self.plan.names]


class ChainSeparation:
    """The separation of one track by a chain; the `song` was planned by `Chain.scan`.

    `new_spool` gives the path of a new temporary file for each parent.
    """

    def __init__(
        self,
        song: SeparationPlan,
        chain: Chain,
        runtime: Runtime,
        *,
        new_spool: Callable[[], Path],
        on_progress: ProgressCallback | None = None,
        on_stage: StageCallback = unheard,
    ) -> None:
        self.song = song
        self._chain = chain
        self._runtime = runtime
        self._new_spool = new_spool
        self._on_progress = on_progress
        self._on_stage = on_stage
        self._spools: dict[str, Path] = {}
        self._stages = [_Stage(plan=song, meters=song.new_meters())]

    @property
    def warnings(self) -> list[str]:
        """What the user should know, as far as the work has come."""
        warnings = (warning for stage in self._stages for warning in stage.plan.warnings)
        return list(dict.fromkeys(warnings))

    @property
    def checks(self) -> Checks:
        """What was measured so far; of the steps, the levels and suspicions."""
        of_song, *of_steps = (stage.meters.checks() for stage in self._stages)
        written = self._chain.song_outputs
        stems = {name: check for name, check in of_song.stems.items() if name in written}
        suspicions = list(of_song.suspicions)
        for stage, own in zip(self._stages[1:], of_steps, strict=True):
            stems |= dict(zip(stage.names, own.stems.values(), strict=True))
            suspicions += [f"{stage.plan.mixture.name}, then: {text}" for text in own.suspicions]
        return replace(of_song, stems=stems, suspicions=tuple(suspicions))

    def blocks(self) -> Generator[SeparatedBlock, None, None]:
        """All outputs: first those of the song's own model from start to end, then each step's."""
        parents = {step.parent for step in self._chain.steps}
        with ExitStack() as stack:
            for step in (None, *self._chain.steps):
                if step is not None:
                    self._stages.append(self._plan_step(step))
                stage = self._stages[-1]
                names, written = stage.names, set(stage.names) & set(self._chain.outputs)
                spools = {name: self._open_spool(name, stack) for name in names if name in parents}
                for block in separate_blocks(
                    stage.plan, self._runtime, meters=stage.meters, on_progress=self._progress()
                ):
                    stems = dict(zip(names, block.stems, strict=True))
                    for name, spool in spools.items():
                        with writing(self._spools[name]):
                            spool.write(stems[name])
                    yield SeparatedBlock(
                        block.start,
                        {name: stems[name].numpy() for name in names if name in written},
                    )
                for name, spool in spools.items():
                    with writing(self._spools[name]):
                        spool.close()

    def _open_spool(self, parent: str, stack: ExitStack) -> Spool:
        path = self._spools[parent] = self._new_spool()
        stack.callback(path.unlink, missing_ok=True)
        with writing(path):
            spool = Spool(path)
        stack.callback(spool.close)  # a second time does nothing; and before the file is removed
        return spool

    def _plan_step(self, step: Step) -> _Stage:
        path, num_channels = self._spools[step.parent], len(self.song.channels)
        mixture = Mixture(
            name=step.parent,
            sample_rate=self.song.sample_rate,
            channels=self.song.channels,
            open_blocks=lambda: read_spool(path, num_channels),
        )
        plan = scan(mixture, step.model, step.options, on_stage=self._on_stage)
        return _Stage(plan=plan, meters=plan.new_meters(), step=step)

    def _progress(self) -> ProgressCallback | None:
        """Each model counts the same: how long it takes is not known before it has run."""
        callback, num_before = self._on_progress, len(self._stages) - 1
        if callback is None:
            return None

        def on_progress(progress: Progress) -> None:
            num_done = num_before * progress.num_chunks + progress.num_done
            callback(Progress(num_done, (1 + len(self._chain.steps)) * progress.num_chunks))

        return on_progress

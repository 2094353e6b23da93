"""The first pass over a song: how long it is, how each bag hears it, and so what is to be done."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from torch import Tensor

from stemsplit.audio.blocks import fan_out
from stemsplit.audio.channels import ChannelGrouping, layout_is_known
from stemsplit.audio.formats import SampleRate
from stemsplit.audio.info import StatsAccumulator
from stemsplit.audio.write.stem_layout import stem_file_rate
from stemsplit.engine.bag import Bag
from stemsplit.engine.ensemble import Ensemble, EnsemblePart
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.model_input import ModelInput, Scaling, to_model_input
from stemsplit.engine.options import (
    SeparationOptions,
    choose_lfe_stem,
    choose_outputs,
    needed_stems,
)
from stemsplit.engine.passes import plan_passes
from stemsplit.engine.ranges import TrackRanges, choose_range, range_warnings
from stemsplit.engine.separation_plan import PlannedBag, SeparationPlan
from stemsplit.stages import Stage, StageCallback, unheard


def scan(
    mixture: Mixture,
    model: Ensemble,
    options: SeparationOptions,
    *,
    sample_rate: SampleRate = "source",
    parents: Sequence[str] = (),
    on_stage: StageCallback = unheard,
) -> SeparationPlan:
    """What is to be done about a song, which is read once to know it.

    `sample_rate`: of the outputs in Hz, or the source's, or the model's. `parents`: outputs or
    stems that something else will be made of. Those that are no outputs come after them.
    `on_stage` hears of each block.

    Raises:
        AudioReadError: the song cannot be read, or has nothing where something is wanted.
    """
    outputs = choose_outputs(model.stems, options, parents)
    stems = needed_stems(model.stems, outputs)
    lfe_stem = choose_lfe_stem(model.stems, options)
    output_rate = _output_rate(mixture, model, options, sample_rate)
    parts = [part for part in model.parts if any(map(part.weights.get, stems))]
    if any(part.hears for part in parts) and parts[0] is not model.parts[0]:
        parts.insert(0, model.parts[0])
    groupings = [part.bag.grouping(mixture.channels) for part in parts]
    num_samples, scalings = _measure(mixture, parts, groupings, on_stage)
    ranges = TrackRanges(
        source_rate=mixture.sample_rate,
        model_rate=model.sample_rate,
        output_rate=output_rate,
        num_source_samples=num_samples,
        source_range=choose_range(mixture, num_samples),
    )
    return SeparationPlan(
        mixture=mixture,
        outputs=outputs,
        stems=stems,
        is_complete=stems == model.stems,
        lfe_stem=lfe_stem,
        sample_rate=output_rate,
        source_samples=num_samples,
        bags=_plan_bags(list(zip(parts, groupings, scalings, strict=True)), ranges, stems, options),
        warnings=(
            *model.notes(options),
            *mixture.warnings,
            *range_warnings(mixture, num_samples),
            *_channel_notes(mixture.channels, parts[0].bag, groupings[0], lfe_stem),
            *_rate_notes(mixture, output_rate, sample_rate),
        ),
    )


def _measure(
    mixture: Mixture,
    parts: Sequence[EnsemblePart],
    groupings: Sequence[ChannelGrouping],
    on_stage: StageCallback,
) -> tuple[int, list[list[Scaling]]]:
    """The song's true length in samples, and for each bag the scaling of each channel group.

    The statistics are those of a channel group as the model hears it, after resampling, because the
    reference implementation measures there. What is not scaled needs none.
    """
    source = _CountedSource(mixture, on_stage)
    wanted = [
        (part.bag, part.bag.scaling, channels)
        for part, grouping in zip(parts, groupings, strict=True)
        for channels in grouping.groups
        if part.bag.scaling is not None
    ]
    song, *branches = fan_out(source.blocks(), 1 + len(wanted))
    heard = [
        to_model_input(branch, channels, mixture.sample_rate, bag)
        for (bag, _, channels), branch in zip(wanted, branches, strict=True)
    ]
    statistics = [StatsAccumulator() for _ in wanted]
    # A resampler may come out with one more block.
    for _, *blocks in itertools.zip_longest(song, *heard):
        for (_, scaling, _), measured, block in zip(wanted, statistics, blocks, strict=True):
            if block is not None:
                measured.add(scaling.measured(block))
    scalings = iter(
        Scaling.of(measured.result(), scaling)
        for (_, scaling, _), measured in zip(wanted, statistics, strict=True)
    )
    return source.num_samples, [
        [Scaling() if part.bag.scaling is None else next(scalings) for _ in grouping.groups]
        for part, grouping in zip(parts, groupings, strict=True)
    ]


class _CountedSource:
    """A song's blocks, counted as they are played."""

    def __init__(self, mixture: Mixture, on_stage: StageCallback) -> None:
        self._mixture = mixture
        self._on_stage = on_stage
        self.num_samples = 0

    def blocks(self) -> Iterator[Tensor]:
        info = self._mixture.info
        for block in self._mixture.open_blocks():
            self.num_samples += block.shape[-1]
            self._on_stage(
                Stage(
                    kind="scanning",
                    name=self._mixture.name,
                    num_done=self.num_samples,
                    num_total=None if info is None else info.num_samples,
                )
            )
            yield block


_MeasuredPart = tuple[EnsemblePart, ChannelGrouping, Sequence[Scaling]]


def _plan_bags(
    parts: Sequence[_MeasuredPart],
    ranges: TrackRanges,
    stems: Sequence[str],
    options: SeparationOptions,
) -> tuple[PlannedBag, ...]:
    """What each bag does. The first comes last: what others hear of it is known by then."""
    planned: list[PlannedBag] = []
    for index, part in reversed(list(enumerate(parts))):
        hearing = [bag for bag in planned if bag.hears is not None and index == 0]
        planned.insert(0, _plan_bag(part, ranges, stems, options, hearing))
    return tuple(planned)


def _plan_bag(
    measured: _MeasuredPart,
    ranges: TrackRanges,
    stems: Sequence[str],
    options: SeparationOptions,
    hearing: Sequence[PlannedBag],
) -> PlannedBag:
    """`hearing`: the bags that hear stems of this one."""
    part, grouping, scalings = measured
    bag, weights = part.bag, {stem: part.weights.get(stem, 0.0) for stem in stems}
    weights = {stem: weight for stem, weight in weights.items() if weight}
    ranges = replace(ranges, model_rate=bag.sample_rate)
    heard = [each.hears for each in hearing if each.hears is not None]
    run = bag.stems_to_run(tuple(dict.fromkeys((*weights, *heard))))
    wanted = ranges.model_range
    for each in (model_input for other in hearing for model_input in other.inputs):
        # Whole seconds: there every rate has a sample.
        start = min(wanted.start, each.reach.start) // bag.sample_rate * bag.sample_rate
        wanted = range(start, max(wanted.stop, each.reach.stop))
    passes = plan_passes(bag, run, ranges.num_model_samples, options, wanted)
    inputs = (
        ModelInput(bag=bag, channels=channels, scaling=scaling, ranges=ranges, passes=passes)
        for channels, scaling in zip(grouping.groups, scalings, strict=True)
    )
    return PlannedBag(
        bag=bag,
        weights=weights,
        run=run,
        hears=part.hears,
        inputs=tuple(inputs),
        low=grouping.low,
    )


def _output_rate(
    mixture: Mixture, model: Ensemble, options: SeparationOptions, wanted: SampleRate
) -> int:
    if wanted == "source":
        return stem_file_rate(mixture.sample_rate) if options.stem_file else mixture.sample_rate
    return model.sample_rate if wanted == "model" else wanted


def _rate_notes(mixture: Mixture, sample_rate: int, wanted: SampleRate) -> list[str]:
    if wanted != "source" or sample_rate == mixture.sample_rate:
        return []
    return [
        f"The stem file of {mixture.name} has {sample_rate} Hz in place of {mixture.sample_rate} "
        "Hz, which DJ software does not load."
    ]


def _channel_notes(
    channels: Sequence[str], bag: Bag, grouping: ChannelGrouping, lfe_stem: str
) -> list[str]:
    """How a song with more channels than a model takes was taken apart, in one sentence."""
    if not bag.ordered and len(channels) > 1:
        num = len(channels)
        return [f"{bag.name} heard the mean of the {num} channels, and has the same for each."]
    if len(channels) <= 2:
        return []
    groups = ", ".join("+".join(channels[i] for i in group) for group in grouping.groups)
    unknown = "" if layout_is_known(channels) else " of an unknown layout"
    low = "".join(f"; {channels[i]} went to {lfe_stem} as it is" for i in grouping.low)
    return [f"{len(channels)} channels{unknown} were separated as {groups}{low}."]

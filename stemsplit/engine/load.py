"""From a resolved checkpoint to networks on a device."""

from __future__ import annotations

from collections.abc import Sequence

from stemsplit.checkpoints.contents import read_tensors
from stemsplit.device.runtime import Runtime
from stemsplit.engine.bag import Bag, BagMember, Mixer, differing_property
from stemsplit.engine.chain import Chain, Step
from stemsplit.engine.ensemble import Ensemble, EnsemblePart, coarsest
from stemsplit.engine.network_files import build_network
from stemsplit.engine.options import SeparationOptions, choose_outputs, needed_stems
from stemsplit.engine.plan import RunPlan
from stemsplit.engine.speaker_selection import finds_voices
from stemsplit.engine.steps import first_parents
from stemsplit.errors import CheckpointError, UsageError
from stemsplit.hub.cache import offline_by_environment
from stemsplit.hub.catalog import DEFAULT_MODELS
from stemsplit.hub.expression import resolve_expression
from stemsplit.hub.model_files import ModelSource
from stemsplit.hub.recipe import EnsembleSource
from stemsplit.hub.transfer import Connection
from stemsplit.models.registry import BUILT_IN
from stemsplit.quoting import counted
from stemsplit.stages import Stage, StageCallback, unheard


def load_ensemble(
    source: EnsembleSource,
    options: SeparationOptions,
    runtime: Runtime,
    *,
    parents: Sequence[str] = (),
    on_stage: StageCallback = unheard,
    extracts: Connection | None = None,
) -> Ensemble:
    """The networks that the outputs in `options` need; the others are neither fetched nor read.

    `parents`: outputs or stems that something else will be made of. `extracts`: where one voice is
    wanted, how the network that knows voices can be had.

    Raises:
        ModelError: a file could not be had, is damaged, or is not a network of a known family.
        UnknownStemError: `options` name a stem that the model does not have.
        UsageError: the models do not go together.
    """
    loaders = [_Loader(model, on_stage, extracts) for model in source.models]
    weights = source.weights([loader.stems for loader in loaders])
    stems = tuple(weights)
    needed = needed_stems(stems, choose_outputs(stems, options, parents))
    own = [
        {stem: share[index] for stem, share in weights.items() if index in share}
        for index in range(len(loaders))
    ]
    wanted = [[stem for stem in needed if stem in stem_weights] for stem_weights in own]
    heard = [stem for index, stem in source.hears.items() if wanted[index]]
    wanted[0] += [stem for stem in dict.fromkeys(heard) if stem not in wanted[0]]
    parts = [
        EnsemblePart(
            bag=loader.load(wanted[index], runtime),
            weights=own[index],
            hears=source.hears.get(index),
        )
        for index, loader in enumerate(loaders)
        if wanted[index]
    ]
    _check_order([part.bag for part in parts], options)
    return Ensemble(name=source.name, stems=stems, parts=tuple(parts))


def load_chain(plan: RunPlan, runtime: Runtime, *, on_stage: StageCallback = unheard) -> Chain:
    """The model that the plan names (`resolve_expression`), and the steps after it.

    All models are found before any network is fetched.

    Raises:
        UsageError: the models or the steps do not go together.
        ModelError, UnknownStemError: as `resolve_expression` and `load_ensemble`.
    """
    names = (plan.model or DEFAULT_MODELS[plan.task][0], *(model for _, model in plan.then))
    source, *step_sources = (
        resolve_expression(name, offline=plan.offline, on_stage=on_stage) for name in names
    )
    parents = first_parents([parent for parent, _ in plan.then])
    offline = plan.offline or offline_by_environment()
    model = load_ensemble(
        source,
        plan.options,
        runtime,
        parents=parents,
        on_stage=on_stage,
        extracts=Connection(offline=offline, on_stage=on_stage) if plan.task == "extract" else None,
    )
    steps = [
        Step(
            parent=parent,
            model=load_ensemble(step_source, SeparationOptions(), runtime, on_stage=on_stage),
            child_names=step_source.child_names,
        )
        for (parent, _), step_source in zip(plan.then, step_sources, strict=True)
    ]
    return Chain(model=model, options=plan.options, steps=tuple(steps))


class _Loader:
    """The networks of one model, as far as they were needed so far."""

    def __init__(
        self, source: ModelSource, on_stage: StageCallback, extracts: Connection | None
    ) -> None:
        self._source = source
        self._extracts = extracts
        self._on_stage = on_stage
        self._members: dict[int, BagMember] = {}

    @property
    def stems(self) -> tuple[str, ...]:
        """What the model offers. If its files have to tell, the first one is read here."""
        if self._source.stems is not None and self._extracts is None:
            return self._source.stems
        return self._member(0).model.spec.offered_stems

    def load(self, wanted: Sequence[str], runtime: Runtime) -> Bag:
        """The networks that have a say in any of the `wanted` stems, on the device."""
        source = self._source
        needed = self._needed_members(wanted)
        members = []
        for position, index in enumerate(needed):
            self._tell(position, len(needed))
            members.append(self._member(index))
        self._tell(len(needed), len(needed))
        _check_bag(source, self.stems, members)
        precision = coarsest([runtime.prepare(member.model) for member in members])
        return Bag(
            name=source.name,
            origin=source.origin,
            revision=source.revision,
            licence=source.entry.licence if source.entry else "unknown",
            precision=precision,
            members=tuple(members),
            joined_stems=_joined_stems(source),
            segment_seconds=source.segment_seconds,
            overlap=source.overlap,
            own_scaling=source.scaling,
            mixer=_load_mixer(source),
        )

    def _tell(self, num_done: int, num_total: int) -> None:
        if self._source.members:  # what is built in is there at once
            name = self._source.name
            self._on_stage(Stage(kind="loading", name=name, num_done=num_done, num_total=num_total))

    def _needed_members(self, wanted: Sequence[str]) -> list[int]:
        weights = self._source.weights
        if weights is None or self._source.mixer is not None:
            return list(range(max(1, len(self._source.members))))
        for row in weights:
            if len(row) != len(self.stems):
                found = counted(len(row), "stem")
                raise CheckpointError(
                    f"{self._source.origin}: the bag has weights for {found}, but its networks "
                    f"have {len(self.stems)}: {', '.join(self.stems)}."
                )
        columns = [self.stems.index(stem) for stem in wanted]
        return [index for index, row in enumerate(weights) if any(row[each] for each in columns)]

    def _member(self, index: int) -> BagMember:
        if index not in self._members:
            built_in = not self._source.members
            member = _built_in(self._source) if built_in else _load_member(self._source, index)
            if self._extracts is not None:
                member = finds_voices(member, self._extracts)
            self._members[index] = member
        return self._members[index]


def _joined_stems(source: ModelSource) -> tuple[str, ...] | None:
    """All stems of a model whose networks have some of them each; None of any other."""
    return source.stems if any(member.stems for member in source.members) else None


def _load_mixer(source: ModelSource) -> Mixer | None:
    if source.mixer is None or source.read_mixer is None:
        return None
    return Mixer(source.read_mixer(read_tensors(source.mixer.fetch())), source.mixer.sha256)


def _built_in(source: ModelSource) -> BagMember:
    model = BUILT_IN[source.name].build()  # as all sources without members
    weights = (1.0,) * len(model.spec.stems)
    return BagMember(model=model, weights=weights, signature=source.name, sha256=None)


def _load_member(source: ModelSource, index: int) -> BagMember:
    member = source.members[index]
    model = build_network(member)
    expected = _joined_stems(source) and (member.stems or source.stems)
    if expected and model.spec.stems != expected:
        raise CheckpointError(
            f"{source.origin}: {member.file_name} should have the stems {', '.join(expected)}, "
            f"but has {', '.join(model.spec.stems)}."
        )
    num_stems = len(model.spec.stems)
    return BagMember(
        model=model,
        weights=(1.0,) * num_stems if source.weights is None else source.weights[index],
        signature=member.signature,
        sha256=member.sha256,
    )


def _check_order(bags: Sequence[Bag], options: SeparationOptions) -> None:
    """Raises a UsageError where stems without an order would be added to stems of another order."""
    for bag in bags:
        if bag.ordered:
            continue
        reason = f"{bag.name} tells speakers apart, and not who is who"
        if len(bags) > 1:
            raise UsageError(f"{reason}, so it goes with no other model.", hint="Run it alone.")
        if options.shifts:
            raise UsageError(
                f"{reason}, so there is nothing to average.", hint="Leave `shifts` out."
            )
        if options.overlap == 0:
            raise UsageError(
                f"{reason}: that is seen where chunks overlap.", hint="Leave `overlap` out."
            )


def _check_bag(source: ModelSource, stems: Sequence[str], members: Sequence[BagMember]) -> None:
    models = [member.model for member in members]
    joined = _joined_stems(source) is not None
    difference = differing_property(models, joined=joined)
    if difference is not None:
        raise CheckpointError(f"{source.origin}: the bag's networks differ in {difference}.")
    if len(models) > 1 and not models[0].spec.ordered:
        raise CheckpointError(f"{source.origin}: outputs without an order cannot be averaged.")
    found = models[0].spec.offered_stems
    if not joined and found != tuple(stems):
        raise CheckpointError(
            f"{source.origin}: expected the stems {', '.join(stems)}, but the network has "
            f"{', '.join(found)}."
        )

"""From a resolved checkpoint to networks on a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from stemsplit.engine.ensemble import Ensemble, EnsembleMember, differing_property
from stemsplit.engine.memory import keep_freed_memory
from stemsplit.engine.options import SeparationOptions, choose_outputs, needed_stems
from stemsplit.engine.runtime import Runtime
from stemsplit.errors import CheckpointError
from stemsplit.hub.member_weights import GraphWeights, read_member
from stemsplit.hub.source import Member, ModelSource
from stemsplit.hub.weights import Weights
from stemsplit.models.placed import Placed
from stemsplit.models.recognize import recognize, recognize_graph
from stemsplit.models.registry import build_model
from stemsplit.models.spec import Model
from stemsplit.models.spectral.model import SpectralSeparator

BUILT_IN: Mapping[str, Callable[[], Model]] = {"spectral": SpectralSeparator}
"""Models that have no files: a source without members is one of these."""

_PRECISIONS = ("fp32", "fp16", "bf16")  # from the finest to the coarsest


def load_ensemble(source: ModelSource, options: SeparationOptions, runtime: Runtime) -> Ensemble:
    """The networks that the outputs in `options` need; the others are neither fetched nor read.

    The process's allocator is told what to do with memory that is freed (`engine.memory`).

    Raises:
        ModelError: a file could not be had, is damaged, or is not a network of a known family.
        UnknownStemError: `options` name a stem that the model does not have.
    """
    keep_freed_memory()
    members = _load_members(source, options) if source.members else [_built_in(source, options)]
    precisions = {runtime.prepare(member.model) for member in members}
    return Ensemble(
        name=source.name,
        origin=source.origin,
        revision=source.revision,
        licence=source.entry.licence if source.entry else "unknown",
        precision=max(precisions, key=_PRECISIONS.index),
        members=tuple(members),
        segment_seconds=source.segment_seconds,
    )


def _built_in(source: ModelSource, options: SeparationOptions) -> EnsembleMember:
    model = BUILT_IN[source.name]()
    choose_outputs(model.spec.offered_stems, options)  # an unknown stem is found before any work
    weights = (1.0,) * len(model.spec.stems)
    return EnsembleMember(model=model, weights=weights, signature=source.name, sha256=None)


def _load_members(source: ModelSource, options: SeparationOptions) -> list[EnsembleMember]:
    loaded: dict[int, EnsembleMember] = {}
    stems = source.stems
    if stems is None:  # only a network itself can tell
        loaded[0] = _load_member(source, 0)
        stems = loaded[0].model.spec.offered_stems
    for index in _needed_members(source, stems, options):
        if index not in loaded:
            loaded[index] = _load_member(source, index)
    members = [loaded[index] for index in sorted(_needed_members(source, stems, options))]
    _check_bag(source, stems, members)
    return members


def _needed_members(
    source: ModelSource, stems: Sequence[str], options: SeparationOptions
) -> list[int]:
    """Positions of the members that have a say in any stem that the outputs are made of."""
    if source.weights is None:
        return list(range(len(source.members)))
    rows = [stems.index(stem) for stem in needed_stems(stems, choose_outputs(stems, options))]
    for weights in source.weights:
        if len(weights) != len(stems):
            raise CheckpointError(
                f"{source.origin}: the bag has weights for {len(weights)} stems, but its networks "
                f"have {len(stems)}: {', '.join(stems)}."
            )
    return [
        index for index, weights in enumerate(source.weights) if any(weights[row] for row in rows)
    ]


def _load_member(source: ModelSource, index: int) -> EnsembleMember:
    member = source.members[index]
    model = _build(member)
    if source.stems is not None and member.stems is not None:
        model = _placed(model, member, source)
    num_stems = len(model.spec.stems)
    return EnsembleMember(
        model=model,
        weights=(1.0,) * num_stems if source.weights is None else source.weights[index],
        signature=member.signature,
        sha256=member.sha256,
    )


def _build(member: Member) -> Model:
    content = read_member(member)
    if isinstance(content, Weights):
        return build_model(content.class_name, content.args, content.kwargs, content.tensors)
    if isinstance(content, GraphWeights):
        graph = content.graph
        network = recognize_graph(
            graph.nodes,
            graph.input_shape,
            fingerprint=content.fingerprint,
            settings=content.settings,
        )
    elif content.class_name is not None:
        return build_model(content.class_name, (), content.settings or {}, content.tensors)
    else:
        network = recognize(content.settings, content.tensors, file_name=member.file_name)
    return build_model(network.class_name, (), network.kwargs, network.tensors)


def _placed(model: Model, member: Member, source: ModelSource) -> Model:
    """The network of some of the model's stems, among the others."""
    if model.spec.stems != member.stems:
        raise CheckpointError(
            f"{source.origin}: {member.file_name} should have the stems "
            f"{', '.join(member.stems or ())}, but has {', '.join(model.spec.stems)}."
        )
    return Placed(model, source.stems or ())


def _check_bag(
    source: ModelSource, stems: Sequence[str], members: Sequence[EnsembleMember]
) -> None:
    models = [member.model for member in members]
    difference = differing_property(models)
    if difference is not None:
        raise CheckpointError(f"{source.origin}: the bag's networks differ in {difference}.")
    found = models[0].spec.offered_stems
    if found != tuple(stems):
        raise CheckpointError(
            f"{source.origin}: expected the stems {', '.join(stems)}, but the network has "
            f"{', '.join(found)}."
        )

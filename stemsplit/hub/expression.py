"""Models put together in one reference, each of which runs once.

    expression   mean | STEM=mean {, STEM=mean} [, *=mean]
    mean         term {+ term}
    term         MODEL | MODEL * WEIGHT | WEIGHT * MODEL
    MODEL        a name in the catalogue, a path or hf://owner/repo[@revision]

`vocals=melband_kim,*=htdemucs_ft` takes the vocals of one model and all other stems of another;
`a*2+b` is the mean of two, the first of which counts twice. A path that exists is a path, whatever
it is called; inside of an expression, names and paths have no `+`, `=`, `,` and `*`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stemsplit.errors import ModelError, UsageError
from stemsplit.hub.catalog import CatalogEntry, find_entry, load_catalog
from stemsplit.hub.local_folder import declared_system
from stemsplit.hub.model_files import Availability, ModelSource
from stemsplit.hub.recipe import REST, EnsembleSource, Weights, recipe_weights
from stemsplit.hub.resolve import check_reference, resolve
from stemsplit.quoting import quoted
from stemsplit.stages import StageCallback, unheard

_EXAMPLE = "Examples: a+b, a*2+b, vocals=a,*=b."
_WEIGHT = re.compile(r"\d+\.?\d*|\.\d+")
_MAX_MODELS = 16
_MAX_NAME = 100


def resolve_expression(
    reference: str,
    *,
    offline: bool = False,
    refresh: bool = False,
    on_stage: StageCallback = unheard,
) -> EnsembleSource:
    """The models that `reference` names: one, or those of an expression (see `resolve`).

    Raises:
        UsageError: the expression cannot be understood, or as `resolve`.
        ModelError: as `resolve`.
    """

    def find(model: str) -> ModelSource:
        return resolve(model, offline=offline, refresh=refresh, on_stage=on_stage)

    entry = find_entry(reference, load_catalog())
    if entry is not None and entry.parts:
        return _of_parts(entry, find)
    if not is_expression(reference):
        folder = Path(reference).expanduser()
        system = declared_system(folder) if os.path.isdir(folder) else None  # noqa: PTH112
        return system or EnsembleSource.of(find(reference))
    models = tuple(map(find, model_references(reference)))
    recipe = _recipe(reference)
    return EnsembleSource(name=_name(recipe, models), models=models, recipe=recipe)


def availability(name: str) -> Availability:
    """How much of a model is on this machine; "no" as well where it cannot be found out."""
    try:
        return resolve_expression(name, offline=True).availability
    except ModelError:
        return "no"


def _of_parts(entry: CatalogEntry, find: Callable[[str], ModelSource]) -> EnsembleSource:
    by_stem = {stem: index for index, part in enumerate(entry.parts) for stem in part.stems}
    return EnsembleSource(
        name=entry.name,
        models=tuple(find(part.model) for part in entry.parts),
        recipe={stem: {by_stem[stem]: 1.0} for stem in entry.stems},
        hears={i: part.hears for i, part in enumerate(entry.parts) if part.hears is not None},
    )


def catalogue_stems(reference: str) -> tuple[str, ...] | None:
    """The stems of what `reference` names, if all of it is in the catalogue; else None.

    Raises:
        UsageError, UnknownStemError: the expression makes no sense, as `resolve_expression`.
        UnknownModelError: a part of it is neither in the catalogue nor on this machine.
    """
    entries = []
    for name in model_references(reference):
        check_reference(name)
        entries.append(find_entry(name, load_catalog()))
    known = [entry for entry in entries if entry is not None]
    if len(known) < len(entries):
        return None
    weights = recipe_weights(
        _recipe(reference), [entry.name for entry in known], [entry.stems for entry in known]
    )
    return tuple(weights)


def _recipe(reference: str) -> dict[str, dict[int, float]]:
    """What each of the models counts for each stem, by their positions in `model_references`."""
    if not is_expression(reference):
        return {REST: {0: 1.0}}
    references = model_references(reference)
    return {
        stem: {references.index(model): weight for model, weight in mean.items()}
        for stem, mean in parse_expression(reference).items()
    }


def model_references(reference: str) -> tuple[str, ...]:
    """The names and paths in `reference`, each once.

    Raises:
        UsageError: the expression cannot be understood, or there are too many.
    """
    if not is_expression(reference):
        return (reference,)
    means = parse_expression(reference).values()
    models = tuple(dict.fromkeys(model for mean in means for model in mean))
    if len(models) > _MAX_MODELS:
        raise UsageError(f"`model` names {len(models)} models: more than {_MAX_MODELS}.")
    return models


def is_expression(reference: str) -> bool:
    """Whether `reference` is more than the name or the path of one model."""
    return (
        any(sign in reference for sign in "+=,*")
        and reference not in load_catalog()
        and not os.path.exists(os.path.expanduser(reference))  # noqa: PTH110, PTH111
    )


def parse_expression(text: str) -> dict[str, dict[str, float]]:
    """By stem, or `*` for the rest: each model and its weight; one that comes twice counts twice.

    Raises:
        UsageError: `text` is not of the language above.
    """
    means: dict[str, dict[str, float]] = {}
    assignments = [part.partition("=") for part in text.split(",")]
    if len(assignments) == 1 and not assignments[0][1]:
        assignments = [(REST, "=", text)]
    for stem, equals, mean in assignments:
        name = stem.strip()
        if not equals or not name or name in means:
            part = f"{stem}{equals}{mean}".strip()
            problem = "comes twice" if name in means else "does not say for which stem"
            raise UsageError(
                f"`model` {quoted(text)} cannot be understood: {quoted(part)} {problem}.",
                hint=_EXAMPLE,
            )
        means[name] = {}
        for term in mean.split("+"):
            model, weight = _parse_term(term, text)
            means[name][model] = means[name].get(model, 0.0) + weight
    return means


def _parse_term(term: str, text: str) -> tuple[str, float]:
    factors = [factor.strip() for factor in term.split("*")]
    weights = [float(factor) for factor in factors if _WEIGHT.fullmatch(factor)]
    models = [factor for factor in factors if factor and not _WEIGHT.fullmatch(factor)]
    if len(models) != 1 or len(factors) != 1 + len(weights) or len(weights) > 1:
        raise UsageError(
            f"`model` {quoted(text)} cannot be understood at {quoted(term.strip())}.", hint=_EXAMPLE
        )
    weight = weights[0] if weights else 1.0
    if not 0 < weight < 1e6:
        raise UsageError(f"`model` {quoted(text)}: the weight of {models[0]} is {weight:g}.")
    return models[0], weight


def _name(recipe: Mapping[str, Weights], models: Sequence[ModelSource]) -> str:
    """The expression with plain names and without signs that a file system forbids."""

    def spelled(weights: Weights) -> str:
        return "+".join(
            models[index].name + ("" if weight == 1 else f"x{weight:g}")
            for index, weight in weights.items()
        )

    if list(recipe) == [REST]:
        name = spelled(recipe[REST])
    else:
        name = ",".join(
            f"{'rest' if stem == REST else stem}={spelled(weights)}"
            for stem, weights in recipe.items()
        )
    return name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 2]}.."

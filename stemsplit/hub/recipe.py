"""Several models, and what each of them counts for each stem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stemsplit.errors import UnknownStemError, UsageError
from stemsplit.hub.model_files import Availability, ModelSource
from stemsplit.quoting import listed, quoted

REST = "*"
"""Stands for all stems that are not named."""

Weights = Mapping[int, float]
"""How much models count, by their positions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EnsembleSource:
    """Where the models of an expression come from. No weights have been fetched for them yet.

    `recipe`: by stem, or `*` for the rest, what each of the models counts. `name` is safe as the
    name of a folder. `hears`: by a model's position, the stem of the first one that it takes apart
    in place of the mixture.
    """

    name: str
    models: tuple[ModelSource, ...]
    recipe: Mapping[str, Weights]
    hears: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, source: ModelSource) -> EnsembleSource:
        """The one model alone."""
        return cls(name=source.name, models=(source,), recipe={REST: {0: 1.0}})

    @property
    def child_names(self) -> Mapping[str, str]:
        """What its stems are called when it runs over a stem of another model."""
        entry = self.models[0].entry if len(self.models) == 1 else None
        return {} if entry is None else entry.child_names

    @property
    def availability(self) -> Availability:
        """How much of it is on this machine; what is built in is always there."""
        found = {model.availability for model in self.models} - {"built in"}
        if not found:
            return "built in"
        return found.pop() if len(found) == 1 else "partly"

    def weights(self, stems: Sequence[Sequence[str]]) -> dict[str, dict[int, float]]:
        """What each model counts for each stem, in sum one, given the `stems` that each model has.

        Raises:
            UnknownStemError: a model does not have a stem that is asked of it.
            UsageError: models with different stems are to be averaged in all of them.
        """
        return recipe_weights(self.recipe, [model.name for model in self.models], stems)


def recipe_weights(
    recipe: Mapping[str, Weights], names: Sequence[str], stems: Sequence[Sequence[str]]
) -> dict[str, dict[int, float]]:
    """As `EnsembleSource.weights`, for models of which no more than names and stems are known."""
    by_stem: dict[str, Weights] = {}
    if REST in recipe:
        rest = recipe[REST]
        first, *others = rest
        for other in others:
            if set(stems[other]) != set(stems[first]):
                raise _different([names[first], names[other]], stems[first], stems[other])
        by_stem |= dict.fromkeys(stems[first], rest)
    for stem, weights in recipe.items():
        if stem == REST:
            continue
        for index in weights:
            if stem not in stems[index]:
                raise UnknownStemError(
                    f"{names[index]} has no stem {quoted(stem)}.",
                    hint=f"It has {listed(stems[index])}.",
                )
        by_stem[stem] = weights
    return {
        stem: {index: weight / sum(weights.values()) for index, weight in weights.items()}
        for stem, weights in by_stem.items()
    }


def _different(names: Sequence[str], first: Sequence[str], other: Sequence[str]) -> UsageError:
    shared = [stem for stem in first if stem in other]
    hint = f"Average only {shared[0]}: {shared[0]}={'+'.join(names)}" if shared else ""
    return UsageError(
        f"{names[0]} has the stems {listed(first)}, and {names[1]} has {listed(other)}: they "
        "cannot be averaged in all of them.",
        hint=hint,
    )

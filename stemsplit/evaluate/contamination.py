"""Whether a model has heard the songs that it is to be measured on."""

from __future__ import annotations

from collections.abc import Sequence

from stemsplit.errors import UsageError
from stemsplit.evaluate.find_tracks import Dataset
from stemsplit.evaluate.layouts import MUSDB_FAMILY
from stemsplit.hub.catalog import find_entry, load_catalog
from stemsplit.hub.expression import model_references


def check_unheard(reference: str, dataset: Dataset) -> None:
    """Raises UsageError if the catalogue says that a model was trained on these test songs."""
    entry = find_entry(reference, load_catalog())
    if entry is None or not entry.trained_on_test_set:
        return
    if dataset.layout in MUSDB_FAMILY and dataset.subset != "train":
        raise UsageError(
            f"{reference} was trained on the MUSDB18 test set: its figures on these songs would "
            "say nothing about other songs.",
            hint="Use other songs, or `force`.",
        )


def doubts(expression: str, names: Sequence[str], dataset: Dataset) -> list[str]:
    """What else the user should know about these songs and the models `names` of the expression."""
    references = model_references(expression)
    if len(references) < len(names):  # one folder that holds several
        references *= len(names)
    found = (_doubt(*model, dataset) for model in zip(references, names, strict=True))
    return [doubt for doubt in found if doubt]


def _doubt(reference: str, name: str, dataset: Dataset) -> str | None:
    entry = find_entry(reference, load_catalog())
    if entry is None:
        return f"It is not known what {name} was trained on: perhaps on these very songs."
    if entry.is_built_in:
        return None
    if dataset.layout == "dsd100":
        return (
            "DSD100's songs are part of MUSDB18, most of them of its training part: a model that "
            f"was trained on MUSDB18, as {name} may have been, has heard them."
        )
    if dataset.layout in MUSDB_FAMILY and dataset.subset in ("train", "all"):
        return (
            "Figures on MUSDB18's training part say nothing of models that were trained on it, as "
            f"{name} may have been."
        )
    return None

"""What someone has to say about models, and what can be said against it without loading one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from stemsplit.audio.write.stem_layout import STEMS
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.outputs import parse_mix
from stemsplit.errors import UsageError, check_choice
from stemsplit.hub.catalog import find_entry, load_catalog
from stemsplit.hub.choose import PERMISSIVE, Quality, Requirements
from stemsplit.hub.expression import model_references

_USUAL_STEMS = ("drums", "bass", "other", "vocals")


@dataclass(frozen=True, kw_only=True, slots=True)
class Preference:
    """What someone has to say about models without naming one; by itself it asks for nothing."""

    quality: Quality | None = None
    permissive: bool = False

    @classmethod
    def of(cls, quality: Quality | None, licence: Literal["permissive"] | None) -> Preference:
        """What the options of these names say.

        Raises:
            UsageError: one is none of its choices.
        """
        if quality is not None:
            check_choice("quality", quality, get_args(Quality))
        if licence is not None:
            check_choice("licence", licence, ["permissive"])
        return cls(quality=quality, permissive=licence is not None)

    def requirements(
        self, options: SeparationOptions, *, device: str, memory_bytes: int | None = None
    ) -> Requirements:
        """What is wanted of the model; without a quality, a balanced one."""
        return Requirements(
            quality=self.quality or "balanced",
            stems=_named_stems(options),
            device=device,
            memory_bytes=memory_bytes,
            permissive=self.permissive,
        )

    def check_named(self, model: str) -> None:
        """Finds out whether it leaves room for this model.

        Raises:
            UsageError: a quality is wanted as well, or another licence.
        """
        if self.quality is not None:
            raise UsageError(
                f"The quality {self.quality} and the model {model} exclude each other.",
                hint="`quality` chooses the model itself.",
            )
        if self.permissive:
            check_permissive(model)


def check_permissive(reference: str) -> None:
    """Raises UsageError unless all weights in `reference` are known to be permissive."""
    for name in model_references(reference):
        entry = find_entry(name, load_catalog())
        if entry is None:
            raise UsageError(
                f"`licence='permissive'`: nothing is known about the licence of {name}.",
                hint="Leave out `licence` if you know it to be permissive.",
            )
        if entry.licence not in PERMISSIVE:
            raise UsageError(
                f"`licence='permissive'`: that of the weights of {entry.name} is {entry.licence}. "
                f"{entry.licence_note}",
                hint="`stemsplit models list --licence permissive` shows those that are.",
            )


def _named_stems(options: SeparationOptions) -> tuple[str, ...]:
    """The stems that the outputs are made of as far as they are named; else the usual four."""
    named: Sequence[str] = options.stems or ()
    if options.two_stems is not None:
        named = (options.two_stems,)
    if options.stem_file:
        named = STEMS
    mixed = [stem for mix in options.mixes for stem in parse_mix(mix).stem_gains]
    lfe = [] if options.lfe is None else [options.lfe]
    return tuple(dict.fromkeys((*(named or (() if mixed else _USUAL_STEMS)), *mixed, *lfe)))

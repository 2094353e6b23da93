"""What someone who names no model has to do with the catalogue: stems, device, memory, licence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stemsplit.audio.stem_layout import STEMS
from stemsplit.engine.hardware import memory_bytes
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.outputs import parse_mix
from stemsplit.engine.preference import Preference
from stemsplit.engine.runtime import Runtime
from stemsplit.hub.cache import offline_by_environment
from stemsplit.hub.catalog import load_catalog
from stemsplit.hub.choose import Choice, Wish, choose
from stemsplit.hub.presence import presence

_USUAL_STEMS = ("drums", "bass", "other", "vocals")


def pick_model(
    model: str | None,
    preference: Preference,
    options: SeparationOptions,
    runtime: Runtime,
    *,
    offline: bool,
) -> Choice | None:
    """The model that was named, without a reason, or the one that is chosen; else None.

    Permissive alone means a balanced quality. Offline, one of the models on this machine is chosen
    if any of them will do; else that one is what may run instead. Nothing is downloaded.

    Raises:
        UsageError: a model was named as well as a quality, or one whose licence is not permissive.
        UnknownStemError: no model has all of the stems that `options` name.
        UnknownModelError: none of those that have them may or can be used.
    """
    if model is not None:
        preference.check_named(model)
        return Choice(model, "")
    if preference == Preference():
        return None
    catalog = load_catalog()
    wish = Wish(
        quality=preference.quality or "balanced",
        stems=_named_stems(options),
        device=runtime.device.type,
        memory_bytes=memory_bytes(runtime.device),
        permissive=preference.permissive,
    )
    here = [name for name in catalog if presence(name) == "yes"]
    nearby = choose(replace(wish, here=here), catalog.values())
    if offline or offline_by_environment():
        return nearby
    choice = choose(wish, catalog.values())
    is_other = nearby.model in here and nearby.model != choice.model
    return replace(choice, instead=nearby.model) if is_other else choice


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

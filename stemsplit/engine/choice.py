"""What someone who names no model has to do with the catalogue: stems, device, memory, licence."""

from __future__ import annotations

from dataclasses import replace

from stemsplit.device.hardware import memory_bytes
from stemsplit.device.runtime import Runtime
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.preference import Preference
from stemsplit.hub.cache import offline_by_environment
from stemsplit.hub.catalog import load_catalog
from stemsplit.hub.choose import ModelChoice, choose
from stemsplit.hub.presence import presence


def pick_model(
    model: str | None,
    preference: Preference,
    options: SeparationOptions,
    runtime: Runtime,
    *,
    offline: bool,
) -> ModelChoice | None:
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
        return ModelChoice(model, "")
    if preference == Preference():
        return None
    catalog = load_catalog()
    requirements = preference.requirements(
        options, device=runtime.device.type, memory_bytes=memory_bytes(runtime.device)
    )
    here = [name for name in catalog if presence(name) == "yes"]
    nearby = choose(replace(requirements, here=here), catalog.values())
    if offline or offline_by_environment():
        return nearby
    choice = choose(requirements, catalog.values())
    is_other = nearby.model in here and nearby.model != choice.model
    return replace(choice, instead=nearby.model) if is_other else choice

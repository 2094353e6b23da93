"""What someone who names no model has to do with the catalogue: stems, device, memory, licence."""

from __future__ import annotations

from dataclasses import replace

import torch

from stemsplit.device.hardware import memory_bytes
from stemsplit.engine.plan import RunPlan
from stemsplit.engine.preference import Preference, check_permissive
from stemsplit.hub.cache import offline_by_environment
from stemsplit.hub.catalog import load_catalog
from stemsplit.hub.choose import ModelChoice, choose
from stemsplit.hub.expression import availability


def choose_model(plan: RunPlan, device: torch.device) -> RunPlan:
    """The plan with the model that its preference asks for, and why; as it is if it asks for none.

    Permissive alone means a balanced quality. Offline, one of the models on this machine is chosen
    if any of them will do; else that one is what may run instead. Nothing is downloaded.

    Raises:
        UsageError: a model was named as well as a quality, or one whose licence is not permissive;
            or that of a step is not.
        UnknownStemError: no model has all of the stems that the options name.
        UnknownModelError: none of those that have them may or can be used.
    """
    for _, step in plan.then if plan.preference.permissive else ():
        check_permissive(step)
    if plan.names_model:
        plan.preference.check_named(str(plan.model))
        return plan
    if plan.model is not None or plan.preference == Preference():
        return plan
    choice = _choose(plan, device)
    return replace(plan, model=choice.model, reason=choice.reason, instead=choice.instead)


def _choose(plan: RunPlan, device: torch.device) -> ModelChoice:
    catalog = load_catalog()
    requirements = plan.preference.requirements(
        plan.options, device=device.type, memory_bytes=memory_bytes(device)
    )
    here = [name for name in catalog if availability(name) == "yes"]
    nearby = choose(replace(requirements, here=here), catalog.values())
    if plan.offline or offline_by_environment():
        return nearby
    choice = choose(requirements, catalog.values())
    is_other = nearby.model in here and nearby.model != choice.model
    return replace(choice, instead=nearby.model) if is_other else choice

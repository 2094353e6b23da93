"""From options to the stems, the device and the memory that a model is chosen for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from stemsplit.device.hardware import memory_bytes
from stemsplit.engine.choice import choose_model
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.plan import RunPlan
from stemsplit.engine.preference import Preference
from stemsplit.errors import UsageError
from stemsplit.hub import choose as choose_module
from stemsplit.hub.choose import ModelChoice, Requirements

CPU = torch.device("cpu")
FOUR = ("drums", "bass", "other", "vocals")


def pick(model: str | None, preference: Preference, **options: Any) -> RunPlan:
    options = SeparationOptions(**options)
    return choose_model(RunPlan(model=model, preference=preference, options=options), CPU)


@pytest.mark.parametrize(
    ("options", "stems"),
    [
        ({}, FOUR),
        ({"stems": ("vocals", "bass", "vocals")}, ("vocals", "bass")),
        ({"two_stems": "vocals"}, ("vocals",)),
        ({"stem_file": True}, FOUR),
        ({"mixes": ("practice = mixture - drums",)}, ("drums",)),
        ({"stems": ("bass",), "mixes": ("a = drums + vocals",)}, ("bass", "drums", "vocals")),
        ({"stems": ("vocals",), "lfe": "bass"}, ("vocals", "bass")),
    ],
)
def test_a_model_is_chosen_for_the_stems_that_are_named(
    options: dict[str, Any], stems: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Requirements] = []

    def remember(requirements: Requirements, _: object) -> ModelChoice:
        asked.append(requirements)
        return ModelChoice("some", "reason")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("stemsplit.engine.choice.choose", remember)
    plan = pick(None, Preference(quality="fast"), **options)
    assert (plan.model, plan.reason, plan.names_model) == ("some", "reason", False)
    assert choose_model(plan, CPU) == plan  # once is enough, here or where the plan is sent
    nearby, requirements = (
        asked  # of all models, one is chosen, and of those here what may replace it
    )
    assert nearby.here is not None
    assert requirements == replace(nearby, here=None)
    assert (requirements.stems, requirements.device, requirements.quality) == (stems, "cpu", "fast")
    assert requirements.memory_bytes == memory_bytes(torch.device("cpu"))


def test_without_a_quality_a_licence_alone_asks_for_a_balanced_model() -> None:
    choice = pick(None, Preference(permissive=True))
    assert "was chosen (balanced): " in choice.reason
    assert "permissive model" in choice.reason


BEST = Preference(quality="best")


@pytest.mark.parametrize(
    ("here", "instead"),
    [
        ((), None),
        (("htdemucs",), "htdemucs"),
        (("htdemucs", "htdemucs_ft"), "htdemucs_ft"),
        (("melband_kim", "htdemucs"), None),  # the one that is chosen
        (("melband_karaoke",), None),  # does not have the stem
    ],
)
def test_what_is_here_may_run_instead_of_what_is_chosen(
    here: tuple[str, ...], instead: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    have(here, monkeypatch)
    choice = pick(None, BEST, two_stems="vocals")
    assert (choice.model, choice.instead) == ("melband_kim", instead)
    assert "on this machine" not in choice.reason


@pytest.mark.parametrize("by_environment", [False, True])
@pytest.mark.parametrize(
    ("here", "chosen"),
    [
        (("htdemucs", "mdx_extra"), "htdemucs"),
        ((), "melband_kim"),
        (("melband_karaoke",), "melband_kim"),
    ],
)
def test_offline_one_is_chosen_of_those_that_are_here_if_one_will_do(
    here: tuple[str, ...], chosen: str, by_environment: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    have(here, monkeypatch)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", by_environment)
    options = SeparationOptions(two_stems="vocals")
    plan = RunPlan(preference=BEST, options=options, offline=not by_environment)
    choice = choose_model(plan, CPU)
    assert (choice.model, choice.instead) == (chosen, None)
    assert ("on this machine" in choice.reason) == (chosen in here)


def have(names: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """These are all models on this machine, which is online."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(
        "stemsplit.engine.choice.availability", lambda name: "yes" if name in names else "no"
    )


def test_who_prefers_nothing_gets_the_default_and_who_names_a_model_that_model() -> None:
    for model, preference in (
        (None, Preference()),
        ("whatever", Preference()),
        ("umxhq", Preference(permissive=True)),
    ):
        assert pick(model, preference) == RunPlan(model=model, preference=preference)
    with pytest.raises(UsageError, match="quality best and the model umxhq exclude each other"):
        pick("umxhq", Preference(quality="best"))
    with pytest.raises(UsageError, match="of the weights of umxl is restricted"):
        pick("umxl", Preference(permissive=True))


def test_the_machine_s_memory_is_known_here() -> None:
    total = memory_bytes(torch.device("cpu"))
    assert total is None or total > choose_module._WORKING_BYTES

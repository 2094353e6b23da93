"""From options to the stems, the device and the memory that a model is chosen for."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from stemsplit.engine.choice import pick_model
from stemsplit.engine.hardware import memory_bytes
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.preference import Preference
from stemsplit.engine.runtime import choose_runtime
from stemsplit.errors import UsageError
from stemsplit.hub import choose as choose_module
from stemsplit.hub.choose import Choice, Wish

RUNTIME = choose_runtime(device="cpu")
FOUR = ("drums", "bass", "other", "vocals")


def pick(model: str | None, preference: Preference, **options: Any) -> Choice | None:
    return pick_model(model, preference, SeparationOptions(**options), RUNTIME, offline=False)


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
    wishes: list[Wish] = []

    def remember(wish: Wish, _: object) -> Choice:
        wishes.append(wish)
        return Choice("some", "reason")

    monkeypatch.setattr("stemsplit.engine.choice.choose", remember)
    assert pick(None, Preference(quality="fast"), **options) == Choice("some", "reason")
    (wish,) = wishes
    assert (wish.stems, wish.device, wish.quality) == (stems, "cpu", "fast")
    assert wish.memory_bytes == memory_bytes(torch.device("cpu"))
    pick(None, Preference(permissive=True))
    assert (wishes[1].quality, wishes[1].permissive) == ("balanced", True)


def test_who_prefers_nothing_gets_the_default_and_who_names_a_model_that_model() -> None:
    assert pick(None, Preference()) is None
    assert pick("whatever", Preference()) == Choice("whatever", "")
    assert pick("umxhq", Preference(permissive=True)) == Choice("umxhq", "")
    with pytest.raises(UsageError, match="quality best and the model umxhq exclude each other"):
        pick("umxhq", Preference(quality="best"))
    with pytest.raises(UsageError, match="of the weights of umxl is restricted"):
        pick("umxl", Preference(permissive=True))


def test_the_machine_s_memory_is_known_here() -> None:
    total = memory_bytes(torch.device("cpu"))
    assert total is None or total > choose_module._WORKING_BYTES

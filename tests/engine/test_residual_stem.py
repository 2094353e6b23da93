"""Stems that no network makes: what the ones that it makes leave over of the mixture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from stemsplit.device.runtime import choose_runtime
from stemsplit.engine.bag import differing_property
from stemsplit.engine.excerpt import WHOLE, Excerpt
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import SeparationOptions
from stemsplit.errors import UnknownStemError
from stemsplit.models.spec import InputScaling
from tests.engine.toy_models import EdgeModel, GainModel, model_of
from tests.engine.tracks import Track, noise, run


def vocals_model(**settings: Any) -> EdgeModel:
    return EdgeModel((0.7,), stems=["vocals"], residual_stem="instrumental", **settings)


def stems_of(
    length: int = 5000, excerpt: Excerpt = WHOLE, **options: Any
) -> dict[str, torch.Tensor]:
    wanted = SeparationOptions(**options)
    return run(noise(length), model_of(vocals_model()), options=wanted, excerpt=excerpt)


@pytest.mark.parametrize("length", [0, 1, 5000])
@pytest.mark.parametrize("scaling", [None, InputScaling()], ids=["none", "track"])
@pytest.mark.parametrize("sample_rate", [44100, 8000])
def test_the_stems_are_the_mixture_to_the_last_bit_or_two(
    length: int, scaling: InputScaling | None, sample_rate: int
) -> None:
    bag = model_of(vocals_model(scaling=scaling))
    stems = run(noise(length), bag, sample_rate=sample_rate)
    assert list(stems) == ["vocals", "instrumental"] == list(bag.stems)
    assert torch.allclose(sum(stems.values()), noise(length), atol=1e-6)
    assert not length or stems["instrumental"].square().mean() > 1e-4


def test_it_can_be_asked_for_like_any_other_stem() -> None:
    both = stems_of()
    assert torch.equal(stems_of(stems=("instrumental",))["instrumental"], both["instrumental"])
    assert list(stems_of(stems=("instrumental", "vocals"))) == ["instrumental", "vocals"]
    assert torch.equal(stems_of(stems=("vocals",))["vocals"], both["vocals"])
    two = stems_of(two_stems="instrumental")
    assert torch.equal(two["instrumental"], both["instrumental"])
    assert torch.allclose(two["no_instrumental"], both["vocals"], atol=1e-6)
    summed = stems_of(two_stems="vocals", complement="sum")
    assert torch.equal(summed["no_vocals"], both["instrumental"])
    mixed = stems_of(mixes=("quiet = 0.5*instrumental - vocals",))["quiet"]
    assert torch.allclose(mixed, 0.5 * both["instrumental"] - both["vocals"], atol=1e-6)
    part = stems_of(excerpt=Excerpt(start_seconds=1000 / 44100, end_seconds=2000 / 44100))
    assert torch.equal(part["instrumental"], both["instrumental"][:, 1000:2000])
    with pytest.raises(UnknownStemError, match="kazoo"):
        stems_of(stems=("kazoo",))


def test_nothing_is_left_over() -> None:
    stems = stems_of(residual=True)
    assert stems["residual"].abs().max() < 1e-6
    track = Track(
        Mixture.from_array(noise(5000), 44100),
        model_of(vocals_model()),
        choose_runtime(device="cpu"),
        SeparationOptions(),
    )
    for _ in track.blocks():
        pass
    residual_db = track.checks.residual_db
    assert residual_db is None or residual_db < -120


def test_a_bag_subtracts_the_average_of_its_networks() -> None:
    loud, soft = (
        GainModel((gain,), stems=["vocals"], residual_stem="other") for gain in (0.8, 0.2)
    )
    stems = run(noise(3000), model_of(loud, soft, weights=[[3.0], [1.0]]))
    assert torch.allclose(stems["vocals"], 0.65 * noise(3000), atol=1e-6)
    assert torch.allclose(stems["other"], 0.35 * noise(3000), atol=1e-6)


def test_networks_that_leave_over_different_things_are_no_bag() -> None:
    model = vocals_model()
    other = vocals_model()
    other.spec = replace(other.spec, residual_stem="other")
    assert differing_property([model, other]) == "residual_stem"


@pytest.mark.parametrize(("lfe", "stem"), [("vocals", "vocals"), (None, "instrumental")])
def test_low_channels_go_where_they_are_wanted(lfe: str | None, stem: str) -> None:
    audio = noise(3000, num_channels=6)
    model = EdgeModel((0.7, 0.1), stems=["vocals", "choir"], residual_stem="instrumental")
    lfe = lfe or "instrumental"
    stems = run(audio, model_of(model), options=SeparationOptions(lfe=lfe))
    for name, samples in stems.items():
        expected = audio[3] if name == stem else torch.zeros(3000)
        assert torch.allclose(samples[3], expected)

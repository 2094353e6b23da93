"""Stems that go through models of their own."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from stemsplit.device.runtime import choose_runtime
from stemsplit.engine.chain import Chain, ChainSeparation, Step
from stemsplit.engine.ensemble import Ensemble
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.separate import Progress
from stemsplit.engine.steps import first_parents, parse_step
from stemsplit.errors import UnknownStemError, UsageError
from stemsplit.models.spec import InputScaling
from tests.engine.toy_models import EdgeModel, GainModel, model_of
from tests.engine.tracks import noise
from tests.engine.tracks import run as run_model


def karaoke() -> Ensemble:
    return model_of(
        EdgeModel((0.7,), stems=["vocals"], residual_stem="other", scaling=InputScaling())
    )


def kit() -> Ensemble:
    return model_of(EdgeModel((0.5, 0.2), stems=["kick", "snare"]))


def step(parent: str, model: Ensemble, **names: str) -> Step:
    return Step(parent=parent, model=model, child_names=names)


def chain(*steps: Step, model: Ensemble | None = None, **options: Any) -> Chain:
    return Chain(
        model=model or model_of(EdgeModel()), options=SeparationOptions(**options), steps=steps
    )


def run(
    audio: Tensor, wanted: Chain, folder: Path, on_progress: Any = None
) -> tuple[ChainSeparation, dict[str, Tensor]]:
    names = (folder / str(number) for number in itertools.count())
    separation = ChainSeparation(
        wanted.scan(Mixture.from_array(audio, 44100)),
        wanted,
        choose_runtime(device="cpu"),
        new_spool=lambda: next(names),
        on_progress=on_progress,
    )
    outputs = {name: torch.zeros_like(audio) for name in wanted.outputs}
    for block in separation.blocks():
        for name, array in block.items():
            stop = block.start + block.num_samples
            outputs[name][:, block.start : stop] = torch.from_numpy(array)
    assert list(folder.iterdir()) == []
    return separation, outputs


@pytest.mark.parametrize("length", [0, 1, 999, 5432])
def test_children_are_what_the_model_makes_of_the_parent_and_sum_to_it(
    length: int, tmp_path: Path
) -> None:
    audio = noise(length)
    wanted = chain(step("vocals", karaoke(), vocals="lead", other="backing"), step("drums", kit()))
    _, outputs = run(audio, wanted, tmp_path)
    assert tuple(outputs) == (
        *("drums", "bass", "other", "vocals"),
        *("vocals_lead", "vocals_backing"),
        *("drums_kick", "drums_snare", "drums_residual"),
    )
    alone = run_model(audio, model_of(EdgeModel()))
    for stem, samples in alone.items():
        assert torch.equal(outputs[stem], samples)
    lead = run_model(outputs["vocals"], karaoke())["vocals"]
    assert torch.equal(outputs["vocals_lead"], lead)
    for parent in ("vocals", "drums"):
        children = [outputs[name] for name in outputs if name.startswith(f"{parent}_")]
        assert torch.allclose(sum(children), outputs[parent], atol=1e-6)


def test_a_parent_that_is_not_wanted_is_not_written(tmp_path: Path) -> None:
    audio = noise(3000)
    wanted = chain(step("vocals", karaoke()), stems=("drums",))
    _, outputs = run(audio, wanted, tmp_path)
    assert list(outputs) == ["drums", "vocals_vocals", "vocals_other"]
    vocals = run_model(audio, model_of(EdgeModel()))["vocals"]
    total = outputs["vocals_vocals"] + outputs["vocals_other"]
    assert torch.allclose(total, vocals, atol=1e-6)


def test_any_output_can_be_a_parent_and_so_can_a_child(tmp_path: Path) -> None:
    audio = noise(3000)
    wanted = chain(
        step("no_vocals", kit()),
        step("no_vocals_kick", karaoke(), vocals="click"),
        step("beat", karaoke()),
        two_stems="vocals",
        mixes=("beat = drums + 0.5*bass",),
    )
    _, outputs = run(audio, wanted, tmp_path)
    assert list(outputs)[:3] == ["vocals", "no_vocals", "beat"]
    total = outputs["no_vocals_kick_click"] + outputs["no_vocals_kick_other"]
    assert torch.allclose(total, outputs["no_vocals_kick"], atol=1e-6)
    assert torch.allclose(
        outputs["beat_vocals"] + outputs["beat_other"], outputs["beat"], atol=1e-6
    )


def test_levels_and_suspicions_of_all_outputs_are_in_the_checks(tmp_path: Path) -> None:
    loud = model_of(GainModel((9.0, 0.1), stems=["kick", "snare"]))
    separation, _ = run(noise(3000), chain(step("drums", loud), stems=("bass",)), tmp_path)
    checks = separation.checks
    assert list(checks.stems) == ["bass", "drums_kick", "drums_snare", "drums_residual"]
    assert any(text.startswith("drums, then: kick is 19.1 dB") for text in checks.suspicions)


def test_progress_goes_up_to_the_end(tmp_path: Path) -> None:
    seen: list[Progress] = []
    run(noise(5000), chain(step("drums", kit())), tmp_path, seen.append)
    weights = [progress.share for progress in seen]
    assert weights == sorted(weights)
    assert weights[-1] == 1.0
    assert weights[len(weights) // 2 - 1] == 0.5


def test_nothing_is_left_behind_when_the_listener_goes(tmp_path: Path) -> None:
    wanted = chain(step("drums", kit()))
    separation = ChainSeparation(
        wanted.scan(Mixture.from_array(noise(5000), 44100)),
        wanted,
        choose_runtime(device="cpu"),
        new_spool=lambda: tmp_path / "spool",
    )
    blocks = separation.blocks()
    next(blocks)
    assert (tmp_path / "spool").exists()
    blocks.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ([step("drums", kit()), step("drums_cymbal", karaoke())], "'drums_cymbal': there is no"),
        ([step("drums", kit()), step("drums", kit())], "there is an output 'drums_kick' already"),
        ([step("drums", kit(), kick="SNARE")], "there is an output 'drums_snare' already"),
    ],
)
def test_steps_that_do_not_go_together_are_usage_errors(steps: list[Step], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        chain(*steps)


def test_an_unknown_parent_is_an_unknown_stem() -> None:
    with pytest.raises(UnknownStemError, match=r"no stem 'vocal'\. Did you mean vocals"):
        chain(step("vocal", karaoke()))


def test_a_stem_file_has_no_place_for_children() -> None:
    with pytest.raises(UsageError, match="no `then`"):
        chain(step("vocals", karaoke()), stem_file=True)


@pytest.mark.parametrize("text", ["", "vocals", "vocals:", ": karaoke", " : "])
def test_a_step_needs_a_parent_and_a_model(text: str) -> None:
    with pytest.raises(UsageError, match="does not say which output goes through which model"):
        parse_step(text)


def test_a_step_is_split_at_the_first_colon() -> None:
    assert parse_step(" vocals : hf://owner/repo ") == ("vocals", "hf://owner/repo")


def test_children_are_not_asked_of_the_first_model() -> None:
    assert first_parents(["vocals", "vocals_lead", "drums", "vocals"]) == ("vocals", "drums")

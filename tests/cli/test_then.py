"""Several models in one run: expressions for --model, and --then for a stem."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import soundfile

from tests.cli.conftest import Stemsplit
from tests.hub.published_layouts import as_yaml, small_settings, tensors_of

FLOAT = ("--bit-depth", "32f", "--json")
FOUR = ("drums", "bass", "other", "vocals")


@pytest.fixture
def karaoke(workplace: Path) -> Path:
    """A small vocals model with its configuration, which leaves `other` over."""
    folder = workplace / "karaoke model"
    folder.mkdir()
    settings = small_settings("mel_band_roformer", ("vocals", "other"), single=True)
    tensors = tensors_of("mel_band_roformer", settings)
    safetensors.torch.save_file(tensors, folder / "model.safetensors")
    (folder / "model.yaml").write_bytes(as_yaml(settings))
    return folder


def read(folder: str) -> dict[str, np.ndarray]:
    return {
        path.stem: soundfile.read(path, dtype="float32")[0] for path in Path(folder).glob("*.wav")
    }


def record(folder: str) -> dict[str, object]:
    content: dict[str, object] = json.loads((Path(folder) / "stemsplit.json").read_text())
    return content


def test_a_stem_is_taken_apart_in_the_same_run(
    stemsplit: Stemsplit, song: Path, karaoke: Path
) -> None:
    command = (song, "-m", "spectral", "--then", f"vocals: {karaoke}", *FLOAT)
    result = stemsplit(*command)
    assert result.exit_code == 0, result.stderr
    stems = read("separated/spectral/song")
    assert set(stems) == {*FOUR, "vocals_vocals", "vocals_other"}
    total = stems["vocals_vocals"] + stems["vocals_other"]
    assert np.abs(total - stems["vocals"]).max() < 1e-6
    assert not list(Path("separated").rglob("*.part"))
    found = record("separated/spectral/song")
    (step,) = found["then"]  # type: ignore[misc]
    assert step["parent"] == "vocals"
    assert step["children"] == {"vocals": "vocals_vocals", "other": "vocals_other"}
    assert step["model"]["name"] == "karaoke model"
    checks = found["checks"]
    assert set(checks["stems"]) == set(stems)  # type: ignore[index]
    assert '"skipped"' in stemsplit(*command).stdout
    # What is there is all that a run without the step would make.
    assert '"skipped"' in stemsplit(song, "-m", "spectral", *FLOAT).stdout


def test_a_step_that_is_new_is_work_to_do(stemsplit: Stemsplit, song: Path, karaoke: Path) -> None:
    assert stemsplit(song, "-m", "spectral", *FLOAT).exit_code == 0
    result = stemsplit(song, "-m", "spectral", "--then", f"drums: {karaoke}", *FLOAT)
    assert '"redone": true' in result.stdout
    assert {"drums_vocals", "drums_other"} < set(read("separated/spectral/song"))


def test_only_children_are_written_if_only_they_are_wanted(
    stemsplit: Stemsplit, song: Path, karaoke: Path
) -> None:
    command = (song, "-m", "spectral", "--stems", "bass", "--then", f"vocals: {karaoke}")
    assert stemsplit(*command, *FLOAT).exit_code == 0
    assert set(read("separated/spectral/song")) == {"bass", "vocals_vocals", "vocals_other"}


def test_a_plan_and_a_collision_know_the_children(
    stemsplit: Stemsplit, song: Path, karaoke: Path
) -> None:
    command = (song, "-m", "spectral", "--then", f"vocals: {karaoke}")
    plan = stemsplit(*command, "--dry-run", "--json")
    assert plan.exit_code == 0, plan.stderr
    assert '"action": "new"' in plan.stdout
    single = stemsplit(*command, "--stems", "bass", "-o", "-")
    assert single.exit_code == 2
    assert "bass, vocals_vocals, vocals_other" in single.stderr


@pytest.mark.parametrize(
    ("then", "code", "message"),
    [
        ("vocals karaoke", 2, 'Example: --then "vocals: karaoke"'),
        ("vocal: spectral", 2, "no stem 'vocal'. Did you mean vocals?"),
        ("vocals: spectre", 3, "No model is called 'spectre'"),
        ("vocals: karaoke", 3, "not on this machine"),
    ],
)
def test_steps_that_cannot_be_are_refused_before_any_work(
    stemsplit: Stemsplit, song: Path, then: str, code: int, message: str
) -> None:
    result = stemsplit(song, "-m", "spectral", "--then", then)
    assert result.exit_code == code
    assert message in result.stderr
    assert not Path("separated").exists()


def test_stems_come_from_different_models(stemsplit: Stemsplit, song: Path, karaoke: Path) -> None:
    expression = f"vocals={karaoke},*=spectral"
    result = stemsplit(song, "-m", expression, *FLOAT)
    assert result.exit_code == 0, result.stderr
    name = "vocals=karaoke model,rest=spectral"
    stems = read(f"separated/{name}/song")
    assert stemsplit(song, "-m", "spectral", *FLOAT).exit_code == 0
    assert stemsplit(song, "-m", karaoke, *FLOAT).exit_code == 0
    rest, vocals = read("separated/spectral/song"), read("separated/karaoke model/song")
    for stem in FOUR[:3]:
        assert np.array_equal(stems[stem], rest[stem])
    assert np.array_equal(stems["vocals"], vocals["vocals"])
    parts = record(f"separated/{name}/song")["model"]["parts"]  # type: ignore[index]
    assert [part["name"] for part in parts] == ["karaoke model", "spectral"]
    assert parts[0]["shares"] == {"vocals": 1.0}
    assert '"skipped"' in stemsplit(song, "-m", expression, *FLOAT).stdout


def test_models_are_averaged_with_weights(stemsplit: Stemsplit, song: Path, karaoke: Path) -> None:
    assert stemsplit(song, "-m", f"vocals=spectral+{karaoke}*3", *FLOAT).exit_code == 0
    assert stemsplit(song, "-m", "spectral", *FLOAT).exit_code == 0
    assert stemsplit(song, "-m", karaoke, *FLOAT).exit_code == 0
    mean = read("separated/vocals=spectral+karaoke modelx3/song")
    assert set(mean) == {"vocals"}
    expected = (
        read("separated/spectral/song")["vocals"]
        + 3 * read("separated/karaoke model/song")["vocals"]
    ) / 4
    assert np.abs(mean["vocals"] - expected).max() < 1e-6


def test_models_that_do_not_go_together_are_a_usage_error(
    stemsplit: Stemsplit, song: Path, karaoke: Path
) -> None:
    result = stemsplit(song, "-m", f"spectral+{karaoke}")
    assert result.exit_code == 2
    assert "they cannot be averaged in all of them. Average only" in result.stderr

"""The loop over tracks and systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from stemsplit.device.runtime import choose_runtime
from stemsplit.engine.ensemble import Ensemble
from stemsplit.engine.note import Note
from stemsplit.errors import AudioReadError, UsageError
from stemsplit.evaluate.dataset import TrackAudio, load_track
from stemsplit.evaluate.evaluation_events import (
    EvaluationEvent,
    Scored,
    SystemProgressed,
    SystemStarted,
    TrackFailed,
)
from stemsplit.evaluate.find_tracks import find_dataset
from stemsplit.evaluate.results_file import RecordFile
from stemsplit.evaluate.run import Evaluation
from stemsplit.evaluate.systems import (
    MixtureSystem,
    ModelSystem,
    OracleSystem,
    ShareCallback,
    System,
    revision_of,
)
from stemsplit.version import __version__
from tests.engine.toy_models import GainModel, bag_of, model_of
from tests.evaluate.trees import stem_samples, write, write_song


class Ears:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.started: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self.failures: list[str] = []
        self.num_records = 0

    def __call__(self, event: EvaluationEvent) -> None:
        if isinstance(event, SystemStarted):
            self.started.append((event.track, event.model))
        elif isinstance(event, SystemProgressed):
            assert 0 <= event.share <= 1
        elif isinstance(event, Scored):
            self.num_records += len(event.records)
        elif isinstance(event, Note):
            self.notes.append(event.message)
        elif isinstance(event, TrackFailed):
            self.failures.append(f"{event.track}: {event.error}")


class Fixed:
    """Half of the mixture for each of some stems; out of order for tracks that are named."""

    ordered = True

    def __init__(self, name: str, *stems: str, broken: str = "") -> None:
        self.key = (name, "1", "fp32")
        self.stems = stems
        self._broken = broken

    def estimate(self, audio: TrackAudio, on_progress: ShareCallback) -> Mapping[str, Tensor]:
        on_progress(0.5)
        if self._broken and self._broken in audio.stems:
            raise AudioReadError("It is out of order.")
        return dict.fromkeys(self.stems, 0.5 * audio.mixture)


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    for index, name in enumerate(("one", "two")):
        write_song(tmp_path / "songs" / name, ["bass", "other", "vocals"], seed=10 * index)
    return tmp_path / "songs"


def evaluation(
    songs: Path, store: Path, *systems: System, metrics: Sequence[str] = ("sdr",)
) -> Evaluation:
    return Evaluation(find_dataset(songs), [MixtureSystem(), *systems], metrics, RecordFile(store))


def test_every_system_is_measured_on_every_track(songs: Path, tmp_path: Path) -> None:
    ears = Ears()
    run = evaluation(songs, tmp_path / "r.jsonl", OracleSystem("irm"), metrics=("sdr", "bsseval"))
    assert run.num_tasks_left == 4
    assert run.run(ears) == 0
    assert ears.started == [
        ("one", "mixture"),
        ("one", "irm"),
        ("two", "mixture"),
        ("two", "irm"),
    ]
    records = run.records()
    assert len(records) == ears.num_records == 2 * 2 * 3 * 5
    assert {record.tool_version for record in records} == {__version__}
    first = records[0]
    assert (first.metric, first.stem, first.model, first.track) == ("sdr", "bass", "mixture", "one")
    assert first.revision == f"stemsplit {__version__}"
    assert "MDX 2021" in first.protocol
    assert first.protocol.endswith("sources at 16 bits: bass, other, vocals")
    values = {(r.track, r.stem, r.metric, r.model): r.value for r in records}
    for (track, stem, metric, model), value in values.items():
        assert value is not None
        if model == "irm" and metric.startswith("sdr"):
            lower = values[track, stem, metric, "mixture"]
            assert lower is not None
            assert value > lower + 3


def test_what_is_done_is_not_done_again(songs: Path, tmp_path: Path) -> None:
    store = tmp_path / "r.jsonl"
    first = evaluation(songs, store, Fixed("half", "vocals", "other"))
    first.run(Ears())
    lines = store.read_text().splitlines()
    ears = Ears()
    again = evaluation(songs, store, Fixed("half", "vocals", "other"))
    assert again.num_tasks_left == 0
    assert again.run(ears) == 0
    assert (ears.started, ears.num_records) == ([], 0)
    assert again.records() == first.records()
    store.write_text("\n".join(lines[:-1]) + "\n" + lines[-1][:50])  # killed at the last line
    more = evaluation(songs, store, Fixed("half", "vocals", "other"), metrics=("sdr", "si_sdr"))
    assert more.num_tasks_left == 4
    more.run(ears)
    assert [record.metric for record in more.records()].count("sdr") == len(lines)
    other_model = Fixed("half", "vocals", "other")
    other_model.key = ("half", "2", "fp32")
    ears = Ears()
    evaluation(songs, store, other_model).run(ears)
    assert ears.started == [("one", "half"), ("two", "half")]


def test_stems_are_summed_as_the_model_has_them(songs: Path, tmp_path: Path) -> None:
    """Two stems: what is not vocals is one sum, for the model and for the bounds."""
    run = evaluation(songs, tmp_path / "r.jsonl", Fixed("karaoke", "vocals", "instrumental"))
    run.run(Ears())
    found = {(record.model, record.stem, record.estimate) for record in run.records()}
    assert found == {
        ("karaoke", "vocals", "vocals"),
        ("karaoke", "bass+other", "instrumental"),
        ("mixture", "vocals", "vocals"),
        ("mixture", "bass+other", "bass+other"),
    }


def test_more_stems_than_the_data_set_has(songs: Path, tmp_path: Path) -> None:
    run = evaluation(songs, tmp_path / "r.jsonl", Fixed("six", "vocals", "bass", "piano", "other"))
    run.run(Ears())
    (record,) = {r.estimate for r in run.records() if (r.model, r.stem) == ("six", "other")}
    assert record == "piano+other"


def test_bounds_are_measured_for_each_way_of_summing(songs: Path, tmp_path: Path) -> None:
    systems = Fixed("karaoke", "vocals", "other"), Fixed("three", "vocals", "other", "bass")
    run = evaluation(songs, tmp_path / "r.jsonl", *systems)
    ears = Ears()
    run.run(ears)
    assert ears.started.count(("one", "mixture")) == 2
    stems = {record.stem for record in run.records() if record.model == "mixture"}
    assert stems == {"vocals", "bass", "other", "bass+other"}


def test_a_model_without_a_common_stem_is_refused(songs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="speech has the stems clean, and no track has one"):
        evaluation(songs, tmp_path / "r.jsonl", Fixed("speech", "clean"))


def test_a_bad_track_does_not_stop_the_others(songs: Path, tmp_path: Path) -> None:
    write(songs / "one" / "vocals.wav", stem_samples(0, num_samples=100))
    ears = Ears()
    run = evaluation(songs, tmp_path / "r.jsonl")
    assert run.run(ears) == 1
    assert ears.failures == [
        "one: one: vocals has 100 samples, and the mixture 6000. Stems must begin and end with "
        "their mixture."
    ]
    assert {record.track for record in run.records()} == {"two"}


def test_a_system_that_fails_does_not_stop_the_others(songs: Path, tmp_path: Path) -> None:
    ears = Ears()
    broken = Fixed("broken", "vocals", "bass", "other", broken="bass")
    run = evaluation(songs, tmp_path / "r.jsonl", broken, OracleSystem("ibm"))
    assert run.run(ears) == 2
    assert ears.failures == ["one: It is out of order.", "two: It is out of order."]
    assert {record.model for record in run.records()} == {"mixture", "ibm"}


def test_stems_that_do_not_add_up_are_noted(songs: Path, tmp_path: Path) -> None:
    write(songs / "two" / "mixture.wav", stem_samples(77))
    ears = Ears()
    evaluation(songs, tmp_path / "r.jsonl").run(ears)
    assert len(ears.notes) == 1
    assert "two: its stems do not add up to its mixture" in ears.notes[0]


def test_models_run_as_in_separate(songs: Path) -> None:
    """At another rate than the model's, to the sample."""
    model = model_of(GainModel())
    system = ModelSystem(model, choose_runtime(device="cpu"))
    audio = load_track(find_dataset(songs).tracks[0])
    weights: list[float] = []
    estimates = system.estimate(audio, weights.append)
    assert weights[-1] == 1.0
    assert tuple(estimates) == system.stems == model.stems
    for estimate in estimates.values():
        assert estimate.shape == audio.mixture.shape
    assert torch.isfinite(torch.stack(list(estimates.values()))).all()


def test_a_revision_names_the_weights() -> None:
    bag = bag_of(GainModel())
    assert revision_of(Ensemble.of(bag)) == f"stemsplit {__version__}"
    assert revision_of(Ensemble.of(replace(bag, revision="0f1e"))) == "0f1e"
    (member,) = bag.members
    local = [replace(bag, members=(replace(member, sha256=each * 64),)) for each in "ab"]
    names = {revision_of(Ensemble.of(each)) for each in local}
    assert len(names) == 2
    assert all(name.startswith("sha256:") and len(name) == 19 for name in names)


def test_oracles_of_surround_sound_are_refused() -> None:
    audio = TrackAudio(
        stems=("a",), mixture=torch.ones(6, 10), sources=torch.ones(1, 6, 10), sample_rate=8000
    )
    with pytest.raises(UsageError, match="mono or stereo, got 6 channels"):
        OracleSystem("mwf").estimate(audio, print)

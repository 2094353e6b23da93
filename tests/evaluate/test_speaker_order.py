"""Outputs that have no order are scored in the best one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
import torch
from torch import Tensor

from stemsplit.device.runtime import choose_runtime
from stemsplit.engine.note import Note
from stemsplit.errors import UsageError
from stemsplit.evaluate.dataset import TrackAudio
from stemsplit.evaluate.evaluation_events import EvaluationEvent, TrackFailed
from stemsplit.evaluate.find_tracks import find_dataset
from stemsplit.evaluate.metrics import si_sdr
from stemsplit.evaluate.results_file import RecordFile
from stemsplit.evaluate.run import Evaluation
from stemsplit.evaluate.speaker_order import BEST_ORDER, in_best_order
from stemsplit.evaluate.systems import MixtureSystem, ModelSystem, ShareCallback
from tests.engine.toy_models import GainModel, model_of
from tests.evaluate import trees


def talk(num_speakers: int, *, noise: bool = False) -> TrackAudio:
    sources = torch.randn(num_speakers + noise, 1, 800, generator=torch.Generator().manual_seed(0))
    stems = [f"speaker{number}" for number in range(1, num_speakers + 1)]
    stems += ["noise"] if noise else []
    return TrackAudio(
        stems=tuple(stems), mixture=sources.sum(dim=0), sources=sources, sample_rate=8000
    )


@pytest.mark.parametrize("noise", [True, False])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_every_order_gives_the_same(order: tuple[int, ...], noise: bool) -> None:
    audio = talk(3, noise=noise)
    outputs = audio.sources[:3] + 0.5 * audio.mixture
    shuffled = {f"speaker{place}": outputs[index] for place, index in enumerate(order, start=1)}
    found = in_best_order(shuffled, audio)
    assert list(found) == ["speaker1", "speaker2", "speaker3"]
    for index, estimate in enumerate(found.values()):
        assert torch.equal(estimate, outputs[index])


def test_the_order_is_the_best_of_all_together() -> None:
    """Each output alone would be taken for the first speaker."""
    audio = talk(2)
    first, second = audio.sources
    outputs = {"speaker1": first + 0.1 * second, "speaker2": first + 0.2 * second}
    found = in_best_order(outputs, audio)

    def mean(pair: tuple[Tensor, Tensor]) -> float:
        return sum(map(si_sdr, audio.sources, pair)) / 2

    straight, crossed = (tuple(outputs.values())[::step] for step in (1, -1))
    assert mean(tuple(found.values())) == max(mean(straight), mean(crossed))  # type: ignore[arg-type]


def test_silence_and_perfection_are_put_in_order_too() -> None:
    audio = talk(2)
    audio = replace(audio, sources=torch.stack([audio.sources[0], torch.zeros(1, 800)]))
    outputs = {"speaker1": torch.zeros(1, 800), "speaker2": audio.sources[0]}
    assert torch.equal(in_best_order(outputs, audio)["speaker1"], audio.sources[0])


def test_another_number_of_speakers_cannot_be_scored() -> None:
    audio = talk(3)
    with pytest.raises(UsageError, match="separates 2 speakers, and the track has 3"):
        in_best_order(dict.fromkeys(("speaker1", "speaker2"), audio.mixture), audio)


class Swapped:
    """The true speakers, nearly, in the wrong order."""

    key = ("swapped", "1", "fp32")
    stems = ("speaker1", "speaker2")
    ordered = False

    def estimate(self, audio: TrackAudio, on_progress: ShareCallback) -> Mapping[str, Tensor]:
        on_progress(1.0)
        outputs = audio.sources[:2].flip(0) + 0.01 * audio.mixture
        return dict(zip(self.stems, outputs, strict=True))


def test_an_evaluation_says_so(tmp_path: Path) -> None:
    trees.write_mixed_speakers(tmp_path / "two", {"tt": "447c02"})
    trees.write_mixed_speakers(tmp_path / "three", {"tt": "447c02"}, num_speakers=3)
    said: list[EvaluationEvent] = []
    for name, num_failed in (("two", 0), ("three", 1)):
        evaluation = Evaluation(
            find_dataset(tmp_path / name),
            [MixtureSystem(), Swapped()],
            ["si_sdr"],
            RecordFile(tmp_path / f"{name}.jsonl"),
        )
        assert evaluation.run(said.append) == num_failed
        if name == "two":
            records = [each for each in evaluation.records() if each.model == "swapped"]
    assert len(records) == 2
    assert all(record.value is not None and record.value > 30 for record in records)
    assert all(record.protocol.endswith(BEST_ORDER) for record in records)
    notes = [event.message for event in said if isinstance(event, Note)]
    assert "swapped does not say which output is which speaker" in notes[0]
    assert any("the track has 3" in e.error for e in said if isinstance(e, TrackFailed))


def test_a_model_says_whether_its_outputs_have_an_order() -> None:
    model, runtime = GainModel(), choose_runtime(device="cpu")
    assert ModelSystem(model_of(model), runtime).ordered
    model.spec = replace(model.spec, ordered=False)
    assert not ModelSystem(model_of(model), runtime).ordered

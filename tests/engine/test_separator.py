from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from stemsplit import Separator, list_models
from stemsplit.engine.separate import Progress
from stemsplit.errors import AudioReadError, UnknownModelError, UsageError
from tests.audio.songs import tone, write_sndfile
from tests.models.random_models import htdemucs, write_bag

STEMS = ["drums", "bass", "other", "vocals"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag(tmp_path_factory.mktemp("bag"), "small", [htdemucs()])


@pytest.fixture(scope="module")
def separator(checkpoint: Path) -> Separator:
    return Separator(checkpoint, device="cpu")


def test_a_file_an_array_and_a_tensor_give_the_same_stems(
    separator: Separator, tmp_path: Path
) -> None:
    samples = tone(50_000)
    song = write_sndfile(tmp_path / "song.wav", samples, subtype="FLOAT")
    from_file = separator.separate(song)
    assert list(from_file.stems) == STEMS
    assert from_file.sample_rate == 44100
    for audio in (samples, torch.from_numpy(samples), samples.astype(np.float64)):
        separation = separator.separate(audio, sample_rate=44100)
        for stem in STEMS:
            assert separation[stem].dtype == np.float32
            assert separation[stem].shape == (2, 50_000)
            assert np.array_equal(separation[stem], from_file[stem])
    assert separator.separate(str(song)).residual_db == from_file.residual_db
    assert from_file.checks.residual_db == from_file.residual_db
    assert list(from_file.checks.stems) == STEMS


def test_blocks_add_up_to_the_stems(separator: Separator) -> None:
    samples = tone(50_000)
    whole = separator.separate(samples, sample_rate=44100)
    position = 0
    for block in separator.blocks(samples, sample_rate=44100):
        assert block.start == position
        for stem in STEMS:
            stop = position + block.stems[stem].shape[-1]
            assert np.array_equal(block.stems[stem], whole[stem][:, position:stop])
        position = stop
    assert position == 50_000


def test_progress_is_reported(separator: Separator) -> None:
    seen: list[Progress] = []
    separator.separate(tone(50_000), sample_rate=44100, on_progress=seen.append)
    assert [progress.share for progress in seen] == sorted(progress.share for progress in seen)
    assert seen[-1].share == 1.0


def test_options_are_the_command_lines(checkpoint: Path) -> None:
    separator = Separator(checkpoint, two_stems="bass", residual=True, shifts=1, device="cpu")
    separation = separator.separate(tone(9000), sample_rate=44100)
    assert list(separation.stems) == ["bass", "no_bass", "residual"]
    total = separation["bass"] + separation["no_bass"]
    assert np.allclose(total, tone(9000), atol=1e-6)


def test_ranges_mixes_and_sums_are_the_command_lines(checkpoint: Path) -> None:
    separator = Separator(
        checkpoint,
        stems=["vocals", "other"],
        mixes=["practice = mixture - vocals"],
        sum_to_mix=True,
        start=0.1,
        end=0.2,
        device="cpu",
    )
    separation = separator.separate(tone(9000), sample_rate=44100)
    assert list(separation.stems) == ["vocals", "other", "practice"]
    total = separation["practice"] + separation["vocals"]
    assert np.allclose(total, tone(9000)[:, 4410:8820], atol=1e-6)


def test_the_callers_array_is_not_modified(separator: Separator) -> None:
    samples = tone(9000)
    before = samples.copy()
    separator.separate(samples, sample_rate=44100)
    assert np.array_equal(samples, before)


def test_mistakes_are_errors_of_ours(separator: Separator) -> None:
    with pytest.raises(UsageError, match="without sample_rate"):
        separator.separate(tone(10))
    with pytest.raises(AudioReadError, match="does not exist"):
        separator.separate("nowhere.wav")
    with pytest.raises(UnknownModelError, match="No model is called 'nonesuch'"):
        Separator("nonesuch")


def test_the_catalogue_can_be_listed() -> None:
    assert {"htdemucs", "htdemucs_ft", "spectral"} <= set(list_models())

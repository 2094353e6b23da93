"""Data sets of speech, in small."""

from __future__ import annotations

from pathlib import Path

import pytest

from stemsplit.errors import UsageError
from stemsplit.evaluate.dataset import TrackAudio, load_track
from stemsplit.evaluate.find_tracks import find_dataset
from stemsplit.evaluate.layout_names import Layout
from tests.evaluate import trees
from tests.evaluate.trees import stem_samples, write

WHAM_PARTS = {"tr": "011a01", "cv": "012b02", "tt": "447c02"}
LIBRI_PARTS = {"train-100": "103-1", "dev": "84-121", "test": "61-70968"}


def names(root: Path, layout: Layout | None = None, subset: str = "test") -> list[str]:
    found = find_dataset(root, layout=layout, subset=subset)  # type: ignore[arg-type]
    return [track.name for track in found.tracks]


def first(root: Path, layout: Layout | None = None) -> TrackAudio:
    return load_track(find_dataset(root, layout=layout).tracks[0])


@pytest.mark.parametrize(("layout", "parts"), [("wham", WHAM_PARTS), ("librimix", LIBRI_PARTS)])
def test_mixed_speakers(layout: Layout, parts: dict[str, str], tmp_path: Path) -> None:
    trees.write_mixed_speakers(tmp_path / "wav8k" / "min", parts)
    found = find_dataset(tmp_path)
    train, validation, test = parts.values()
    assert (found.layout, found.subset, found.notes) == (layout, "test", ())
    assert [track.name for track in found.tracks] == [test]
    assert names(tmp_path, subset="train") == [train]
    assert set(names(tmp_path, subset="all")) == {train, validation, test}
    part = list(parts)[2]
    assert names(tmp_path / "wav8k" / "min" / part) == [test]
    stems = {
        layout: ("speaker1", "speaker2"),
        f"{layout}-noisy": ("speaker1", "speaker2", "noise"),
        f"{layout}-single": ("speech", "noise"),
    }
    for name, expected in stems.items():
        audio = first(tmp_path, name)  # type: ignore[arg-type]
        assert audio.stems == expected
        assert audio.rest_db() < -60


def test_three_speakers(tmp_path: Path) -> None:
    trees.write_mixed_speakers(tmp_path, {"test": "1-2-3"}, num_speakers=3)
    assert first(tmp_path).stems == ("speaker1", "speaker2", "speaker3")


def test_a_mixture_that_lacks_a_speaker_is_passed_over(tmp_path: Path) -> None:
    trees.write_mixed_speakers(tmp_path, {"test": "1-2"})
    for folder in ("mix_clean", "s1"):
        write(tmp_path / "test" / folder / "3-4.wav", stem_samples(0))
    found = find_dataset(tmp_path)
    assert [track.name for track in found.tracks] == ["1-2"]
    assert "3-4.wav has no stems" in found.notes[0]


def test_noise_without_files_is_what_the_speakers_leave_over(tmp_path: Path) -> None:
    trees.write_mixed_speakers(tmp_path, {"test": "1-2"})
    for layout in ("librimix-noisy", "librimix-single"):
        (tmp_path / "test" / "noise").mkdir(exist_ok=True)
        whole = first(tmp_path, layout)  # type: ignore[arg-type]
        (tmp_path / "test" / "noise").rename(tmp_path / "elsewhere")
        found = first(tmp_path, layout)  # type: ignore[arg-type]
        (tmp_path / "elsewhere").rename(tmp_path / "test" / "noise")
        assert found.stems == whole.stems
        assert (found.sources - whole.sources).abs().max() <= 2**-14
        assert found.rest_db() < -120


def test_the_same_mixtures_at_two_rates_are_not_measured_twice(tmp_path: Path) -> None:
    for version in ("wav8k/min", "wav16k/max"):
        trees.write_mixed_speakers(tmp_path / version, {"tt": "447c02"})
    with pytest.raises(UsageError, match=r"several times: .*wav16k/max, .*wav8k/min.*Name one"):
        find_dataset(tmp_path)
    assert names(tmp_path / "wav8k") == ["447c02"]


def test_voicebank_demand(tmp_path: Path) -> None:
    trees.write_voicebank_demand(tmp_path)
    assert find_dataset(tmp_path).layout == "voicebank-demand"
    assert names(tmp_path) == ["p232_001", "p257_434"]
    assert names(tmp_path, subset="train") == ["p226_001"]
    audio = first(tmp_path)
    assert audio.stems == ("speech", "noise")
    assert abs(audio.sources[1].numpy() - stem_samples(50, num_channels=1)).max() <= 2**-14
    (tmp_path / "clean_testset_wav" / "p232_001.wav").unlink()
    assert names(tmp_path) == ["p257_434"]


@pytest.mark.parametrize("with_noise", [True, False])
def test_dns_challenge(with_noise: bool, tmp_path: Path) -> None:
    folder = tmp_path / "datasets" / "test_set" / "synthetic" / "no_reverb"
    trees.write_dns_challenge(folder, with_noise=with_noise)
    found = find_dataset(tmp_path)
    assert (found.layout, found.subset) == ("dns-challenge", "test")
    inside = "datasets/test_set/synthetic/no_reverb"
    # In the order of the names of the noisy files.
    assert names(tmp_path) == [f"{inside}/fileid_0", f"{inside}/fileid_12"]
    assert names(folder) == ["fileid_0", "fileid_12"]
    audio = first(tmp_path)
    assert audio.stems == ("speech", "noise")
    assert abs(audio.sources[1].numpy() - stem_samples(50, num_channels=1)).max() <= 2**-14

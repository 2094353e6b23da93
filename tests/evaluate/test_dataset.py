"""Data sets of every layout, in small."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from stemsplit.audio.source import read_blocks
from stemsplit.errors import AudioReadError, UsageError
from stemsplit.evaluate.dataset import Recording, Track, load_track
from stemsplit.evaluate.find_tracks import find_dataset
from tests.evaluate import trees
from tests.evaluate.reference import FALCON, needs_falcon
from tests.evaluate.trees import NUM_SAMPLES, stem_samples, write, write_song

FOUR = {"bass", "drums", "other", "vocals"}


@pytest.mark.parametrize(
    ("make", "layout", "stems", "test", "train"),
    [
        (trees.write_musdb18, "musdb18", FOUR, ["B - Two", "C - Three"], ["A - One"]),
        (
            trees.write_musdb18_hq,
            "musdb18-hq",
            FOUR,
            ["B - Two", "C - Three"],
            ["A - One"],
        ),
        (trees.write_dsd100, "dsd100", FOUR, ["001 - B"], ["051 - A"]),
        (
            trees.write_slakh2100,
            "slakh2100",
            {"bass", "drums", "other"},
            ["Track01876"],
            ["Track00001"],
        ),
    ],
)
def test_a_divided_data_set(
    make: Callable[[Path], None],
    layout: str,
    stems: set[str],
    test: list[str],
    train: list[str],
    tmp_path: Path,
) -> None:
    make(tmp_path)
    found = find_dataset(tmp_path)
    assert (found.layout, found.subset, found.notes) == (layout, "test", ())
    assert [track.name for track in found.tracks] == test
    assert [track.name for track in find_dataset(tmp_path, subset="train").tracks] == train
    every = find_dataset(tmp_path, subset="all", layout=found.layout)
    assert {track.name for track in every.tracks} == {*test, *train}
    assert len(find_dataset(tmp_path, subset="all", limit=1).tracks) == 1
    audio = load_track(found.tracks[0])
    assert set(audio.stems) == stems
    assert audio.sources.shape[::2] == (len(stems), NUM_SAMPLES)
    assert audio.rest_db() < -60


@pytest.mark.parametrize(
    ("make", "layout"),
    [(trees.write_musdb18, "musdb18"), (trees.write_musdb18_hq, "musdb18-hq")],
)
def test_one_part_of_a_divided_data_set(
    make: Callable[[Path], None], layout: str, tmp_path: Path
) -> None:
    """Its songs are still known as those of a test set, and have the same names."""
    make(tmp_path)
    whole, part = find_dataset(tmp_path), find_dataset(tmp_path / "test")
    assert (part.layout, part.subset) == (layout, "test")
    assert part.tracks == whole.tracks
    with pytest.raises(UsageError, match=r"no tracks for `subset='test'`\. It has: train\."):
        find_dataset(tmp_path / "train")


def test_a_track_that_lacks_stems_leaves_the_others_what_they_are(tmp_path: Path) -> None:
    trees.write_musdb18_hq(tmp_path)
    write(tmp_path / "test" / "0 - Zero" / "mixture.wav", stem_samples(0))
    write(tmp_path / "test" / "B - Two" / "bass.flac", stem_samples(1))
    found = find_dataset(tmp_path)
    assert (found.layout, [track.name for track in found.tracks]) == ("musdb18-hq", ["C - Three"])
    assert len(found.notes) == 2


def test_the_streams_of_a_stem_file(tmp_path: Path) -> None:
    path = tmp_path / "song.stem.mp4"
    trees.write_stem_file(path)
    (track,) = find_dataset(path).tracks
    audio = load_track(track)
    assert (track.name, audio.sample_rate) == ("song", 44_100)
    for index, stem in enumerate(("drums", "bass", "other", "vocals")):
        source = audio.sources[audio.stems.index(stem)]
        assert (source - torch.from_numpy(stem_samples(index))).abs().max() <= 2**-15
    with pytest.raises(AudioReadError, match="has 5 audio tracks, and `track` 6 was asked for"):
        list(read_blocks(path, stream=5))
    wav = write(tmp_path / "song.wav", stem_samples(0))
    with pytest.raises(AudioReadError, match="has 1 audio track, and `track` 2 was asked for"):
        list(read_blocks(wav, stream=1))


def test_slakh_instruments_become_three_stems(tmp_path: Path) -> None:
    trees.write_slakh2100(tmp_path)
    (track,) = find_dataset(tmp_path).tracks
    files = {
        stem: [part.path.name for part in parts] for stem, parts in sorted(track.sources.items())
    }
    assert files == {
        "bass": ["S01.flac"],
        "drums": ["S00.flac"],
        "other": ["S02.flac", "S03.flac"],
    }


def test_moisesdb_is_summed(tmp_path: Path) -> None:
    trees.write_moisesdb(tmp_path)
    found = find_dataset(tmp_path)
    assert (found.layout, found.subset) == ("moisesdb", None)
    assert "not divided into train and test" in found.notes[0]
    (track,) = found.tracks
    audio = load_track(track)
    assert audio.stems == ("drums", "bass", "other", "vocals")
    assert audio.sources.shape == (4, 2, 6000)
    vocals = stem_samples(0, num_samples=6000)
    vocals[:, :5900] += stem_samples(1, num_samples=5900)
    assert np.abs(audio.sources[3].numpy() - vocals).max() <= 2**-15
    assert not audio.sources[1, :, 5000:].any()  # the bass ends early
    assert torch.equal(audio.mixture, audio.sources.sum(dim=0))


def test_any_folder_of_a_mixture_and_stems(tmp_path: Path) -> None:
    samples = write_song(tmp_path / "live" / "Song é", ["speech", "noise"], extension="flac")
    write_song(tmp_path / ".hidden", ["speech"])
    (tmp_path / "live" / "Song é" / "notes.txt").write_text("not audio")
    write(tmp_path / "extra.wav", stem_samples(0))
    found = find_dataset(tmp_path)
    assert (found.layout, [track.name for track in found.tracks]) == ("folder", ["live/Song é"])
    assert found.notes[-1] == "1 file without stems was passed over: extra.wav."
    audio = load_track(found.tracks[0])
    assert audio.stems == ("noise", "speech")
    assert np.array_equal(audio.sources[1].numpy(), samples["speech"])
    itself = find_dataset(tmp_path / "live" / "Song é")
    assert [track.name for track in itself.tracks] == ["Song é"]


def test_an_accompaniment_beside_its_parts_is_not_a_stem(tmp_path: Path) -> None:
    write_song(tmp_path / "a", ["accompaniment", "bass", "drums", "vocals"])
    write_song(tmp_path / "b", ["accompaniment", "vocals"])
    first, second = find_dataset(tmp_path).tracks
    assert first.stems == ("bass", "drums", "vocals")
    assert second.stems == ("accompaniment", "vocals")


@needs_falcon
def test_the_shared_folder() -> None:
    found = find_dataset(FALCON.parent)
    assert [track.name for track in found.tracks] == ["falcon69"]
    assert found.notes[-1] == "1 file without stems was passed over: demucs_test.mp3."
    audio = load_track(found.tracks[0])
    assert audio.sources.shape == (4, 2, 268_288)
    assert -16 < audio.rest_db() < -15  # it was mastered
    assert torch.equal(audio.mixture * 2**15, (audio.mixture * 2**15).round())


def test_tracks_that_are_not_complete_are_passed_over(tmp_path: Path) -> None:
    write_song(tmp_path / "whole")
    write(tmp_path / "alone" / "mixture.wav", stem_samples(0))
    write_song(tmp_path / "twice")
    write(tmp_path / "twice" / "bass.flac", stem_samples(1))
    found = find_dataset(tmp_path)
    assert [track.name for track in found.tracks] == ["whole"]
    notes = "\n".join(found.notes)
    assert "alone has no stems, and is passed over" in notes
    assert "twice holds two files for the stem bass" in notes


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.json", "{"),
        ("data.json", "[" * 100_000),
        ("data.json", '{"stems": 3}'),
        ("metadata.yaml", "!!python/object/apply:os.system [touch owned]"),
        ("metadata.yaml", "stems: [1, 2]"),
        ("metadata.yaml", ":\n  - :\n -"),
    ],
)
def test_descriptions_that_make_no_sense(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / "track" / "stems").mkdir(parents=True)
    (tmp_path / "track" / name).write_text(content)
    write(tmp_path / "track" / "mix.wav", stem_samples(0))
    write(tmp_path / "track" / "stems" / "S00.wav", stem_samples(0))
    with pytest.raises(UsageError, match="has no track that is complete"):
        find_dataset(tmp_path)
    assert not Path("owned").exists()


def test_what_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no file or folder"):
        find_dataset(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="is not a data set: no track with its true stems"):
        find_dataset(tmp_path)
    song = write(tmp_path / "song.wav", stem_samples(0))
    with pytest.raises(UsageError, match="is not a data set"):
        find_dataset(song)
    trees.write_musdb18_hq(tmp_path / "hq")
    with pytest.raises(UsageError, match="is not a data set in the layout dsd100"):
        find_dataset(tmp_path / "hq", layout="dsd100")
    trees.write_song(tmp_path / "half" / "train" / "song")
    with pytest.raises(UsageError, match=r"has no tracks for `subset='test'`. It has: train"):
        find_dataset(tmp_path / "half")


def _track(tmp_path: Path, mixture: np.ndarray | None, **stems: np.ndarray) -> Track:
    return Track(
        name="song",
        mixture=None if mixture is None else Recording(write(tmp_path / "mixture.wav", mixture)),
        sources={
            stem: (Recording(write(tmp_path / f"{stem}.wav", samples)),)
            for stem, samples in stems.items()
        },
    )


def test_mono_stems_are_in_all_channels(tmp_path: Path) -> None:
    mono = stem_samples(0, num_channels=1)
    audio = load_track(_track(tmp_path, stem_samples(1), speech=mono))
    assert np.array_equal(audio.sources[0].numpy(), np.repeat(mono, 2, axis=0))


def test_files_that_do_not_fit_together(tmp_path: Path) -> None:
    mixture, short = stem_samples(0), stem_samples(1, num_samples=5999)
    with pytest.raises(AudioReadError, match="bass has 5999 samples, and the mixture 6000"):
        load_track(_track(tmp_path, mixture, bass=short))
    with pytest.raises(AudioReadError, match="recordings with 2 and with 1 channels"):
        load_track(_track(tmp_path, mixture[:1], bass=mixture))
    track = _track(tmp_path, mixture, bass=mixture)
    soundfile.write(tmp_path / "bass.wav", mixture.T, 16_000)
    with pytest.raises(AudioReadError, match="sample rate of 16000 Hz, and other files"):
        load_track(track)
    (tmp_path / "bass.wav").unlink()
    with pytest.raises(AudioReadError, match="does not exist"):
        load_track(track)
    with pytest.raises(AudioReadError, match="neither a mixture nor stems"):
        load_track(Track(name="song", mixture=None, sources={"bass": ()}))


def test_a_stem_without_recordings_is_silent(tmp_path: Path) -> None:
    track = _track(tmp_path, stem_samples(0), drums=stem_samples(0))
    track = Track(name="song", mixture=track.mixture, sources={**track.sources, "bass": ()})
    audio = load_track(track)
    assert audio.sources.shape == (2, 2, NUM_SAMPLES)
    assert not audio.sources[1].any()
    assert audio.rest_db() == -float("inf")


def test_stems_are_summed_in_groups(tmp_path: Path) -> None:
    write_song(tmp_path)
    audio = load_track(find_dataset(tmp_path).tracks[0])
    grouped = audio.regrouped([("vocals",), ("bass", "drums", "other")])
    assert grouped.stems == ("vocals", "bass+drums+other")
    assert torch.allclose(grouped.sources.sum(dim=0), audio.mixture, atol=1e-6)
    assert audio.regrouped([(stem,) for stem in audio.stems]) is audio

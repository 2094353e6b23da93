from __future__ import annotations

import dataclasses
import re
import zipfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from stemsplit import Separator, Stage, list_models
from stemsplit.audio.tags.song_tags import Tags
from stemsplit.audio.tags.tag_reader import read_tags
from stemsplit.audio.tags.tag_writer import write_tags
from stemsplit.engine.separate import Progress
from stemsplit.errors import AudioReadError, OutputExistsError, UnknownModelError, UsageError
from tests.audio.songs import tone, write_sndfile
from tests.models.random_models import htdemucs, write_bag

pytestmark = pytest.mark.slow

STEMS = ["drums", "bass", "other", "vocals"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag(tmp_path_factory.mktemp("bag"), "small", [htdemucs()])


@pytest.fixture(scope="module")
def separator(checkpoint: Path) -> Separator:
    return Separator(checkpoint, device="cpu")


@pytest.mark.slow
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


def test_a_call_may_choose_its_part_of_the_song(separator: Separator) -> None:
    song = {"audio": tone(50_000), "sample_rate": 44100}
    whole = separator.separate(**song)
    part = separator.separate(**song, start=0.25, end=np.float32(0.5))
    stop = separator.separate(**song)
    blocks = list(separator.blocks(**song, start=1.0))
    assert blocks[0].start == 0
    for stem in STEMS:
        assert np.array_equal(part[stem], whole[stem][:, 11_025:22_050])
        end = np.concatenate([block[stem] for block in blocks], axis=-1)
        assert np.array_equal(end, whole[stem][:, 44_100:])
        assert np.array_equal(stop[stem], whole[stem])
    with pytest.raises(UsageError, match=r"`end` must be later than `start` \(2 s\), got 1"):
        separator.separate(**song, start=2, end=1)


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


def test_a_separation_is_a_mapping(separator: Separator) -> None:
    separation = separator.separate(tone(9000), sample_rate=44100)
    assert isinstance(separation, Mapping)
    assert list(separation) == list(separation.keys()) == STEMS
    assert len(separation) == 4
    assert "vocals" in separation
    assert "kazoo" not in separation
    assert separation.get("kazoo") is None
    for stem, samples in separation.items():
        assert samples is separation.stems[stem]
    assert separation == separation
    assert separation != separator.separate(tone(9000), sample_rate=44100)
    assert len({separation}) == 1
    with pytest.raises(KeyError, match="kazoo"):
        separation["kazoo"]


def test_a_block_is_a_mapping(separator: Separator) -> None:
    block = next(separator.blocks(tone(9000), sample_rate=44100))
    assert list(block) == STEMS
    assert block["bass"] is block.stems["bass"]


def test_what_a_prompt_shows_is_short(separator: Separator, tmp_path: Path) -> None:
    song = write_sndfile(tmp_path / "my song.wav", tone(9000))
    assert repr(separator.separate(song)) == (
        "<Separation of my song.wav: drums, bass, other, vocals; [2, 9000] at 44100 Hz>"
    )
    assert repr(separator.separate(tone(9000, num_channels=1), sample_rate=48000)) == (
        "<Separation: drums, bass, other, vocals; [1, 9000] at 48000 Hz>"
    )
    (block,) = separator.blocks(tone(9000), sample_rate=44100)
    assert repr(block) == "<SeparatedBlock 0:9000 of drums, bass, other, vocals>"


@pytest.mark.parametrize(
    ("options", "extension", "subtype"),
    [
        ({}, "wav", "PCM_24"),
        ({"bit_depth": 16, "dither": True}, "wav", "PCM_16"),
        ({"bit_depth": "32f"}, "wav", "FLOAT"),
        ({"format": "flac"}, "flac", "PCM_24"),
        ({"format": "mp3", "bitrate": 128}, "mp3", "MPEG_LAYER_III"),
        ({"format": "ogg", "tags": False}, "ogg", "VORBIS"),
    ],
)
def test_stems_are_saved_as_the_command_line_saves_them(
    separator: Separator, tmp_path: Path, options: dict[str, Any], extension: str, subtype: str
) -> None:
    samples = tone(9000)
    song = write_sndfile(tmp_path / "song.wav", samples, subtype="FLOAT")
    separation = separator.separate(song)
    paths = separation.save(tmp_path / "new" / "folder", **options)
    assert paths == {stem: tmp_path / "new" / "folder" / f"{stem}.{extension}" for stem in STEMS}
    for stem, path in paths.items():
        info = soundfile.info(path)
        assert (info.frames, info.samplerate, info.channels) == (9000, 44100, 2)
        assert info.subtype == subtype
        saved, _ = soundfile.read(path, dtype="float32")
        if subtype == "FLOAT":
            assert np.array_equal(saved.T, separation[stem])
        elif extension != "mp3":
            tolerance = 0.1 if extension == "ogg" else 1e-3  # lossy; two codecs' versions differ
            assert np.abs(saved.T - separation[stem]).max() < tolerance
    assert {path.name for path in (tmp_path / "new" / "folder").iterdir()} == {
        path.name for path in paths.values()
    }


def test_saved_stems_share_one_gain_and_have_the_songs_tags(
    separator: Separator, tmp_path: Path
) -> None:
    song = write_sndfile(tmp_path / "song.flac", tone(9000))
    write_tags(song, "flac", Tags(text={"title": ("Blue",), "artist": ("Ann",)}))
    loud = dataclasses.replace(
        separator.separate(song),
        stems={"a": np.full((2, 9000), 2.0, np.float32), "b": np.full((2, 9000), -1.0, np.float32)},
    )
    paths = loud.save(tmp_path, format="flac")
    a, b = (soundfile.read(path)[0] for path in paths.values())
    assert a.max() == pytest.approx(1.0, abs=1e-5)
    assert b.min() == pytest.approx(-0.5, abs=1e-5)
    tags = read_tags(paths["a"])
    assert (tags.text["title"], tags.text["artist"]) == (("Blue (a)",), ("Ann",))


def test_a_stem_file_is_saved(separator: Separator, checkpoint: Path, tmp_path: Path) -> None:
    song = write_sndfile(tmp_path / "song.wav", tone(44100))
    whole = Separator(checkpoint, stem_file=True, device="cpu").separate(song)
    assert list(whole) == ["mixture", *STEMS]
    assert whole.save(tmp_path, format="stem.mp4") == {"stem.mp4": tmp_path / "song.stem.mp4"}
    assert (tmp_path / "song.stem.mp4").stat().st_size > 1000
    with pytest.raises(UsageError, match=r"these are drums, .*`stem_file=True`"):
        separator.separate(song).save(tmp_path, format="stem.mp4")


def test_nothing_is_replaced_unasked(separator: Separator, tmp_path: Path) -> None:
    separation = separator.separate(tone(9000), sample_rate=44100)
    mine = tmp_path / "bass.wav"
    mine.write_text("mine")
    with pytest.raises(OutputExistsError, match=r"bass.wav already exists. Use `overwrite`"):
        separation.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["bass.wav"]
    separation.save(str(tmp_path), overwrite=True)
    assert soundfile.info(mine).frames == 9000


def test_no_name_of_a_stem_leaves_the_folder(separator: Separator, tmp_path: Path) -> None:
    separation = separator.separate(tone(9000), sample_rate=44100)
    hostile = dataclasses.replace(separation, stems={"../x": separation["bass"]})
    assert hostile.save(tmp_path / "in") == {"../x": tmp_path / "in" / ".._x.wav"}
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_who_listens_hears_which_networks_are_read(tmp_path: Path) -> None:
    bag = write_bag(tmp_path, "two", [htdemucs(), htdemucs(seed=1)])
    heard: list[Stage] = []
    Separator(bag, device="cpu", on_stage=heard.append)
    assert [(stage.kind, stage.name, stage.num_done, stage.num_total) for stage in heard] == [
        ("loading", "two", 0, 2),
        ("loading", "two", 1, 2),
        ("loading", "two", 2, 2),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"complement": "minus"}, "`complement` must be subtract, sum or none, got 'minus'"),
        ({"precision": "int8"}, "`precision` must be auto, fp32, bf16 or fp16, got 'int8'"),
        ({"quality": "good"}, "`quality` must be fast, balanced or best, got 'good'"),
        ({"licence": "MIT"}, "`licence` must be permissive, got 'MIT'"),
        ({"stems": "vocals"}, "`stems` must be a list of names, got 'vocals'"),
        ({"mixes": "a = bass"}, "`mixes` must be a list of sums, got 'a = bass'"),
        ({"then": "vocals: karaoke"}, "`then` must be a list of steps, got 'vocals: karaoke'"),
        ({"then": [5]}, "`then` must be a text, got 5"),
        ({"stems": [5]}, "`stems` must be a text, got 5"),
        ({"mixes": [None]}, "`mixes` must be a text, got None"),
        ({"two_stems": 5}, "`two_stems` must be a text, got 5"),
        ({"lfe": 5}, "`lfe` must be a text, got 5"),
        ({"device": 5}, "`device` must be a text, got 5"),
        ({"start": "5"}, "`start` must be a number, got '5'"),
        ({"end": "5"}, "`end` must be a number, got '5'"),
        ({"overlap": "5"}, "`overlap` must be a number, got '5'"),
        ({"shifts": 1.5}, "`shifts` must be a whole number, got 1.5"),
        ({"shifts": True}, "`shifts` must be a whole number, got True"),
        ({"seed": None}, "`seed` must be a whole number, got None"),
        ({"batch_size": "auto"}, "`batch_size` must be a whole number, got 'auto'"),
        ({"model": 5}, "`model` must be a text, got 5"),
    ],
)
def test_words_that_are_no_choice_are_errors(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        Separator(**{"model": "spectral", **options})


def test_numbers_of_numpy_and_devices_of_torch_are_welcome() -> None:
    separator = Separator(
        "spectral", start=np.float32(0), shifts=np.int64(1), device=torch.device("cpu")
    )
    assert len(separator.separate(tone(500), sample_rate=np.int32(44100))) == 4


def test_a_clip_policy_that_there_is_not_is_an_error(separator: Separator, tmp_path: Path) -> None:
    separation = separator.separate(tone(9000), sample_rate=44100)
    with pytest.raises(UsageError, match="`clip` must be common, clamp or none, got 'tanh'"):
        separation.save(tmp_path, clip="tanh")
    assert list(tmp_path.iterdir()) == []


def test_the_package_says_that_it_has_types() -> None:
    assert resources.files("stemsplit").joinpath("py.typed").is_file()


@pytest.mark.slow
def test_so_does_a_package_that_was_built_of_it(tmp_path: Path) -> None:
    wheel = pytest.importorskip("hatchling.builders.wheel")
    root = Path(__file__).parents[2]
    (built,) = wheel.WheelBuilder(str(root)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(built) as package:
        assert "stemsplit/py.typed" in package.namelist()


def test_mistakes_are_errors_of_ours(separator: Separator) -> None:
    with pytest.raises(UsageError, match="without `sample_rate`"):
        separator.separate(tone(10))
    with pytest.raises(UsageError, match="`sample_rate` must be a whole number, got '44k'"):
        separator.separate(tone(10), sample_rate="44k")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="`audio` must be a path, an array or a tensor, got 5"):
        separator.separate(5)  # type: ignore[arg-type]
    for array in (tone(500).T, np.array(["x"]), np.zeros((2, 10), dtype=np.int16)):
        with pytest.raises(AudioReadError, match=r"array \[C, T\], got .* Channels come first"):
            separator.separate(array, sample_rate=44100)
    with pytest.raises(AudioReadError, match="does not exist"):
        separator.separate("nowhere.wav")
    with pytest.raises(UnknownModelError, match="No model is called 'nonesuch'"):
        Separator("nonesuch")


def test_the_catalogue_can_be_listed() -> None:
    assert {"htdemucs", "htdemucs_ft", "spectral"} <= set(list_models())

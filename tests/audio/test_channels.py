"""Which channels go together, and mono to the model and back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stemsplit.audio.channels import (
    MAX_CHANNELS,
    default_channels,
    from_model_channels,
    group_channels,
    layout_is_known,
    to_model_channels,
)
from stemsplit.audio.source import probe, read_blocks
from stemsplit.errors import AudioReadError
from tests.audio.songs import tone, write_pyav, write_sndfile


def names(layout: str, model_channels: int = 2) -> list[str]:
    channels = layout.split()
    grouping = group_channels(channels, model_channels)
    groups = ["+".join(channels[i] for i in group) for group in grouping.groups]
    return groups + [f"({channels[i]})" for i in grouping.low]


@pytest.mark.parametrize(
    ("layout", "groups"),
    [
        ("FC", ["FC"]),
        ("FL FR", ["FL+FR"]),
        ("FL FR LFE", ["FL+FR", "(LFE)"]),
        ("FL FR BL BR", ["FL+FR", "BL+BR"]),
        ("FL FR FC LFE BL BR", ["FL+FR", "FC", "BL+BR", "(LFE)"]),
        ("FL FR FC LFE SL SR", ["FL+FR", "FC", "SL+SR", "(LFE)"]),
        ("FL FC FR SL SR BC LFE", ["FL+FR", "FC", "SL+SR", "BC", "(LFE)"]),
        ("FR FL FC", ["FL+FR", "FC"]),  # the pair is left and right, wherever they lie
        ("FL FC BR", ["FL", "FC", "BR"]),
        (
            "FL FR FC LFE BL BR SL SR TFL TFR TBL TBR",
            ["FL+FR", "FC", "BL+BR", "SL+SR", "TFL+TFR", "TBL+TBR", "(LFE)"],
        ),
        ("1 2 3 4 5", ["1+2", "3+4", "5"]),
        ("FL FR FL FR", ["FL+FR", "FL+FR"]),  # twice the same: neighbours
        ("AMBI0 AMBI1 AMBI2 AMBI3", ["AMBI0+AMBI1", "AMBI2+AMBI3"]),
        ("LFE LFE2 LFE", ["LFE+LFE2", "LFE"]),
    ],
)
def test_left_goes_with_right_and_the_rest_alone(layout: str, groups: list[str]) -> None:
    assert names(layout) == groups


def test_a_model_of_one_channel_takes_them_one_by_one() -> None:
    assert names("FL FR FC LFE", model_channels=1) == ["FL", "FR", "FC", "(LFE)"]
    assert names("1 2 3", model_channels=1) == ["1", "2", "3"]


@given(
    st.lists(st.sampled_from(["FL", "FR", "FC", "LFE", "BL", "BR", "TFL", "x"]), min_size=1),
    st.integers(1, 3),
)
def test_every_channel_is_in_exactly_one_group(channels: list[str], model_channels: int) -> None:
    channels = channels[:MAX_CHANNELS]
    grouping = group_channels(channels, model_channels)
    members = [i for group in (*grouping.groups, grouping.low) for i in group]
    assert sorted(members) == list(range(len(channels)))
    assert grouping.groups


def test_there_is_a_bound() -> None:
    with pytest.raises(AudioReadError, match=r"33 channels\. Up to 32 can be separated"):
        group_channels(default_channels(33), 2)


def test_the_usual_layouts_are_known_up_to_eight_channels() -> None:
    for count in range(1, 13):
        assert len(default_channels(count)) == count
        assert layout_is_known(default_channels(count)) == (count <= 8)


@pytest.mark.parametrize("container", ["WAVEX", "RF64", "AIFF", "W64", "AU"])
def test_six_channels_of_libsndfile_are_5_1(tmp_path: Path, container: str) -> None:
    path = write_sndfile(tmp_path / "x", tone(500, num_channels=6), container=container)
    assert probe(path).channels == ("FL", "FR", "FC", "LFE", "BL", "BR")


def test_the_mask_of_a_wav_file_is_read(tmp_path: Path) -> None:
    path = write_sndfile(tmp_path / "quad.wav", tone(500, num_channels=4), container="WAVEX")
    assert probe(path).channels == ("FL", "FR", "BL", "BR")
    plain = write_sndfile(tmp_path / "plain.wav", tone(500, num_channels=4))
    assert probe(plain).channels == ("FL", "FR", "FC", "BC")
    many = write_sndfile(tmp_path / "many.wav", tone(500, num_channels=9))
    assert probe(many).channels == tuple("123456789")


@pytest.mark.parametrize(
    ("codec", "suffix"), [("libopus", "ogg"), ("flac", "flac"), ("aac", "m4a")]
)
def test_channels_come_in_the_order_of_their_names(tmp_path: Path, codec: str, suffix: str) -> None:
    # Ogg keeps the centre second, and libsndfile would hand it out so. The LFE is not looked at:
    # lossy codecs take its tone away.
    path = write_pyav(
        tmp_path / f"surround.{suffix}",
        tone(48_000, num_channels=6, sample_rate=48_000),
        codec=codec,
        sample_rate=48_000,
    )
    info = probe(path)
    assert info.channels == ("FL", "FR", "FC", "LFE", "BL", "BR")
    samples = torch.cat(list(read_blocks(path)), dim=-1).numpy()[:, :48_000]  # [C, T]
    heard = np.abs(np.fft.rfft(samples * np.hanning(48_000))).argmax(axis=-1)  # one bin is 1 Hz
    for channel in (0, 1, 2, 4, 5):
        assert abs(heard[channel] - (440 + 55 * channel)) <= 1


PLANAR = {
    "flac.mka": ("flac", 8), "wavpack.wv": ("wavpack", 8), "wavpack16.wv": ("wavpack", 16),
    "tta.tta": ("tta", 8), "aac.m4a": ("aac", 8), "opus.mka": ("libopus", 8),
    "16.mka": ("pcm_f32le", 16),
}  # fmt: skip


@pytest.mark.slow
def test_planar_samples_of_many_channels(tmp_path: Path) -> None:
    written = {
        name: tone(20_000, num_channels=num_channels, sample_rate=48_000)
        for name, (_, num_channels) in PLANAR.items()
    }
    for name, samples in written.items():
        write_pyav(tmp_path / name, samples, codec=PLANAR[name][0], sample_rate=48_000)
    # Read in a process of its own: what this is about ends the process.
    code = (
        "import sys; from pathlib import Path; import numpy, torch; "
        "from stemsplit.audio.source import read_blocks; "
        "[numpy.save(f'{path}.npy', torch.cat(list(read_blocks(path)), -1)) "
        "for path in map(Path, sys.argv[1:])]"
    )
    paths = [str(tmp_path / name) for name in written]
    subprocess.run([sys.executable, "-c", code, *paths], check=True)
    for name, samples in written.items():
        found = np.load(tmp_path / f"{name}.npy")[:, :20_000]
        assert found.shape == samples.shape
        if PLANAR[name][0] not in ("aac", "libopus"):  # wavpack was given 8 bits
            assert np.abs(found - samples).max() < 2**-7, name
        heard = np.abs(np.fft.rfft(found * np.hanning(20_000))).argmax(axis=-1) * 2.4
        for channel in {*range(len(samples))} - {3}:  # the LFE of lossy codecs is another matter
            assert abs(heard[channel] - (440 + 55 * channel)) < 3, name


def test_mono_there_and_back() -> None:
    mono = torch.rand(1, 100)
    stereo = to_model_channels(mono, 2)
    assert torch.equal(stereo, torch.cat([mono, mono]))
    assert torch.equal(from_model_channels(stereo[None], 1), mono[None])


def test_mono_is_the_mean_of_the_models_channels() -> None:
    stems = torch.tensor([[[1.0, 0.0], [0.0, -1.0]]])  # [S, C, T]
    assert torch.equal(from_model_channels(stems, 1), torch.tensor([[[0.5, -0.5]]]))


def test_equal_channels_are_kept() -> None:
    block = torch.rand(2, 10)
    assert to_model_channels(block, 2) is block
    assert torch.equal(from_model_channels(block[None], 2)[0], block)


def test_a_pair_is_no_group_of_three() -> None:
    with pytest.raises(AudioReadError, match="2 channels and the model takes 3"):
        to_model_channels(torch.zeros(2, 5), 3)
    with pytest.raises(ValueError, match="3 channels into 2"):
        from_model_channels(torch.zeros(1, 3, 5), 2)

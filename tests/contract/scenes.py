"""What the command lines find: songs, and a small network of each family."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from stemsplit.models.family import NetworkArguments
from stemsplit.models.registry import FAMILIES
from tests.audio.songs import Samples, band_noise, tone, write_sndfile
from tests.golden.make_finished_tracks import ZIP
from tests.hub.published_layouts import as_yaml, small_settings, tensors_of
from tests.models.deterministic_weights import values_by_name

_STEMS = ("drums", "bass", "other", "vocals")
_DEMUCS = {"sources": list(_STEMS), "channels": 8}
_PACKAGED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "htdemucs": (
        "demucs.htdemucs.HTDemucs",
        {**_DEMUCS, "bottom_channels": 32, "dconv_mode": 3, "dconv_comp": 2, "t_heads": 4}
        | {"segment": 1},
    ),
    "hdemucs": ("demucs.hdemucs.HDemucs", {**_DEMUCS, "dconv_comp": 2, "segment": 1}),
    "demucs": ("demucs.demucs.Demucs", {**_DEMUCS, "segment": 1}),
}
_BARE: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "demucs_v2": ("demucs.model.Demucs", {"sources": list(_STEMS), "channels": 2}),
    "tasnet": ("demucs.tasnet.ConvTasNet", {"sources": list(_STEMS), "X": 1}),
}
_CONFIGURED = ("bs_roformer", "mel_band_roformer", "scnet", "mdx23c")


def make_scene(folder: Path) -> None:
    """Writes all that the command lines name into an empty folder."""
    _write_songs(folder)
    models = folder / "models"
    models.mkdir()
    for name, (class_name, kwargs) in _PACKAGED.items():
        _write_package(models / f"{name}.safetensors", class_name, kwargs)
    for name, (class_name, kwargs) in _BARE.items():
        torch.save(_tensors(class_name, kwargs), models / f"{name}.th")
    for family in _CONFIGURED:
        (models / family).mkdir()
        settings = small_settings(family, _STEMS)
        torch.save({"state_dict": tensors_of(family, settings)}, models / family / "a.ckpt")
        (models / family / "a.yaml").write_bytes(as_yaml(settings))
    _write_openunmix(models / "openunmix")
    _write_bag(models / "bag")
    (models / "broken.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")


def make_finished(folder: Path) -> None:
    """Extracts a song, a model, and what released versions made of them, into an empty folder."""
    with zipfile.ZipFile(ZIP) as archive:
        archive.extractall(folder)


def _write_songs(folder: Path) -> None:
    (folder / "album" / "disc 1").mkdir(parents=True)
    (folder / "text.wav").write_text("no music")
    write_sndfile(folder / "song.wav", _song(2, seed=1), subtype="PCM_16")
    write_sndfile(folder / "mono.flac", _song(1, seed=2), subtype="PCM_24")
    write_sndfile(folder / "surround.wav", _song(6, seed=3), subtype="PCM_16")
    write_sndfile(folder / "quiet.wav", 1e-4 * _song(2, seed=4), subtype="FLOAT")
    write_sndfile(folder / "loud.wav", np.clip(9 * _song(2, seed=5), -1, 1), subtype="PCM_16")
    write_sndfile(folder / "slow.wav", _song(2, seed=6), sample_rate=22_050, subtype="PCM_16")
    for seed, name in enumerate(("01 Intro.wav", "disc 1/01 Intro.wav", "disc 1/02 End.flac")):
        write_sndfile(folder / "album" / name, _song(2, seed=seed), subtype="PCM_16")
    (folder / "some.m3u8").write_text("#EXTM3U\nsong.wav\nalbum\\01 Intro.wav\nmissing.mp3\n")
    (folder / "disc.cue").write_text(
        'PERFORMER "Nobody"\nFILE "song.wav" WAVE\n'
        '  TRACK 01 AUDIO\n    TITLE "One"\n    INDEX 01 00:00:00\n'
        '  TRACK 02 AUDIO\n    TITLE "Two"\n    INDEX 01 00:00:07\n'
    )
    (folder / "album" / "notes.txt").write_text("no music either")


def _song(num_channels: int, *, seed: int, num_samples: int = 9_000) -> Samples:
    """A fifth of a second: silence, then tones, clicks and noise."""
    samples = 0.5 * tone(num_samples, num_channels=num_channels)
    samples += 0.3 * band_noise(
        num_samples, top_hz=9_000, sample_rate=44_100, num_channels=num_channels, seed=seed
    )
    samples[:, :1_000] = 0
    samples[:, 3_000::2_000] += 0.2
    return samples


def _tensors(class_name: str, kwargs: Mapping[str, Any]) -> dict[str, Tensor]:
    with torch.device("meta"):
        network = FAMILIES[class_name].build(NetworkArguments((), kwargs, ()))
    return {
        name: values_by_name(name, tensor.shape) for name, tensor in network.state_dict().items()
    }


def _write_package(path: Path, class_name: str, kwargs: Mapping[str, Any]) -> None:
    metadata = {"klass": class_name, "args": "[]", "kwargs": json.dumps(kwargs)}
    safetensors.torch.save_file(_tensors(class_name, kwargs), path, metadata)


def _write_bag(folder: Path) -> None:
    """Two networks, of which each has a say in other stems."""
    folder.mkdir()
    for signature, name in (("11111111", "htdemucs"), ("22222222", "hdemucs")):
        class_name, kwargs = _PACKAGED[name]
        _write_package(folder / f"{signature}.safetensors", class_name, kwargs)
    (folder / "small.yaml").write_text(
        "models: ['11111111', '22222222']\nweights: [[1, 1, 0, 0], [0, 1, 1, 1]]\n"
    )


def _write_openunmix(folder: Path) -> None:
    folder.mkdir()
    separator = {"sample_rate": 44100.0, "nfft": 256, "nhop": 64, "nb_channels": 2}
    about = {"args": {"hidden_size": 8, "bandwidth": 16000}}
    (folder / "separator.json").write_text(json.dumps(separator))
    targets = dict.fromkeys(("vocals", "drums"), about)
    tensors = _tensors("openunmix", {"separator": separator, "targets": targets})
    for index, stem in enumerate(targets):
        start = f"networks.{index}."
        own = {name[len(start) :]: each for name, each in tensors.items() if name.startswith(start)}
        torch.save(own, folder / f"{stem}.pth")
        (folder / f"{stem}.json").write_text(json.dumps(about))

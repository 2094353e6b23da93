"""D3Net against what its authors' own program made with the same weights, filter and all."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from stemsplit.checkpoints.contents import read_tensors
from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.dsp.stft import istft, stft
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.network_files import build_network
from stemsplit.errors import CheckpointError
from stemsplit.hub.resolve import resolve
from stemsplit.models.d3net.adapter import adapt_d3net
from stemsplit.models.d3net.config import read_d3net_config
from stemsplit.models.d3net.model import D3Net
from stemsplit.models.d3net.released import RELEASED, released_arguments
from stemsplit.models.registry import build_model
from tests.golden import make_d3net as golden_case
from tests.models.deterministic_weights import noise_by_name
from tests.models.loading import GOLDEN, golden, separate

PUBLISHED = GOLDEN / "d3net.zip"
STEMS = golden_case.STEMS
REQUIRED_DB = 100.0
"""The whole program; mono loses most of what is lost, 123 dB are seen."""
NETWORK_DB = 115.0


def model_of(stems: tuple[str, ...] = STEMS) -> D3Net:
    tensors = {
        name: tensor
        for name, tensor in read_tensors(PUBLISHED).items()
        if name.partition("/")[0] in stems
    }
    model = build_model("d3net", (), settings_of(stems), tensors)
    assert isinstance(model, D3Net)
    return model


def settings_of(stems: tuple[str, ...] = STEMS, **changes: object) -> dict[str, Any]:
    return {"d3net": {stem: {**golden_case.SMALL[stem], **changes} for stem in stems}}


def published_shapes(stem: str) -> dict[str, tuple[int, ...]]:
    """Of all tensors of a published network, as the authors' program says."""
    lines = bytes(golden("d3net")[f"tensors {stem}"].numpy()).decode().splitlines()
    pairs = [line.split(" ", 1) for line in lines]
    return {name: tuple(map(int, shape.strip("(,)").split(","))) for name, shape in pairs}


@torch.inference_mode()
@pytest.mark.parametrize("stem", STEMS)
def test_a_network_equals_the_authors(stem: str) -> None:
    heard = golden_case.SMALL[stem]["valid_signal_idx"]
    expected = golden("d3net")[f"network {stem}"].transpose(1, 2)  # [B, C, N, F]
    network = model_of().networks[STEMS.index(stem)]
    ours = network(golden_case.patch().transpose(1, 2)[..., :heard])
    assert signal_to_difference_db(expected[..., :heard], ours) > NETWORK_DB


@pytest.mark.parametrize("name", golden_case.signals())
def test_a_whole_track_is_as_the_authors_program_has_it(name: str) -> None:
    mixture = golden_case.signals()[name]
    stems = separate(model_of(), Mixture.from_array(mixture, golden_case.SAMPLE_RATE))
    for stem, expected in zip(STEMS, golden("d3net")[name], strict=True):
        # Theirs ends where the last frame is centred.
        ours = stems[stem][:, : expected.shape[-1]]
        assert stems[stem].shape == mixture.shape
        if name == "silence":
            assert not ours.any()
            assert not expected.any()
        else:
            assert signal_to_difference_db(expected, ours) > REQUIRED_DB


@torch.inference_mode()
@pytest.mark.parametrize("num_frames", [15, 16, 17, 24, 31, 40])
def test_each_frame_is_the_mean_of_its_patches(num_frames: int) -> None:
    """Also of the last ones, which the authors' program leaves out of some songs."""
    model = model_of(("vocals",))
    magnitudes = noise_by_name("magnitudes", 1, 2, 24, num_frames).abs()
    padded = torch.nn.functional.pad(magnitudes, (16, 32))
    expected = torch.zeros_like(padded)
    for start in range(0, num_frames + 16, 8):
        part = padded[..., start : start + 16].transpose(-1, -2)
        ways = [model.networks[0](part), model.networks[0](part.flip(1)).flip(1)]
        expected[..., start : start + 16] += (ways[0] + ways[1]).transpose(-1, -2) / 4
    mixture = torch.polar(magnitudes, torch.zeros(()))
    spectrogram = torch.nn.functional.pad(mixture, (0, 0, 0, 9))  # [B, C, F, N]
    (ours,) = model._magnitudes(spectrogram)
    assert signal_to_difference_db(expected[..., 16 : 16 + num_frames], ours) > NETWORK_DB


def test_what_is_left_and_right_makes_no_difference() -> None:
    model, mixture = model_of(), golden_case.signals()["noise"][None]
    assert signal_to_difference_db(model(mixture), model(mixture.flip(1)).flip(2)) > REQUIRED_DB


@pytest.mark.parametrize("num_samples", [1, 15, 16, 31, 32, 33, 130, 821])
def test_every_length_is_kept(num_samples: int) -> None:
    estimate = model_of()(noise_by_name("short", 2, 2, num_samples))
    assert estimate.shape == (2, 4, 2, num_samples)
    assert estimate.isfinite().all()


def test_one_stem_alone_needs_no_filter() -> None:
    model, mixture = model_of(("bass",)), noise_by_name("mixture", 1, 2, 700)
    n_fft, hop = golden_case.N_FFT, golden_case.HOP
    spectrogram = stft(mixture, n_fft=n_fft, hop_length=hop, normalized=False)
    (magnitudes,) = model._magnitudes(spectrogram)
    heard = magnitudes.shape[-2]
    spectrogram[..., :heard, :] *= magnitudes / spectrogram[..., :heard, :].abs()
    expected = istft(spectrogram, hop_length=hop, num_samples=700, normalized=False)
    assert signal_to_difference_db(expected, model(mixture)[:, 0]) > REQUIRED_DB


def test_chunks_begin_where_patches_do() -> None:
    chunking = model_of().spec.chunking
    for network in (*golden_case.SMALL.values(), *RELEASED.values()):
        assert chunking.hop_samples % (network["out_shift"] * golden_case.HOP) == 0


def test_a_track_in_chunks_comes_close_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 192 frames in place of 10752; what all frames share is where each stem is."""
    monkeypatch.setattr("stemsplit.models.d3net.model._FRAMES_PER_CHUNK", 192)
    monkeypatch.setattr("stemsplit.models.d3net.model._FRAMES_IN_OVERLAP", 72)
    model = model_of(("bass", "other"))
    track = noise_by_name("long track", 2, 400 * golden_case.HOP)
    stems = separate(model, Mixture.from_array(track, golden_case.SAMPLE_RATE))
    whole = model(track[None])[0]
    assert signal_to_difference_db(whole, torch.stack(list(stems.values()))) > 30


@pytest.mark.parametrize("stem", STEMS)
def test_the_published_sizes(stem: str) -> None:
    shapes = published_shapes(stem)
    tensors = {name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}
    settings = released_arguments(tensors, "d3net-mss.zip")
    assert settings == {"d3net": {stem: RELEASED[stem]}}
    with torch.device("meta"):
        model = D3Net(read_d3net_config(settings))
    found = {name: each.shape for name, each in adapt_d3net(tensors, model).items()}
    assert found == {name: each.shape for name, each in model.state_dict().items()}
    assert (model.spec.sample_rate, model.spec.num_channels) == (44100, 2)


def test_networks_are_known_by_their_stems_or_not_at_all() -> None:
    assert released_arguments({"piano/features_init_full/conv/W": torch.zeros(1)}, "") is None
    assert released_arguments({"features_init_full.weight": torch.zeros(1)}, "") is None


def test_a_folder_of_the_program_and_the_published_file_are_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what describes the networks, and without it where they are known by their stems."""
    described, bare = tmp_path / "my networks", tmp_path / "bare"
    for folder in (described, bare):
        with zipfile.ZipFile(PUBLISHED) as packed:
            packed.extractall(folder)
    for stem, settings in golden_case.SMALL.items():
        (described / f"{stem}.yaml").write_text(yaml.safe_dump(settings))
    mixture = golden_case.signals()["noise"][None]
    expected = model_of()(mixture)
    monkeypatch.setattr("stemsplit.models.d3net.released.RELEASED", golden_case.SMALL)
    for path in (described, bare, PUBLISHED):
        model = build_network(resolve(str(path)).members[0])
        assert model.spec.stems == STEMS
        assert torch.equal(model(mixture), expected)
    alone = build_network(resolve(str(bare / "bass.h5")).members[0])
    assert alone.spec.stems == ("bass",)


def test_one_of_several_networks_that_has_no_description_is_said(tmp_path: Path) -> None:
    (tmp_path / "vocals.yaml").write_text(yaml.safe_dump(golden_case.SMALL["vocals"]))
    with zipfile.ZipFile(PUBLISHED) as packed:
        packed.extractall(tmp_path)
    with pytest.raises(CheckpointError, match=r"no description of bass, drums, other"):
        resolve(str(tmp_path))


def test_what_is_missing_or_too_much_is_refused_by_name() -> None:
    tensors = read_tensors(PUBLISHED)
    name = "vocals/final_dense/layers/layer2/bottleneck/conv1/conv/b"
    with pytest.raises(
        CheckpointError, match=r"missing tensors: networks.0.final.layers.2.conv.bias"
    ):
        build_model("d3net", (), settings_of(), {k: t for k, t in tensors.items() if k != name})
    for surplus in ("vocals/more/W", "piano/in_scale", "vocals/bottleneck_block/x", "full/a"):
        with pytest.raises(CheckpointError, match="unexpected tensors"):
            build_model("d3net", (), settings_of(), {**tensors, surplus: torch.zeros(1, 2, 1, 1)})
    with pytest.raises(CheckpointError, match="does not fit"):
        build_model("d3net", (), {"d3net": dict(RELEASED)}, tensors)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"valid_signal_idx": 34}, "valid_signal_idx=34"),
        ({"valid_signal_idx": 23}, "15 bins cannot be halved 1 times"),
        ({"band_split_idxs": 8}, "band_split_idxs=8 are not one bin or several"),
        ({"band_split_idxs": [8, 4]}, "has not one value for each band"),
        ({"band_split_idxs": [7]}, "7 bins cannot be halved"),
        ({"dens_k": [[4, 5, 1 << 20], [2, 2, 2]]}, "dens_k="),
        ({"dens_k": [[4, 5], [2, 2, 2]]}, "2 widths for 3 blocks"),
        ({"dens_k": "wide"}, "dens_k='wide' has not one value for each band"),
        ({"f_dens_k": None}, "dens_k=None"),
        ({"b_n_blocks": [[2, 1, 2], [1, 1, 1]]}, r"nested blocks differ: \[2, 1, 2\]"),
        ({"comp_rates": [[0.5, 1.0], [1.0, 1.0]]}, "comp_rates="),
        ({"n_channels": 1}, "n_channels=1"),
        ({"fft_size": 1 << 40}, "fft_size=1099511627776"),
        ({"test_patch_len": 17}, "17 frames of 8 bins cannot be halved"),
        ({"out_shift": 3}, "no multiple of 3"),
        ({"out_shift": 1}, "out_shift=1"),
        ({"ttl_dens_k": True}, "ttl_dens_k=True"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises((CheckpointError, ValueError), match=message):
        read_d3net_config(settings_of(("vocals",), **changes))


@pytest.mark.parametrize(
    "settings",
    [{}, {"d3net": {}}, {"d3net": [1]}, {"d3net": {"vocals": []}}, {"d3net": {"../x": {}}}],
    ids=str,
)
def test_what_is_no_description_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(CheckpointError):
        read_d3net_config(settings)


def test_networks_that_hear_different_spectrograms_are_refused() -> None:
    settings = settings_of(("vocals", "other"))
    settings["d3net"]["other"]["hop_size"] = 8
    with pytest.raises(ValueError, match="do not hear the same spectrogram"):
        read_d3net_config(settings)

"""Band-Split RNN against the software that its published networks were made with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

from stemsplit import Separator
from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import SeparationOptions
from stemsplit.errors import CheckpointError
from stemsplit.hub.catalog import load_catalog
from stemsplit.models.bandsplit_rnn.config import read_bandsplit_rnn_config
from stemsplit.models.bandsplit_rnn.model import BandSplitRnn
from stemsplit.models.registry import build_model
from tests.golden.make_bandsplit_rnn import (
    CHUNK_SAMPLES,
    PARTS,
    SMALL,
    checkpoint,
    in_mono,
    of_the_fork,
    small,
    track,
)
from tests.models.deterministic_weights import noise_by_name, values_by_name
from tests.models.loading import golden, separate

CASES = {"bins": SMALL, "mono": in_mono(SMALL), "frames": of_the_fork(SMALL)}
STEMS = ["bass", "drums", "other", "vocals"]

# Sums are formed in another order: some 130 dB are seen.
REQUIRED_DB = 100.0


def tensors_of(settings: Mapping[str, Any]) -> dict[str, Tensor]:
    with torch.device("meta"):
        shapes = BandSplitRnn(read_bandsplit_rnn_config(settings)).state_dict()
    return {name: values_by_name(name, tensor.shape) for name, tensor in shapes.items()}


def network(settings: Mapping[str, Any]) -> Any:
    return build_model("bandsplit_rnn", (), settings, tensors_of(settings))


def publish(folder: Path, stem: str, settings: Mapping[str, Any] | None = None) -> Path:
    """A checkpoint of the training program with its hparams.yaml; the path of the former."""
    settings = of_the_fork(small(stem)) if settings is None else settings
    folder.mkdir(parents=True)
    (folder / "hparams.yaml").write_text(yaml.safe_dump(dict(settings)))
    torch.save(checkpoint(tensors_of(settings)), folder / f"{stem}.ckpt")
    return folder / f"{stem}.ckpt"


@pytest.mark.parametrize("case", CASES)
def test_the_network_equals_the_software_s(case: str) -> None:
    model = network(CASES[case])
    chunks = track()[: model.spec.num_channels, : 3 * CHUNK_SAMPLES]
    estimates = model(chunks.unflatten(1, (3, -1)).transpose(0, 1))[:, 0]  # [3, C, T]
    assert torch.equal(estimates[2], torch.zeros_like(estimates[2]))  # of silence
    expected = golden("bandsplit_rnn")[f"{case}_chunks"]
    for theirs, ours in zip(expected, estimates, strict=True):
        assert signal_to_difference_db(theirs, ours) > REQUIRED_DB


@pytest.mark.parametrize("case", CASES)
def test_whole_tracks_equal_the_software_s(case: str) -> None:
    model = network(CASES[case])
    mixture = Mixture.from_array(track()[: model.spec.num_channels], model.spec.sample_rate)
    stem = separate(model, mixture)["vocals"]
    lengths = list(PARTS.values())
    theirs, ours = golden("bandsplit_rnn")[case].split(lengths, -1), stem.split(lengths, -1)
    for index, name in enumerate(PARTS):
        assert signal_to_difference_db(theirs[index], ours[index]) > REQUIRED_DB, name
    # Where no chunk has heard anything but what is very quiet.
    alone = slice(CHUNK_SAMPLES, -CHUNK_SAMPLES)
    quiet = list(PARTS).index("quiet")
    expected = theirs[quiet][:, alone]
    assert 0 < float(expected.abs().max()) < 1e-3
    assert signal_to_difference_db(expected, ours[quiet][:, alone]) > REQUIRED_DB


def test_without_an_overlap_chunks_are_the_network_s() -> None:
    model = network(SMALL)
    mixture = track()
    options = SeparationOptions(overlap=0)
    stem = separate(model, Mixture.from_array(mixture, model.spec.sample_rate), options)["vocals"]
    start = CHUNK_SAMPLES - model.spec.chunking.margin_samples
    alone = slice(start, start + CHUNK_SAMPLES)
    torch.testing.assert_close(stem[:, alone], model(mixture[None, :, alone])[0, 0])


def test_the_published_settings_are_the_policy() -> None:
    entry = load_catalog()["bsrnn"]
    num_values = {"bass": 33_371_812, "drums": 32_528_548, "other": 32_414_628}
    for published in entry.networks:
        with torch.device("meta"):
            model = BandSplitRnn(read_bandsplit_rnn_config(published.settings or {}))
        assert published.stems is not None
        assert model.spec.stems == published.stems
        # Counted of the software's own networks.
        expected = num_values.get(published.stems[0], num_values["other"])
        assert sum(each.numel() for each in model.parameters()) == expected
        policy = model.spec.chunking
        # Windows of 3 s every 0.5 s, both with the 1844 samples that make whole steps of 512.
        assert policy.chunk_samples == 132_300 + 1844 == policy.fitted_length(1)
        assert policy.hop_samples == 22_050 + 1844
        assert policy.margin_samples == policy.overlap_samples
        assert policy.resized(chunk_samples=200_000).chunk_samples == policy.chunk_samples
        assert model.config.mask_order == "frames"


def test_bands_end_where_the_software_s_do() -> None:
    (other,) = (n for n in load_catalog()["bsrnn"].networks if n.stems == ("other",))
    bands = read_bandsplit_rnn_config(other.settings or {}).bands
    assert len(bands) == 41
    assert [len(band) for band in bands[:4]] == [5, 5, 4, 5]
    assert [bands[10].start, bands[22].start, bands[30].start, bands[38].start] == [
        47,
        186,
        372,
        744,
    ]
    assert bands[-1] == range(929, 1025)


@pytest.mark.parametrize("num_samples", [1, 2, 63, 863, CHUNK_SAMPLES])
def test_every_length_up_to_a_chunk_is_kept(num_samples: int) -> None:
    mixture = noise_by_name("short", 2, 2, num_samples)
    estimate = network(SMALL)(mixture)
    assert estimate.shape == (2, 1, 2, num_samples)
    assert estimate.isfinite().all()


def test_more_than_a_chunk_is_refused() -> None:
    with pytest.raises(ValueError, match="hears 864 samples, not 865"):
        network(SMALL)(torch.zeros(1, 2, CHUNK_SAMPLES + 1))


@pytest.mark.parametrize("in_folder", [True, False])
def test_a_checkpoint_beside_its_hparams_is_a_model(tmp_path: Path, *, in_folder: bool) -> None:
    path = publish(tmp_path / "some name", "drums")
    separator = Separator(str(path.parent if in_folder else path), device="cpu")
    assert separator.model.stems == ("drums",)
    mixture = track()
    stems = separator.separate(mixture.numpy(), sample_rate=8000).stems
    expected = golden("bandsplit_rnn")["frames"]  # the weights are the same for each stem
    assert signal_to_difference_db(expected, torch.from_numpy(stems["drums"])) > REQUIRED_DB


def test_tensors_alone_beside_hparams_are_a_model(tmp_path: Path) -> None:
    path = publish(tmp_path / "vocals", "vocals", SMALL).with_suffix(".pt")
    path.with_suffix(".ckpt").unlink()
    torch.save(tensors_of(SMALL), path)
    stems = Separator(str(path), device="cpu").separate(track().numpy(), sample_rate=8000).stems
    expected = golden("bandsplit_rnn")["bins"]
    assert signal_to_difference_db(expected, torch.from_numpy(stems["vocals"])) > REQUIRED_DB


def test_vocals_leave_the_instruments_over(tmp_path: Path) -> None:
    separator = Separator(str(publish(tmp_path / "x", "vocals")), device="cpu")
    assert separator.model.stems == ("vocals", "instrumental")
    mixture = track().numpy()
    stems = separator.separate(mixture, sample_rate=8000).stems
    np.testing.assert_allclose(stems["vocals"] + stems["instrumental"], mixture, atol=1e-6)


@pytest.mark.parametrize("name", ["{stem}", "bsrnn-{stem}"])
def test_a_folder_of_them_has_all_stems(tmp_path: Path, name: str) -> None:
    for stem in reversed(STEMS):
        publish(tmp_path / "saved_models" / name.format(stem=stem), stem)
    separator = Separator(str(tmp_path / "saved_models"), stems=["bass", "other"], device="cpu")
    assert separator.model.stems == tuple(STEMS)
    assert [member.signature for member in separator.model.members] == ["bass", "other"]
    stems = separator.separate(track().numpy(), sample_rate=8000).stems
    assert list(stems) == ["bass", "other"]


def test_a_folder_with_two_files_for_a_stem_is_refused(tmp_path: Path) -> None:
    path = publish(tmp_path / "all" / "bass", "bass")
    path.with_suffix(".pt").write_bytes(path.read_bytes())
    with pytest.raises(CheckpointError, match=r"several files for bass: bass\.ckpt, bass\.pt"):
        Separator(str(tmp_path / "all"), device="cpu")


def test_a_folder_that_is_called_otherwise_than_its_target_is_refused(tmp_path: Path) -> None:
    publish(tmp_path / "all" / "bass", "bass", small("drums"))
    publish(tmp_path / "all" / "other", "other")
    with pytest.raises(CheckpointError, match=r"bass.ckpt should have the stems bass, but has dru"):
        Separator(str(tmp_path / "all"), device="cpu")


def test_a_checkpoint_alone_does_not_say_what_it_is(tmp_path: Path) -> None:
    path = publish(tmp_path / "x", "vocals")
    (path.parent / "hparams.yaml").unlink()
    with pytest.raises(CheckpointError, match="does not say which network it is for"):
        Separator(str(path), device="cpu")


def changed(section: str, **values: object) -> dict[str, Any]:
    return {**SMALL, section: {**SMALL[section], **values}}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (changed("model", bottleneck_layer="att"), "implements only bottleneck_layer='rnn'"),
        (changed("model", complex_as_channel=False), "implements only complex_as_channel=True"),
        (changed("model", num_heads=4), "has the model argument 'num_heads'"),
        (changed("model", rnn_dim=10**9), "has rnn_dim=1000000000; expected a whole number"),
        (changed("model", bandsplits=[[1000, 100, 3]]), "expected pairs of numbers"),
        (changed("model", bandsplits=[[1000, 0]]), "a list of whole numbers from 1"),
        (changed("model", bandsplits=7), "has bandsplits=7; expected a list"),
        (changed("audio_params", window="hann"), "implements only window=None"),
        (changed("audio_params", hop_size=0.2), "has hop_size=0.2; expected a number from 0.001"),
        (changed("audio_params", target="../x"), "a name that can be a file name"),
        ({**SMALL, "audio_params": None}, "expected a section"),
        ({**SMALL, "featurizer": {}}, "expected a section direct_transform"),
        ({**SMALL, "featurizer": {"direct_transform": {"n_fft": 64}}}, "has hop_length=None"),
        (
            {**SMALL, "featurizer": {"direct_transform": {"n_fft": 128, "hop_length": 16}}},
            "implements only n_fft=64",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_bandsplit_rnn_config(settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (changed("model", bandsplits=[[1000, 100]]), "a band has no bins"),
        (changed("model", bandsplits=[[4000, 1]]), "4000 bands of 1 Hz"),
        (changed("model", bandsplits=[[2000, 1000], [1000, 500]]), "-2 bands of 500 Hz"),
        (changed("model", t_timesteps=54), "a chunk has 55 frames, the network 54"),
    ],
)
def test_settings_that_fit_no_network_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        build_model("bandsplit_rnn", (), settings, {})

"""Checkpoints on the user's own disk: which files belong together, and which network they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from stemsplit import Separator
from stemsplit.checkpoints.config_file import parse_configuration
from stemsplit.errors import CheckpointError
from stemsplit.hub.resolve import resolve
from stemsplit.models.family import NetworkArguments
from stemsplit.models.mdxnet.config import read_mdxnet_config
from stemsplit.models.registry import FAMILIES, recognize
from tests.golden import make_resunet
from tests.hub.loopback import Hub
from tests.hub.published_layouts import as_yaml, small_settings, tensors_of
from tests.models import published_resunet
from tests.models.deterministic_weights import fill_by_name, values_by_name
from tests.models.parity import noise
from tests.models.published_mdxnet import PublishedMdxNet
from tests.references import reference_module

pytestmark = pytest.mark.slow

CONFIGURED = ("bs_roformer", "mel_band_roformer", "scnet", "mdx23c")
FOUR = ("drums", "bass", "other", "vocals")
CAC_TDC = Path(__file__).resolve().parents[3] / "shared/weights/cac_tdc_17_vocals_top3.pt"

Write = Callable[..., tuple[Path, Path]]


@pytest.fixture
def written(tmp_path: Path) -> Write:
    """Weights and configuration of a small network, under the names that are asked for."""

    def write(family: str, weights: str, configuration: str) -> tuple[Path, Path]:
        folder = tmp_path / "a model"
        folder.mkdir(exist_ok=True)
        settings = small_settings(family, FOUR)
        tensors = tensors_of(family, settings)
        if weights.endswith(".safetensors"):
            safetensors.torch.save_file(tensors, folder / weights)
        else:  # beside what training frameworks save
            torch.save({"state_dict": tensors, "epoch": 7}, folder / weights)
        (folder / configuration).write_bytes(as_yaml(settings))
        return folder / weights, folder / configuration

    return write


def family_of(model: Path | str, **options: Any) -> str:
    return Separator(str(model), device="cpu", **options).model.bags[0].family


@pytest.mark.parametrize("family", CONFIGURED)
@pytest.mark.parametrize(
    ("weights", "configuration"),
    [
        ("model.ckpt", "model.yaml"),
        ("model.pt", "config_of_it.yaml"),
        ("model.safetensors", "config.yaml"),
        ("a.pth", "a.yml"),
    ],
)
def test_the_configuration_tells_the_family(
    family: str, weights: str, configuration: str, written: Write
) -> None:
    weights_file, configuration_file = written(family, weights, configuration)
    for model in (weights_file, configuration_file, weights_file.parent):
        assert family_of(model) == family


def test_of_several_the_one_with_the_same_name_counts(written: Write) -> None:
    weights, _ = written("scnet", "one.ckpt", "one.yaml")
    other, _ = written("mdx23c", "two.ckpt", "two.yaml")
    assert (family_of(weights), family_of(other)) == ("scnet", "mdx23c")
    with pytest.raises(CheckpointError, match=r"found: one\.yaml, two\.yaml\)\. Name the file"):
        family_of(weights.parent)


def test_without_a_configuration_it_is_said_what_to_do(written: Write) -> None:
    weights, configuration = written("scnet", "one.ckpt", "notes.yaml")
    with pytest.raises(CheckpointError, match=r"does not say which network.*same name, or one cal"):
        family_of(weights)
    configuration.rename(configuration.with_name("config_a.yaml"))
    (weights.parent / "config_b.yaml").write_text("model: {}")
    with pytest.raises(CheckpointError, match=r"does not say which network"):
        family_of(weights)


def test_a_configuration_without_its_weights(written: Write) -> None:
    weights, configuration = written("scnet", "one.ckpt", "config.yaml")
    weights.rename(weights.with_name("one.old"))
    with pytest.raises(CheckpointError, match=r"not clear which file.*found: none"):
        family_of(configuration)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"num_bands": 1, "band_SR": 1}, "fits mel_band_roformer and scnet"),
        ({"dim": 1, "depth": 1}, r"fits no family.*bs_roformer by freqs_per_bands"),
        ({}, "fits no family that stemsplit has: its section 'model' has nothing"),
        (None, "fits no family"),
    ],
)
def test_a_family_is_not_guessed(model: dict[str, object] | None, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        recognize({"model": model}, {}, file_name="x.ckpt")


def test_a_configured_model_on_the_hub(written: Write, hub: Hub) -> None:
    weights, _ = written("scnet", "one.ckpt", "config.yaml")
    hub.add_folder("somebody/scnet", weights.parent)
    assert family_of("hf://somebody/scnet") == "scnet"
    hub.refuse_status = 503
    assert family_of("hf://somebody/scnet", offline=True) == "scnet"


def test_a_resunet_on_the_hub(hub: Hub) -> None:
    files = {
        "vocals.pth": published_resunet.file_of("MobileNet_Subbandtime"),
        "config.yaml": as_yaml(make_resunet.settings("MobileNet_Subbandtime")),
    }
    hub.add("somebody/resunet", files)
    separator = Separator("hf://somebody/resunet", device="cpu")
    assert separator.model.bags[0].family == "resunet"
    stems = separator.separate(0.1 * noise(2, 4000).numpy(), sample_rate=8000).stems
    assert set(stems) == {"vocals", "instrumental"}


def test_a_configuration_in_the_cache_alone_is_no_model(written: Write, hub: Hub) -> None:
    weights, _ = written("scnet", "one.ckpt", "config.yaml")
    hub.add_folder("somebody/scnet", weights.parent)
    resolve("hf://somebody/scnet")  # fetches the configuration
    assert family_of("hf://somebody/scnet") == "scnet"


def test_a_folder_of_open_unmix_s_training_program(tmp_path: Path) -> None:
    separator = {"sample_rate": 44100.0, "nfft": 256, "nhop": 64, "nb_channels": 2}
    (tmp_path / "separator.json").write_text(json.dumps(separator))
    for stem in ("vocals", "drums"):
        network = reference_module("openunmix.model").OpenUnmix(
            nb_bins=129, nb_channels=2, hidden_size=8, max_bin=93
        )
        fill_by_name(network)
        torch.save(network.state_dict(), tmp_path / f"{stem}.pth")
        about = {"args": {"hidden_size": 8, "bandwidth": 16000, "target": stem}, "best_loss": 1.0}
        (tmp_path / f"{stem}.json").write_text(json.dumps(about))
    trained = Separator(str(tmp_path), device="cpu")
    assert trained.model.bags[0].family == "openunmix"
    assert set(trained.model.stems) == {"vocals", "drums"}
    (tmp_path / "drums.pth").unlink()
    with pytest.raises(CheckpointError, match=r"not one file with weights for each \.json"):
        Separator(str(tmp_path), device="cpu")


MDXNET = {
    "target_name": "vocals",
    "num_blocks": 5,
    "l": 2,
    "g": 4,
    "bn": 2,
    "n_fft": 6144,
    "dim_f": 128,
    "dim_t": 32,
}


def test_an_onnx_file_is_known_by_its_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = PublishedMdxNet(read_mdxnet_config(MDXNET))
    fill_by_name(network)
    file = network.export(tmp_path / "Kim.onnx")
    with pytest.raises(CheckpointError, match=r"not among the fingerprints.*target_name and n_fft"):
        Separator(str(file), device="cpu")

    known = {"target_name": "instrumental", "n_fft": 6144, "compensate": 1.03, "silent_bins": 3}
    monkeypatch.setattr("stemsplit.models.mdxnet.graph.uvr_settings", lambda _: known)
    assert Separator(str(file), device="cpu").model.stems == ("instrumental", "vocals")
    # What the user says about it counts more.
    (tmp_path / "Kim.yaml").write_text("target_name: drums\nn_fft: 6144\n")
    assert Separator(str(file), device="cpu").model.stems == ("drums",)


@pytest.mark.parametrize(
    ("class_name", "kwargs"),
    [("demucs.model.Demucs", {"channels": 2}), ("demucs.tasnet.ConvTasNet", {"X": 2})],
)
def test_released_networks_are_known_by_their_tensors(
    class_name: str, kwargs: dict[str, Any]
) -> None:
    arguments = {"sources": list(FOUR), **kwargs}
    with torch.device("meta"):
        network = FAMILIES[class_name].build(NetworkArguments((), arguments, ()))
    found = recognize(None, network.state_dict(), file_name="tasnet-beb46fac.th")
    assert (found.class_name, dict(found.kwargs)) == (class_name, arguments)


def test_the_authors_cac_tdc_checkpoint_is_a_model() -> None:
    if not CAC_TDC.exists():
        pytest.skip(f"{CAC_TDC} is not here")
    separator = Separator(str(CAC_TDC), device="cpu")
    assert separator.model.stems == ("vocals", "instrumental")
    mixture = 0.1 * noise(2, 44100).numpy()
    stems = separator.separate(mixture, sample_rate=44100).stems
    assert stems["vocals"].shape == mixture.shape


def test_a_cac_tdc_checkpoint_must_name_its_stem() -> None:
    tensors = {name: values_by_name(name, [1]) for name in ("first_conv.0.weight", "x")}
    tensors["encoders.0.H.0.0.weight"] = tensors["x"]
    assert recognize(None, tensors, file_name="a_drums.pt").kwargs == {"target_name": "drums"}
    for name in ("model.pt", "vocals_or_drums.pt"):
        with pytest.raises(CheckpointError, match="does not say which stem it is for"):
            recognize(None, tensors, file_name=name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: !!python/object/apply:os.system ['true']", "not a readable configuration"),
        ("a: !!python/name:os.system", "not a readable configuration"),
        ("a: !!python/tuple 3", "not a readable configuration"),
        ("- a", "holds no names with values"),
        ("1: a", "holds no names with values"),
        ("a: [", "not a readable configuration"),
        ("x: &a [1,1,1,1,1,1,1,1]\n" + "".join(
            f"{b}: &{b} [*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a}]\n"
            for a, b in ("ab", "bc", "cd", "de", "ef", "fg", "gh", "hi")
        ), "more than 65536 values"),
        ("a: " + "x" * (1 << 18), "too large"),
    ],
)  # fmt: skip
def test_a_configuration_is_data(text: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        parse_configuration(text.encode(), "config.yaml")


def test_tuples_are_the_one_thing_that_is_added_to_the_safe_loader() -> None:
    text = b"a: !!python/tuple\n- 1\n- !!python/tuple [2, 3]\nb: 1.0e-05"
    assert parse_configuration(text, "x") == {"a": (1, (2, 3)), "b": 1e-5}

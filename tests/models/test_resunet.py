"""ResUNetDecouple+ against golden vectors of its authors' program."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from stemsplit import Separator
from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import SeparationOptions
from stemsplit.errors import CheckpointError
from stemsplit.models.registry import FAMILIES, build_model, recognize
from stemsplit.models.resunet.config import read_resunet_config, released_settings
from tests.golden import make_resunet as golden_case
from tests.models import published_resunet
from tests.models.deterministic_weights import noise_by_name
from tests.models.loading import golden, separate
from tests.models.takes import TAKES

BOTH = tuple(golden_case.MODULES)
MOBILE = "MobileNet_Subbandtime"
SAMPLE_RATE = golden_case.SAMPLE_RATE


@cache
def network_of(model_type: str, stems: tuple[str, ...] = ("vocals",)) -> Any:
    tensors = published_resunet.tensors(model_type, num_stems=len(stems))
    return build_model("resunet", (), golden_case.settings(model_type, stems), tensors)


def vocals(network: Any, mixture: Tensor, options: SeparationOptions | None = None) -> Tensor:
    return separate(network, Mixture.from_array(mixture, SAMPLE_RATE), options)["vocals"]


def changed(section: str, **values: object) -> dict[str, Any]:
    settings = golden_case.settings(MOBILE)
    return {**settings, section: {**settings[section], **values}}


@pytest.mark.parametrize("model_type", BOTH)
@pytest.mark.parametrize("take", TAKES)
def test_a_whole_track_is_as_the_authors_program_has_it(take: str, model_type: str) -> None:
    estimate = vocals(network_of(model_type), golden_case.track(take))
    # 110 dB and more were seen: sums in another order, FFTs in the place of convolutions.
    assert signal_to_difference_db(golden("resunet")[f"{model_type}.{take}"], estimate) > 100


def test_the_network_alone_with_two_stems() -> None:
    segment = golden_case.track("noise")[None, :, : golden_case.SEGMENT_SAMPLES]
    estimate = network_of(MOBILE, ("vocals", "accompaniment"))(segment)
    assert signal_to_difference_db(golden("resunet")["pair"], estimate) > 100


@pytest.mark.parametrize("model_type", BOTH)
def test_the_published_networks(model_type: str) -> None:
    widths = published_resunet.FULL_SIZE[model_type]
    with torch.device("meta"):  # shapes alone: the strict loading compares them
        shapes = published_resunet.layout(model_type, widths)
        tensors = {name: torch.empty(shape) for name, shape in shapes}
        del tensors["istft.ola_window"]  # whose values are looked at
        network: Any = build_model("resunet", (), released_settings(model_type, "vocals"), tensors)
    policy = network.spec.chunking
    assert (policy.chunk_samples, policy.hop_samples) == (30 * 44100, 15 * 44100)
    assert network.spec.offered_stems == ("vocals", "instrumental")


@pytest.mark.parametrize("model_type", BOTH)
def test_a_published_file_is_a_model_by_itself(model_type: str, tmp_path: Path) -> None:
    path = tmp_path / "resunet143_subbtandtime_accompaniment_16.4dB_500k_steps_v2.pth"
    tensors = published_resunet.tensors(model_type)
    found = recognize(None, tensors, file_name=path.name)
    assert found.class_name == "resunet"
    assert found.kwargs == released_settings(model_type, "accompaniment")
    with pytest.raises(CheckpointError, match="does not say which stem"):
        recognize(None, tensors, file_name="model.pth")


def test_a_file_with_its_configuration_splits_a_song(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(published_resunet.file_of(MOBILE))
    settings = golden_case.settings(MOBILE, ("accompaniment",))
    path.with_suffix(".yaml").write_text(repr(settings), encoding="utf-8")
    mixture = golden_case.track("noise")
    separator = Separator(str(path), device="cpu")
    assert separator.model.bags[0].family == "resunet"
    stems = separator.separate(mixture.numpy(), sample_rate=SAMPLE_RATE).stems
    expected = golden("resunet")[f"{MOBILE}.noise"]
    assert signal_to_difference_db(expected, torch.tensor(stems["accompaniment"])) > 100


def test_a_folder_with_both_files_is_a_model_of_two_stems(tmp_path: Path) -> None:
    content = published_resunet.file_of(MOBILE, published_resunet.FULL_SIZE[MOBILE])
    for stem in ("vocals_7.2dB", "accompaniment_14.6dB"):
        (tmp_path / f"mobilenet_subbtandtime_{stem}_500k_steps_v2.pth").write_bytes(content)
    model = Separator(str(tmp_path), device="cpu").model
    assert model.stems == ("vocals", "accompaniment")
    assert [member.signature for member in model.members] == ["vocals", "accompaniment"]
    (tmp_path / "resunet143_subbtandtime_vocals_8.7dB_500k_steps_v2.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match="several networks for a stem"):
        Separator(str(tmp_path), device="cpu")


@pytest.mark.parametrize("num_samples", [1, 4, 963, 964, 965, 1023])
def test_every_length_is_kept_and_little_is_heard_behind_the_end(num_samples: int) -> None:
    network = network_of(MOBILE)
    mixture = noise_by_name("short", 2, 2, num_samples)
    estimate = network(mixture)
    assert estimate.shape == (2, 1, 2, num_samples)
    assert estimate.isfinite().all()
    longer = torch.nn.functional.pad(mixture, (0, -num_samples % 4))
    assert torch.equal(estimate, network(longer)[..., :num_samples])


def test_a_longer_segment_is_heard_at_once() -> None:
    network, mixture = network_of(MOBILE), golden_case.track("voice")
    whole = network(mixture[None])[0, 0]
    estimate = vocals(network, mixture, SeparationOptions(segment_seconds=0.5))
    assert signal_to_difference_db(whole, estimate) > 100


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train": {}, "evaluate": {}}, "expected a list of 1 to 64 stem names"),
        ({"train": {}}, "no section 'evaluate'"),
        (changed("train", model_type="UNet"), "model_type='UNet'; expected ResUNet143_Subb"),
        (changed("train", output_channels=1), "output_channels=1; stemsplit implements only"),
        (changed("train", channels=[4] * 5), "a list of 6 numbers"),
        (changed("train", channels=[10**9] * 6), "whole numbers from 1 to 1024"),
        (changed("train", target_source_types=["../x"]), "names that can be file names"),
        (changed("evaluate", segment_seconds="30"), "a number from"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_resunet_config(settings)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"window_size": 448}, "224 bins, which cannot be halved 6 times"),
        ({"hop_size": 300}, "an FFT over 512 samples every 300"),
    ],
)
def test_settings_that_fit_no_network_are_refused(values: Any, message: str) -> None:
    tensors = published_resunet.tensors(MOBILE)
    with pytest.raises(CheckpointError, match=message):
        build_model("resunet", (), changed("train", **values), tensors)


def test_another_window_is_refused() -> None:
    tensors = published_resunet.tensors(MOBILE)
    for window in (torch.ones(512), torch.hann_window(512), torch.ones(1), torch.ones(2, 256)):
        with pytest.raises(CheckpointError, match="another window"):
            build_model(
                "resunet",
                (),
                golden_case.settings(MOBILE),
                {**tensors, "istft.ola_window": window},
            )


@pytest.mark.parametrize(
    "name",
    [
        "encoder_block7.conv_block.conv1a.weight",
        "encoder_block1.conv_block9.conv1a.weight",
        "encoder_block1.conv_block.more.conv1a.weight",
        "encoder_block1.conv_block.conv3a.weight",
        "decoder_block1.conv3.weight",
        "stft.other",
        "a",
    ],
)
def test_tensors_that_are_not_known_are_named(name: str) -> None:
    network = FAMILIES["resunet"]
    tensors = {**published_resunet.tensors(MOBILE), name: torch.zeros(1)}
    with pytest.raises(CheckpointError, match=rf"unexpected tensors: {name}"):
        build_model(network.name, (), golden_case.settings(MOBILE), tensors)

"""The speech networks that asteroid publishes: its own outputs with the same weights, and files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from stemsplit import Separator
from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.engine.mixture import Mixture
from stemsplit.errors import CheckpointError, UsageError
from stemsplit.models.blocks.filterbank import MAX_SPEAKERS
from stemsplit.models.family import NetworkArguments
from stemsplit.models.registry import FAMILIES, build_model
from stemsplit.models.spec import Model
from stemsplit.models.speech_tasnet.model import fitted_to
from tests.golden.make_asteroid import CASES, mixture
from tests.models.loading import GOLDEN, golden, separate
from tests.models.parity import noise
from tests.models.published_asteroid import COMPLEX, SMALL, file_of, tensors_of

ARGUMENTS: dict[str, dict[str, Any]] = json.loads((GOLDEN / "asteroid.json").read_text())
DPTNET = {**SMALL["DPTNet"], "n_src": 2}


def network_of(case: str) -> Model:
    class_name = CASES[case][0]
    arguments = ARGUMENTS[case]
    return build_model(class_name, (), arguments, tensors_of(class_name, arguments))


def empty(class_name: str, **arguments: Any) -> torch.nn.Module:
    with torch.device("meta"):
        return FAMILIES[class_name].build(NetworkArguments((), arguments, ()))


def write(folder: Path, class_name: str, **arguments: Any) -> str:
    file = folder / "pytorch_model.bin"
    file.write_bytes(file_of(class_name, {**SMALL[class_name], "sample_rate": 8000, **arguments}))
    return str(file)


@torch.inference_mode()
@pytest.mark.parametrize("case", CASES)
def test_the_network_equals_asteroid_s(case: str) -> None:
    expected = golden("asteroid")[case]
    found = network_of(case)(mixture(expected.shape[-1]))
    assert found.shape == expected.shape
    for heard, ours, raw in zip(mixture(expected.shape[-1]), found, expected, strict=True):
        learns_filters = CASES[case][0] not in COMPLEX  # so that its levels mean nothing
        theirs = at_the_level_of(heard, raw) if learns_filters else raw
        if not heard.any():
            assert not theirs.any()
            assert not ours.any()
            continue
        # Sums are formed in another order, and the factor's cancel: 98 dB and more are seen.
        assert signal_to_difference_db(theirs, ours) > 90


def at_the_level_of(heard: Tensor, stems: Tensor) -> Tensor:
    """The stems [S, C, T] with the one factor that a solver finds for their sum."""
    together = stems.sum(dim=0).reshape(-1, 1).double()
    factor = torch.linalg.lstsq(together, heard.reshape(-1, 1).double()).solution
    return (stems * factor).float()


@pytest.mark.parametrize("num_speakers", [1, 3])
@pytest.mark.parametrize("factor", [1e-4, -1.0, 1e4])
def test_levels_are_the_recording_s_whatever_a_network_s_are(
    factor: float, num_speakers: int
) -> None:
    speakers = 0.1 * noise(2, num_speakers, 1, 4000)
    heard = speakers.sum(dim=1) * torch.tensor([1.0, 1e-3])[:, None, None]
    leaking = factor * (speakers + 0.1 * noise(2, num_speakers, 1, 4000, seed=1))
    found = fitted_to(heard, leaking)
    for item, level in enumerate((1.0, 1e-3)):
        assert signal_to_difference_db(level * speakers[item], found[item]) > 0
        ratio = found[item].square().sum() / (level * speakers[item]).square().sum()
        assert 0.2 < float(ratio) < 1.5
    assert not fitted_to(heard, 0 * leaking).any()
    assert not fitted_to(0 * heard, leaking).any()


@pytest.mark.parametrize(
    ("class_name", "arguments", "num_values"),
    [
        ("ConvTasNet", {"n_src": 2}, 5_050_545),
        ("DPRNNTasNet", {"n_src": 2, "n_repeats": 2}, 1_274_113),
        ("DPTNet", {"n_src": 2, "n_repeats": 2}, 2_855_553),
        ("DCCRNet", {"architecture": "DCCRN-CL"}, 3_669_336),
        ("DCCRNet", {"architecture": "mini"}, 1_055_928),
        ("DCUNet", {"architecture": "DCUNet-10"}, 1_421_890),
        ("DCUNet", {"architecture": "DCUNet-16"}, 2_375_490),
        ("DCUNet", {"architecture": "DCUNet-20"}, 3_527_850),
        ("DCUNet", {"architecture": "Large-DCUNet-20"}, 7_662_304),
    ],
)
def test_the_sizes_are_asteroid_s(
    class_name: str, arguments: dict[str, Any], num_values: int
) -> None:
    learns_filters = not class_name.startswith("DC")  # the others do not count those of an STFT
    tensors = empty(class_name, **arguments).state_dict()
    found = (
        tensor.numel()
        for name, tensor in tensors.items()
        if learns_filters or "_filters" not in name
    )
    assert sum(found) == num_values


@pytest.mark.parametrize(
    ("class_name", "arguments", "megabytes"),
    [
        ("ConvTasNet", {"n_src": 2, "kernel_size": 32, "stride": 16}, 20.4),
        ("ConvTasNet", {"n_src": 3, "kernel_size": 32, "stride": 16}, 20.7),
        ("ConvTasNet", {"n_src": 3}, 20.6),
        ("DPRNNTasNet", {"n_src": 1, "kernel_size": 2, "stride": 1}, 14.6),
        ("DPTNet", {"n_src": 1, "n_repeats": 2}, 11.4),
        ("DCCRNet", {"architecture": "DCCRN-CL"}, 16.4),
    ],
)
def test_published_files_have_this_size(
    class_name: str, arguments: dict[str, Any], megabytes: float
) -> None:
    """By the authors' cards; what is not tensors is a hundredth of them."""
    tensors = tensors_of(class_name, arguments).values()
    num_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    assert 0.99 * megabytes < num_bytes / 1e6 < megabytes + 0.05


@pytest.mark.parametrize("class_name", SMALL)
@pytest.mark.parametrize("num_speakers", [1, 2, 3])
def test_a_file_says_all(class_name: str, num_speakers: int, tmp_path: Path) -> None:
    path = write(tmp_path, class_name, n_src=num_speakers, sample_rate=16000.0)
    separator = Separator(path, device="cpu")
    (member,) = separator.model.members
    assert member.model.spec.sample_rate == 16000
    heard = 0.1 * noise(1, 1234).numpy()
    stems = separator.separate(heard, sample_rate=16000).stems
    if num_speakers == 1:
        assert list(stems) == ["speech", "noise"]
        np.testing.assert_allclose(stems["speech"] + stems["noise"], heard, atol=1e-6)
    else:
        assert list(stems) == [f"speaker{number + 1}" for number in range(num_speakers)]
    assert all(stem.shape == heard.shape and np.isfinite(stem).all() for stem in stems.values())
    assert member.model.spec.ordered == (num_speakers == 1)


def test_speakers_stay_themselves_over_many_chunks(tmp_path: Path) -> None:
    """Whoever asks for one of them gets the one that all have."""
    path = write(tmp_path, "ConvTasNet", n_src=2)
    heard = 0.1 * noise(1, 20 * 8000).numpy()
    both = Separator(path, device="cpu").separate(heard, sample_rate=8000).stems
    alone = Separator(path, stems=["speaker2"], device="cpu").separate(heard, sample_rate=8000)
    np.testing.assert_array_equal(alone.stems["speaker2"], both["speaker2"])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"shifts": 2}, "tells speakers apart, and not who is who, so there is nothing to average"),
        ({"overlap": 0.0}, "not who is who: that is seen where chunks overlap"),
    ],
)
def test_what_would_mix_speakers_up_is_refused(
    how: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        Separator(write(tmp_path, "ConvTasNet", n_src=2), device="cpu", **how)
    Separator(write(tmp_path, "ConvTasNet", n_src=1), device="cpu", **how)


def test_speakers_of_two_models_are_not_averaged(tmp_path: Path) -> None:
    paths = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        paths.append(write(tmp_path / name, "ConvTasNet", n_src=2))
    with pytest.raises(UsageError, match="it goes with no other model"):
        Separator(" + ".join(paths), device="cpu")


@pytest.mark.parametrize(
    ("class_name", "arguments", "message"),
    [
        ("ConvTasNet", {"n_src": MAX_SPEAKERS + 1}, "n_src=6; expected a whole number from 1 to 5"),
        ("ConvTasNet", {"causal": True}, "implements only causal=False"),
        ("ConvTasNet", {"mask_act": "softmax"}, "expected linear or relu or sigmoid or tanh or No"),
        ("ConvTasNet", {"norm_type": "bN"}, "expected gLN or cLN"),
        ("ConvTasNet", {"fb_name": "ParamSincFB"}, "expected FreeFB or free or STFTFB or stft"),
        ("ConvTasNet", {"padding": 4}, "implements only padding=0"),
        ("ConvTasNet", {"out_chan": 12}, "masks of 12 features do not go with 16"),
        ("ConvTasNet", {"stride": 9}, "filters of 8 samples do not go in steps of 9"),
        ("ConvTasNet", {"conv_kernel_size": 2}, "a kernel of 2 frames has no middle"),
        ("ConvTasNet", {"n_src": 5, "n_filters": 4000}, "a layer would have 20000 channels"),
        ("ConvTasNet", {"sample_rate": 8000.5}, "the sample rate is 8000.5 Hz"),
        ("DPRNNTasNet", {"use_mulcat": True}, "implements only use_mulcat=False"),
        ("DPRNNTasNet", {"hop_size": 101}, "segments of 100 frames, 101 apart, leave gaps"),
        ("DPTNet", {"n_heads": 3}, "16 features do not divide by 3"),
        ("DCCRNet", {"architecture": "DCCRN"}, "expected DCCRN-CL or mini"),
        ("DCCRNet", {"stft_n_filters": 66}, "33 bins do not divide by 4"),
        ("DCUNet", {"stft_n_filters": 65}, "65 samples has no bin in the middle"),
        ("DCUNet", {"mask_bound": "relu"}, "expected tanh or BDT or sigmoid or BDSS or UBD or No"),
    ],
)
def test_what_makes_no_sense_is_refused(
    class_name: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        build_model(class_name, (), {"n_src": 2, **SMALL[class_name], **arguments}, {})


@pytest.mark.parametrize("mode", [None, "pad", "trim"])
def test_lengths_fit_whatever_a_dcunet_would_do_with_others(mode: str | None) -> None:
    arguments = {**SMALL["DCUNet"], "fix_length_mode": mode}
    network = build_model("DCUNet", (), arguments, tensors_of("DCUNet", arguments))
    policy = network.spec.chunking
    for num_samples in (1, 999, 1000):
        length = policy.fitted_length(num_samples)
        assert network(torch.zeros(1, 1, length)).shape == (1, 1, 1, length)
        with pytest.raises(ValueError, match="is not a length that the chunking policy gives"):
            network(torch.zeros(1, 1, length + 1))


@torch.inference_mode()
def test_a_track_is_heard_with_silence_around_it() -> None:
    """In the first samples alone, fewer frames overlap than everywhere else."""
    network = network_of("dccrn_mini")
    reach = 48 - 16
    track = 0.1 * noise(1, 432)
    assert network.spec.chunking.fitted_length(432) == 432 + 2 * reach
    around = network(F.pad(track[None], (reach, reach)))[0, :, :, reach:-reach]  # [S, 1, T]
    stems = separate(network, Mixture.from_array(track, 16000))
    torch.testing.assert_close(torch.stack(list(stems.values())), around, atol=1e-6, rtol=0)

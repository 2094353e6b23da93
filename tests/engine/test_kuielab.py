"""KUIELab-MDX-Net as a whole: four networks, the Mixer, and the ensemble with Demucs v2."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from stemsplit import Separator
from stemsplit.errors import CheckpointError
from stemsplit.hub.expression import resolve_expression
from stemsplit.hub.local_folder import declared_system
from stemsplit.models.demucs.config import read_demucs_v2_config
from stemsplit.models.demucs.second_generation import DemucsV2
from stemsplit.models.mdxnet.config import read_mdxnet_config
from tests.engine.inference_rules import Audio, demucs_v2_rule, trim_rule
from tests.models.deterministic_weights import fill_by_name, values_by_name
from tests.models.parity import agreement_db, noise
from tests.models.published_mdxnet import PublishedMdxNet

pytestmark = pytest.mark.slow

FFT = {"bass": 16384, "drums": 4096, "other": 8192, "vocals": 6144}
SHARES = {"bass": 0.5, "drums": 0.5, "other": 0.7, "vocals": 0.9}
HOP = 1024
NUM_SAMPLES = 90_000


class PlainNetwork(nn.Module):
    """[B, C, T] -> [B, 1, C, T]: the published layers between the published transforms."""

    def __init__(self, stem: str) -> None:
        super().__init__()
        self.n_fft = FFT[stem]
        self.num_frames = 32
        config = read_mdxnet_config(
            {
                "target_name": stem,
                "n_fft": self.n_fft,
                "dim_f": 64,
                "dim_t": self.num_frames,
                "num_blocks": 5,
                "l": 2,
                "g": 4,
                "bn": 4,
            }
        )
        self.layers = PublishedMdxNet(config).eval()
        fill_by_name(self.layers)

    @property
    def chunk(self) -> int:
        return HOP * (self.num_frames - 1) - self.n_fft // 2 * 2

    def forward(self, mixture: torch.Tensor) -> torch.Tensor:
        window = torch.hann_window(self.n_fft)
        spectrum = torch.stft(
            mixture.flatten(0, 1), self.n_fft, HOP, window=window, return_complex=True
        )  # [B*C, F, N]
        maps = torch.view_as_real(spectrum).permute(0, 3, 1, 2)  # [B*C, 2, F, N]
        maps = maps.reshape(len(mixture), 4, *maps.shape[2:])[:, :, :64]
        estimate = self.layers(maps)
        missing = self.n_fft // 2 + 1 - 64
        estimate = nn.functional.pad(estimate, (0, 0, 0, missing))
        estimate = estimate.reshape(-1, 2, *estimate.shape[2:]).permute(0, 2, 3, 1)
        complex_ = torch.view_as_complex(estimate.contiguous())
        audio = torch.istft(complex_, self.n_fft, HOP, window=window)
        return audio.reshape(len(mixture), 1, 2, -1)


def small_demucs() -> DemucsV2:
    model = DemucsV2(
        read_demucs_v2_config({"sources": ["drums", "bass", "other", "vocals"], "channels": 4})
    )
    fill_by_name(model)
    return model.eval()


def networks_alone(networks: dict[str, PlainNetwork], track: Audio) -> Audio:
    """[S, C, T] in the order of the Mixer."""
    return np.concatenate(
        [
            trim_rule(network, track, chunk=network.chunk, trim=network.n_fft // 2)
            for network in networks.values()
        ]
    )


def demucs_alone(model: DemucsV2, track: Audio, *, stereo_statistics: bool) -> Audio:
    """[S, C, T] in the order of the Mixer."""
    reference = track if stereo_statistics else track.mean(axis=0)
    mean, std = reference.mean(), reference.std(ddof=1)
    estimates = demucs_v2_rule(
        model,
        (track - mean) / std,
        chunk=model.config.chunk_samples,
        valid_length=model.spec.chunking.fitted_length,
        overlap=0.5,
    )
    return (estimates * std + mean)[[1, 0, 2, 3]]  # drums and bass change places


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, PlainNetwork]]:
    """All files of set A in one folder, under the names of the community, and the networks."""
    folder = tmp_path_factory.mktemp("parts")
    networks = {stem: PlainNetwork(stem) for stem in FFT}
    for stem, network in networks.items():
        network.layers.export(folder / f"kuielab_a_{stem}.onnx")
    torch.save({"linear.weight": values_by_name("linear.weight", (8, 10))}, folder / "mixer.ckpt")
    torch.save(small_demucs().state_dict(), folder / "demucs.ckpt")
    return folder, networks


def linked(parts: Path, folder: Path, *names: str, place: str = "") -> Path:
    (folder / place).mkdir(parents=True, exist_ok=True)
    for file in parts.iterdir():
        if any(file.name.startswith(name) for name in names):
            (folder / place / file.name).symlink_to(file)
    return folder


def stereo() -> Audio:
    # Unequal channels: otherwise the two ways to measure a song would give the same.
    track: Audio = (noise(2, NUM_SAMPLES) * torch.tensor([[0.3], [0.05]])).numpy()
    return track


def separated(model: Path, track: Audio) -> Audio:
    stems = Separator(str(model), device="cpu", precision="fp32").separate(track, sample_rate=44100)
    assert list(stems.stems) == list(FFT)
    return np.stack(list(stems.stems.values()))


@pytest.mark.parametrize("mixer", [True, False])
@pytest.mark.parametrize("demucs", [True, False])
def test_the_system_equals_the_authors_rules(
    parts: tuple[Path, dict[str, PlainNetwork]], tmp_path: Path, mixer: bool, demucs: bool
) -> None:
    folder, networks = parts
    wanted = ["kuielab"] + ["mixer"] * mixer + ["demucs"] * demucs
    system = linked(folder, tmp_path / "system", *wanted)
    track = stereo()
    with torch.no_grad():
        expected = networks_alone(networks, track)
        if mixer:
            matrix = values_by_name("linear.weight", (8, 10)).numpy()
            heard = np.concatenate([expected.reshape(8, -1), track])
            expected = (matrix @ heard).reshape(4, 2, -1)
        if demucs:
            share = np.array(list(SHARES.values()), np.float32)[:, None, None]
            other = demucs_alone(small_demucs(), track, stereo_statistics=mixer)
            expected = share * expected + (1 - share) * other
    ours = separated(system, track)
    assert agreement_db(torch.from_numpy(expected), torch.from_numpy(ours)) > 80


def test_the_parts_may_lie_in_the_folders_of_the_authors(
    parts: tuple[Path, dict[str, PlainNetwork]], tmp_path: Path
) -> None:
    plain = linked(parts[0], tmp_path / "plain", "kuielab", "mixer", "demucs")
    theirs = tmp_path / "theirs"
    (theirs / "onnx").mkdir(parents=True)
    for stem in FFT:
        (theirs / "onnx" / f"{stem}.onnx").symlink_to(parts[0] / f"kuielab_a_{stem}.onnx")
    linked(parts[0], theirs, "mixer", "demucs", place="model")
    track = stereo()[:, :20_000]
    assert np.array_equal(separated(plain, track), separated(theirs, track))


def test_one_stem_runs_what_it_needs(
    parts: tuple[Path, dict[str, PlainNetwork]], tmp_path: Path
) -> None:
    def networks(*names: str) -> list[str]:
        folder = linked(parts[0], tmp_path / "-".join(names), *names)
        model = Separator(str(folder), stems=("drums",), device="cpu").model
        return [member.signature for member in model.members]

    assert networks("kuielab") == ["drums"]
    assert networks("kuielab", "demucs") == ["drums", "demucs"]
    assert networks("kuielab", "mixer") == list(FFT)  # the Mixer hears all of them


def test_a_mono_song_goes_through_the_mixer_as_two_equal_channels(
    parts: tuple[Path, dict[str, PlainNetwork]], tmp_path: Path
) -> None:
    system = linked(parts[0], tmp_path / "system", "kuielab", "mixer")
    mono = stereo()[:1, :20_000]
    pair = separated(system, np.concatenate([mono, mono]))
    alone = separated(system, mono)
    assert np.allclose(alone[:, 0], pair.mean(axis=1), atol=1e-6)


def test_a_folder_without_the_four_networks_is_something_else(tmp_path: Path) -> None:
    (tmp_path / "mixer.ckpt").touch()
    (tmp_path / "bass.onnx").touch()
    assert declared_system(tmp_path) is None


def test_two_files_for_one_part_are_refused(
    parts: tuple[Path, dict[str, PlainNetwork]], tmp_path: Path
) -> None:
    folder = linked(parts[0], tmp_path / "both", "kuielab")
    (folder / "kuielab_b_bass.onnx").touch()
    with pytest.raises(CheckpointError, match="several files for one part: kuielab_a_bass"):
        resolve_expression(str(folder))

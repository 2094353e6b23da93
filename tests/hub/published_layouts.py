"""Small networks with random weights in the layouts of the catalogue's rows.

For a row the files are what is published, but for the size of the networks: the same names, the
same kinds of files, tensors under the same names, configurations with the same sections and tags.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import yaml
from torch import Tensor, nn

from stemsplit.hub.catalog import CatalogEntry, PublishedFile, PublishedNetwork
from stemsplit.models.family import NetworkArguments
from stemsplit.models.mdxnet.config import read_mdxnet_config
from stemsplit.models.registry import FAMILIES
from tests.checkpoints import tensorflow_writer
from tests.golden import make_bandsplit_rnn, make_spleeter
from tests.hub.loopback import Hub
from tests.models import published_asteroid, published_xumx, random_models
from tests.models.deterministic_weights import fill_by_name, values_by_name
from tests.models.published_mdxnet import PublishedMdxNet
from tests.models.published_spleeter import variables
from tests.references import reference_module

_SAMPLE_RATE = 44100
_CHUNK_SAMPLES = 22050

_ROFORMER: Mapping[str, Any] = {
    "dim": 16,
    "depth": 1,
    "stereo": True,
    "time_transformer_depth": 1,
    "freq_transformer_depth": 1,
    "heads": 2,
    "dim_head": 8,
    "flash_attn": True,
    "stft_n_fft": 2048,
    "stft_hop_length": 441,
    "stft_win_length": 2048,
    "mask_estimator_depth": 1,
    "multi_stft_resolutions_window_sizes": (4096, 2048, 1024),
}
_MODELS: Mapping[str, Mapping[str, Any]] = {
    "bs_roformer": {**_ROFORMER, "freqs_per_bands": (*[41] * 24, 41)},
    "mel_band_roformer": {**_ROFORMER, "num_bands": 12, "sample_rate": _SAMPLE_RATE},
    "scnet": {
        "dims": [4, 8, 8, 12],
        "nfft": 256,
        "hop_size": 64,
        "win_size": 256,
        "band_SR": [0.175, 0.392, 0.433],
        "num_dplayer": 2,
    },
    "mdx23c": {
        "act": "gelu",
        "bottleneck_factor": 2,
        "growth": 4,
        "norm": "InstanceNorm",
        "num_blocks_per_scale": 1,
        "num_channels": 8,
        "num_scales": 2,
        "num_subbands": 2,
        "scale": [2, 2],
    },
}
_BARE: Mapping[str, Mapping[str, Any]] = {
    "demucs.model.Demucs": {"channels": 4, "depth": 3, "segment_length": _CHUNK_SAMPLES},
    "demucs.tasnet.ConvTasNet": {"X": 2, "R": 2, "N": 16, "B": 8, "H": 16}
    | {"segment_length": _CHUNK_SAMPLES},
    "demucs_denoiser": {"hidden": 4, "depth": 3},
}
_MDXNET: Mapping[str, Any] = {
    "num_blocks": 5,
    "l": 2,
    "g": 4,
    "bn": 2,
    "n_fft": 256,
    "hop_length": 64,
    "dim_f": 128,
    "dim_t": 128,
}


def publish(entry: CatalogEntry, hub: Hub, folder: Path) -> CatalogEntry:
    """Puts a model like that of `entry` on the Hub, at its revision, or at an address there.

    The entry that comes back differs where the files do: in the sha256 of small files, in what
    describes their small networks, and in names that contain a sha256.
    """
    if not entry.networks:
        return _publish_bag(entry, hub, folder)
    files: dict[str, bytes] = {"README.md": b"# somebody's models", "other/file.txt": b"x"}
    networks = tuple(_network(entry, network, files, folder) for network in entry.networks)
    if entry.repo_id is None:
        hub.web_files.update(files)
        return replace(entry, networks=networks, address=hub.web_address)
    hub.add(entry.repo_id, files, sha=None if entry.revision == "main" else entry.revision)
    for file in (file for network in networks for file in network.weights if file.repo_id):
        hub.add(str(file.repo_id), {file.file: files[file.file]})
    return replace(entry, networks=networks)


def small_settings(family: str, stems: Sequence[str], *, single: bool = False) -> dict[str, Any]:
    """A configuration file of the community for a small network.

    `single`: for the first of the stems; the second is what its training data had beside it.
    """
    model = dict(_MODELS[family])
    if family.endswith("roformer"):
        model["num_stems"] = 1 if single else len(stems)
    if family == "scnet":
        model["sources"] = list(stems)
    audio = {"chunk_size": _CHUNK_SAMPLES, "sample_rate": _SAMPLE_RATE, "num_channels": 2}
    return {
        "audio": {**audio, "n_fft": 128, "hop_length": 32, "dim_f": 64, "dim_t": 16},
        "model": model,
        "training": {
            "instruments": [stem.capitalize() for stem in stems],
            "target_instrument": stems[0].capitalize() if single else None,
            "lr": 1e-5,
        },
        "inference": {"batch_size": 1, "num_overlap": 2, "normalize": False},
    }


def tensors_of(family: str, settings: Mapping[str, object], names: tuple[str, ...] = ()) -> Any:
    """Random weights for a family whose checkpoints name tensors as our network does.

    `names`: of tensors by which a variant is known.
    """
    with torch.device("meta"):
        network = FAMILIES[family].build(NetworkArguments((), settings, names))
    return {
        name: values_by_name(name, tensor.shape) for name, tensor in network.state_dict().items()
    }


def as_yaml(settings: Mapping[str, object]) -> bytes:
    """The file as training software writes it: tuples have Python's own tag."""
    text = yaml.dump(dict(settings))
    assert "!!python/tuple" in text or "_sizes" not in text
    return text.encode()


def _publish_bag(entry: CatalogEntry, hub: Hub, folder: Path) -> CatalogEntry:
    make: Callable[..., random_models.ReferenceModel] = {
        "htdemucs": random_models.htdemucs,
        "hdemucs": random_models.hdemucs,
        "demucs": random_models.demucs,
    }[entry.family]
    models = [make(seed, stems=entry.stems) for seed in range(2)]
    random_models.write_bag(folder, entry.name, models, weights=[[1.0] * len(entry.stems)] * 2)
    hub.add_folder(str(entry.repo_id), folder)
    return entry


def _network(
    entry: CatalogEntry, network: PublishedNetwork, files: dict[str, bytes], folder: Path
) -> PublishedNetwork:
    if entry.family == "mdxnet":
        return _mdxnet(entry, network, files, folder)
    if entry.family == "openunmix":
        return _openunmix(network, files)
    if entry.family == "spleeter":
        return _spleeter(entry, network, files)
    if entry.family == "XUMX":
        content = published_xumx.package_of("stereo" if "vocals" in entry.stems else "mono")
        return replace(network, weights=(_add(files, network.weights[0], content),))
    if entry.family in published_asteroid.SMALL:
        return _asteroid(entry, network, files)
    if entry.family in _BARE:
        return _bare(entry, network, files)
    if entry.family == "bandsplit_rnn":
        return _bandsplit_rnn(network, files)
    settings = small_settings(entry.family, entry.stems, single=_is_single(entry))
    tensors = tensors_of(entry.family, settings, _telling(entry))
    weights = _add(files, network.weights[0], _saved(tensors, network.weights[0].file))
    if network.config is None:
        return replace(network, weights=(weights,), settings=settings)
    config = _add(files, network.config, as_yaml(settings))
    return replace(network, weights=(weights,), config=config)


def _telling(entry: CatalogEntry) -> tuple[str, ...]:
    """Names of tensors by which a variant is known that its configuration says nothing of."""
    if "masked" in entry.name:
        return ("pos_embed_f",)
    return ("mask_estimators.0.segm.",) if "hyperace" in entry.name else ()


def _is_single(entry: CatalogEntry) -> bool:
    """Whether the network has one stem only, and the other is what it leaves over."""
    several = ("melband_karaoke", "melband_deux", "bs_duet", "mdx23c_instvoc_hq")
    return len(entry.stems) == 2 and entry.name not in several


def _mdxnet(
    entry: CatalogEntry, network: PublishedNetwork, files: dict[str, bytes], folder: Path
) -> PublishedNetwork:
    stem = network.stems[0] if network.stems else entry.stems[0]
    settings = {**_MDXNET, "target_name": stem}
    published = PublishedMdxNet(read_mdxnet_config(settings))
    fill_by_name(published)
    content = published.export(folder / "network.onnx").read_bytes()
    weights = _add(files, network.weights[0], content)
    # The rest is found in the file.
    described = {name: settings[name] for name in ("target_name", "n_fft", "hop_length")}
    if network.settings is None:  # known by fingerprint, to run by the community's rule
        described |= {"hann_overlap": 0.25, "silent_bins": 3}
    return replace(network, weights=(weights,), settings=described)


def _bare(
    entry: CatalogEntry, network: PublishedNetwork, files: dict[str, bytes]
) -> PublishedNetwork:
    """Tensors alone, in a file whose name ends in its checksum."""
    named = {} if entry.family == "demucs_denoiser" else {"sources": list(entry.stems)}
    settings = {**named, **_BARE[entry.family]}
    (file,) = network.weights
    content = _saved(tensors_of(entry.family, settings), file.file)
    weights = _add(files, replace(file, file=_with_checksum(file.file, content)), content)
    return replace(network, weights=(weights,), settings=settings)


def _asteroid(
    entry: CatalogEntry, network: PublishedNetwork, files: dict[str, bytes]
) -> PublishedNetwork:
    """One package that says all."""
    num_speakers = 1 if "noise" in entry.stems else len(entry.stems)
    rate = 8000 if entry.name.endswith("_8k") else 16000
    arguments = {**published_asteroid.SMALL[entry.family], "n_src": num_speakers}
    content = published_asteroid.file_of(entry.family, {**arguments, "sample_rate": rate})
    return replace(network, weights=(_add(files, network.weights[0], content),))


def _bandsplit_rnn(network: PublishedNetwork, files: dict[str, bytes]) -> PublishedNetwork:
    """A checkpoint of the program that trained it, with much beside the network."""
    (stem,), (file,) = network.stems or ("vocals",), network.weights
    settings = make_bandsplit_rnn.of_the_fork(make_bandsplit_rnn.small(stem, hop_size=0.101))
    buffer = io.BytesIO()
    torch.save(make_bandsplit_rnn.checkpoint(tensors_of("bandsplit_rnn", settings)), buffer)
    return replace(network, weights=(_add(files, file, buffer.getvalue()),), settings=settings)


def _spleeter(
    entry: CatalogEntry, network: PublishedNetwork, files: dict[str, bytes]
) -> PublishedNetwork:
    """TensorFlow's files in an archive."""
    settings = {**make_spleeter.SETTINGS[f"{len(entry.stems)}stems"], "T": 256}  # few blocks
    content = tensorflow_writer.archive(tensorflow_writer.checkpoint(variables(settings)))
    return replace(network, weights=(_add(files, network.weights[0], content),), settings=settings)


def _with_checksum(name: str, content: bytes) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    return re.sub("(?<=-)[0-9a-f]{8,}(?=[.])", lambda found: sha256[: len(found[0])], name)


def _openunmix(network: PublishedNetwork, files: dict[str, bytes]) -> PublishedNetwork:
    stems = [file.part for file in network.weights]
    separator = {"sample_rate": _SAMPLE_RATE, "nfft": 256, "nhop": 64, "nb_channels": 2}
    target = {"args": {"hidden_size": 8, "bandwidth": 16000}}
    weights = []
    for file in network.weights:
        heard = 16000 * 256 // _SAMPLE_RATE + 1
        reference = reference_module("openunmix.model").OpenUnmix(
            nb_bins=129, nb_channels=2, hidden_size=8, max_bin=heard
        )
        fill_by_name(reference)
        with torch.no_grad():
            nn.init.constant_(reference.output_mean, 0.3)
        content = _saved(reference.state_dict(), file.file)
        name = _with_checksum(file.file, content)
        weights.append(_add(files, replace(file, file=name), content))
    settings = {"separator": separator, "targets": dict.fromkeys(stems, target)}
    return replace(network, weights=tuple(weights), settings=settings)


def _saved(tensors: Mapping[str, Tensor], file_name: str) -> bytes:
    if not file_name.endswith(".safetensors"):
        buffer = io.BytesIO()
        torch.save(dict(tensors), buffer)
        return buffer.getvalue()
    dtype = torch.float16 if "fp16" in file_name else torch.float32
    return safetensors.torch.save({name: tensor.to(dtype) for name, tensor in tensors.items()})


def _add(files: dict[str, bytes], file: PublishedFile, content: bytes) -> PublishedFile:
    """The file with the sha256 of its content, where it had one."""
    files[file.file] = content
    if file.sha256 is None:
        return file
    return replace(file, sha256=hashlib.sha256(content).hexdigest())

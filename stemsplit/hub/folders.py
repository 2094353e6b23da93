"""Which files of a folder or a repository make up a model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from stemsplit.errors import CheckpointError
from stemsplit.hub.digest import promised_prefix
from stemsplit.quoting import listed

_DESCRIPTION_SUFFIXES = (".yaml", ".yml")
_TORCH_SUFFIXES = (".th", ".ckpt", ".pt", ".pth", ".tar", ".bin")
_ARRAY_SUFFIXES = (".npz", ".h5", ".index", ".tar.gz", ".zip")
_WEIGHT_SUFFIXES = (".safetensors", *_TORCH_SUFFIXES, ".onnx", *_ARRAY_SUFFIXES)
_LAST_SUFFIXES = (".bin", ".zip")  # anything may be called so
MODEL_SUFFIXES = (*_DESCRIPTION_SUFFIXES, *_WEIGHT_SUFFIXES)


def is_description(file_name: str) -> bool:
    """Whether the file, by its name, describes a bag or a network and does not hold weights."""
    return file_name.endswith(_DESCRIPTION_SUFFIXES)


def is_weights(file_name: str) -> bool:
    """Whether the file, by its name, holds the weights of a network."""
    return file_name.endswith(_WEIGHT_SUFFIXES)


def _weights_among(files: Sequence[str]) -> list[str]:
    weights = [name for name in files if is_weights(name)]
    return [name for name in weights if not name.endswith(_LAST_SUFFIXES)] or weights


def choose_main_file(files: Sequence[str], *, preferred: str | None = None, origin: str) -> str:
    """The one description among `files`, or else the one network.

    `preferred` decides among several descriptions.

    Raises:
        CheckpointError: there is none, or more than one; `origin` is for the message.
    """
    descriptions = [name for name in files if is_description(name)]
    if preferred in descriptions:
        return preferred
    if len(descriptions) == 1:
        return descriptions[0]
    weights = _weights_among(files)
    if not descriptions and len(weights) == 1:
        return weights[0]
    found = listed(descriptions or weights) or "none"
    raise CheckpointError(
        f"{origin} does not hold one model: it needs one .yaml file (a bag, or the configuration "
        "of the network beside it), or one file with weights such as .safetensors or .th "
        f"(found: {found}).",
        hint="Name the file itself." if descriptions or weights else "",
    )


def weights_beside(configuration: str, files: Sequence[str], *, origin: str) -> str:
    """The file with the weights that a configuration is for: of the same name, or the only one.

    Raises:
        CheckpointError: there is none, or more than one; `origin` is for the message.
    """
    weights = _weights_among(files)
    alike = [name for name in weights if Path(name).stem == Path(configuration).stem]
    found = alike or weights
    if len(found) != 1:
        raise CheckpointError(
            f"{origin}: {configuration} describes a network, but it is not clear which file has "
            f"its weights (found: {listed(found) or 'none'}).",
            hint="Have one file with weights beside it, or one with the same name.",
        )
    return found[0]


def configuration_beside(weights: str, files: Sequence[str]) -> str | None:
    """The configuration among `files` that belongs to the file `weights`, if there is one.

    It has the same name, or is the only one that is called config_*.yaml, config.yaml or, as some
    training software has it, hparams.yaml.
    """
    descriptions = [name for name in files if is_description(name)]
    alike = [name for name in descriptions if Path(name).stem == Path(weights).stem]
    called_so = [name for name in descriptions if re.match(r"(config|hparams)[_.-]", name)]
    found = alike or called_so
    return found[0] if len(found) == 1 else None


def member_file(signature: str, files: Sequence[str], *, origin: str) -> str | None:
    """The file among `files` that holds the network `signature`, or None.

    Known names are `{signature}.safetensors`, `{signature}.th` and `{signature}-{sha256}.th` with
    at least 8 digits.

    Raises:
        CheckpointError: there are several.
    """
    plain = {f"{signature}.safetensors", f"{signature}.th"}
    legacy = re.compile(re.escape(signature) + r"-[0-9a-f]{8,64}\.th")
    found = [name for name in files if name in plain or legacy.fullmatch(name)]
    if len(found) > 1:
        raise CheckpointError(
            f"{origin} has several files for {signature}: {listed(found)}.",
            hint="Delete all but one.",
        )
    return found[0] if found else None


def stem_of(file_name: str) -> str:
    """The name without what says of which kind the file is."""
    return Path(file_name).stem.removesuffix(".tar")


def signature_of(file_name: str) -> str:
    """The signature in the name of a network's file."""
    stem = stem_of(file_name)
    prefix = promised_prefix(file_name)
    return stem.removesuffix(f"-{prefix}") if prefix else stem


def bag_named_as(name: str, files: Sequence[str]) -> str | None:
    """The yaml file among `files` that a repository is named after, or that its name ends with.

    HTDemucs-ft has htdemucs_ft.yaml, Demucs-mdx has mdx.yaml.
    """
    words = name.lower().replace("-", "_").split("_")
    endings = ("_".join(words[start:]) + ".yaml" for start in range(len(words)))
    return next((ending for ending in endings if ending in files), None)

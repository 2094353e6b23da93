"""Which files of a folder or a repository make up a model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from stemsplit.errors import CheckpointError
from stemsplit.hub.digest import promised_prefix

_BAG_SUFFIX = ".yaml"
_WEIGHT_SUFFIXES = (".safetensors", ".th")
MODEL_SUFFIXES = (_BAG_SUFFIX, *_WEIGHT_SUFFIXES)


def is_bag(file_name: str) -> bool:
    """Whether the file, by its name, describes a bag of networks and is not one itself."""
    return file_name.endswith(_BAG_SUFFIX)


def choose_main_file(files: Sequence[str], *, preferred: str | None = None, origin: str) -> str:
    """The one bag among `files`, or else the one network. `preferred` decides among several bags.

    Raises:
        CheckpointError: there is none, or more than one; `origin` is for the message.
    """
    bags = [name for name in files if is_bag(name)]
    if preferred in bags:
        return preferred
    if len(bags) == 1:
        return bags[0]
    weights = [name for name in files if name.endswith(_WEIGHT_SUFFIXES)]
    if not bags and len(weights) == 1:
        return weights[0]
    found = ", ".join((bags or weights)[:8]) or "none"
    raise CheckpointError(
        f"{origin} does not hold one model: it needs one .yaml bag, or one .safetensors or .th "
        f"file (found: {found}).",
        hint="Name the file itself." if bags or weights else "",
    )


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
            f"{origin} has several files for {signature}: {', '.join(found)}.",
            hint="Delete all but one.",
        )
    return found[0] if found else None


def signature_of(file_name: str) -> str:
    """The signature in the name of a network's file."""
    stem = Path(file_name).stem
    prefix = promised_prefix(file_name)
    return stem.removesuffix(f"-{prefix}") if prefix else stem


def bag_file_of_repo(repo_id: str) -> str:
    """The name of the bag in a repository that is named as demucs names its own.

    HTDemucs -> htdemucs.yaml, HTDemucs-ft -> htdemucs_ft.yaml, Demucs-mdx -> mdx.yaml.
    """
    name = repo_id.partition("/")[2]
    if name == "HTDemucs" or name.startswith("HTDemucs-"):
        return name.replace("HTDemucs-", "htdemucs_").replace("HTDemucs", "htdemucs") + ".yaml"
    return name.removeprefix("Demucs-") + ".yaml"

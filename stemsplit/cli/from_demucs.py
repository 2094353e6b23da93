"""Options that people know from demucs: those that have another name here, or no use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stemsplit.audio.formats import ClipPolicy
from stemsplit.cli.options.declare import option
from stemsplit.errors import UnknownModelError, UsageError
from stemsplit.hub.catalog import DEFAULT_MODEL
from stemsplit.quoting import listed, quoted

ClipMode = Literal["rescale", "clamp", "none", "tanh"]
"""demucs' words."""

_NETWORKS = (".th", ".safetensors")
_BAG = ".yaml"

_CLIP_POLICIES: Mapping[ClipMode, ClipPolicy] = {
    "rescale": "common",
    "clamp": "clamp",
    "none": "none",
    "tanh": "common",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class UselessOptions:
    """What demucs needs and nobody else."""

    jobs: int | None = option(None, "-j", "--jobs", hidden=True)
    no_split: bool = option(False, hidden=True)
    mp3_preset: int | None = option(None, least=2, most=7, hidden=True)

    def remarks(self, clip_mode: ClipMode | None) -> Iterator[str]:
        """For each option that changes nothing here, what replaces it and why, in a sentence."""
        if self.jobs is not None:
            yield (
                f"--jobs {self.jobs} changes nothing: each song uses all cores as it is. --threads "
                "sets how many."
            )
        if self.no_split:
            yield (
                "--no-split changes nothing: chunks overlap and are faded into each other, and "
                "memory stays small. --segment sets how long they are."
            )
        if self.mp3_preset is not None:
            yield (
                f"--mp3-preset {self.mp3_preset} changes nothing: the encoder runs at the quality "
                "that is its own default. --bitrate sets how good an mp3 sounds."
            )
        if clip_mode == "tanh":
            yield (
                "--clip-mode tanh would bend every sample: one gain for all stems, --clip common, "
                "takes its place."
            )


def template_of_ours(template: str) -> str:
    """The template, with the name that demucs has for the end of the song's own."""
    return template.replace("{trackext}", "{original_ext}")


def clip_policy(clip: ClipPolicy | None, clip_mode: ClipMode | None) -> ClipPolicy:
    """What --clip says, or else the policy of ours that comes closest to demucs' clip mode.

    Raises:
        UsageError: the two contradict each other.
    """
    like_demucs = None if clip_mode is None else _CLIP_POLICIES[clip_mode]
    if clip and like_demucs and clip != like_demucs:
        raise UsageError(
            f"--clip {clip} and --clip-mode {clip_mode} contradict each other.",
            hint="Give one of them.",
        )
    return clip or like_demucs or "common"


def models_in(folder: Path | None, names: Sequence[str] | None, signature: str | None) -> list[str]:
    """The models that -n, -s and --repo name together, as `--model` has them; paths, in a folder.

    Raises:
        UsageError: they contradict each other, or there is no such folder.
        UnknownModelError: the folder has no such model.
    """
    if signature is not None and names:
        raise UsageError(
            f"--sig {quoted(signature)} and --name {names[0]} exclude each other.",
            hint="Give one of them.",
        )
    if folder is None:
        if signature is not None:
            raise UsageError(
                f"--sig {quoted(signature)} does not say where the network is.",
                hint="Add --repo FOLDER, or give its file to --model.",
            )
        return list(names or ())
    wanted = [signature] if signature is not None else names or [DEFAULT_MODEL]
    return [str(_find(folder, name)) for name in wanted]


def models_of_repo(folder: Path) -> dict[str, Path]:
    """The models in a folder of demucs, by name: bags, and single networks by their signatures.

    Raises:
        UsageError: there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"--repo {folder} is no folder.", hint="Name one with .th files in it.")
    files = sorted(folder.iterdir())
    networks = {file.stem.partition("-")[0]: file for file in files if file.suffix in _NETWORKS}
    return {**{file.stem: file for file in files if file.suffix == _BAG}, **networks}


def _find(folder: Path, name: str) -> Path:
    models = models_of_repo(folder)
    if name not in models:
        raise UnknownModelError(
            f"{folder} has no model {quoted(name)}.",
            hint=f"It has {listed(models)}." if models else "It has none at all.",
        )
    return models[name]

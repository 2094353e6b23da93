"""What a model is made of, and the files that are fetched when they are asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from stemsplit.hub.catalog import CatalogEntry
from stemsplit.hub.digest import VerifiedFile, verify_local

if TYPE_CHECKING:
    from torch import Tensor

    from stemsplit.models.family import Mix
    from stemsplit.models.spec import InputScaling

Availability = Literal["built in", "yes", "partly", "no"]
"""How much of a model is on this machine."""


class ModelFile:
    """A file of a model, on this machine or to be had from the Hub.

    `get` brings and verifies it; `find` says where it is now, without looking inside. `part`: of
    several files with weights, the part of the network that this one has; of several
    configurations, the section of the settings that it is, SECTION or SECTION.NAME.
    """

    def __init__(
        self,
        name: str,
        *,
        get: Callable[[], VerifiedFile],
        find: Callable[[], Path | None],
        part: str = "",
    ) -> None:
        self.name = name
        self.part = part
        self._get = get
        self._find = find
        self._verified: VerifiedFile | None = None

    @classmethod
    def local(cls, path: Path, *, part: str = "") -> ModelFile:
        """A file that is on this machine, wherever the user has put it."""
        return cls(path.name, get=lambda: verify_local(path), find=lambda: path, part=part)

    def local_path(self) -> Path | None:
        """Where the file is if it is on this machine, else None. Nothing is fetched or verified."""
        return self._find()

    def fetch(self) -> Path:
        """The local file, downloaded if need be; its content was verified before this returns.

        Raises:
            ModelError: the file could not be had or is damaged.
        """
        return self._fetched().path

    @property
    def sha256(self) -> str:
        """The sha256 of the file that `fetch` returns, in hexadecimal."""
        return self._fetched().sha256

    def _fetched(self) -> VerifiedFile:
        if self._verified is None:
            self._verified = self._get()
        return self._verified


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One network of a model: its files, and what is known of it without looking into them.

    `weights` are one file or, where each part of the network has its own, several. `configs` say
    how the network is built, if the weights do not; so do the `settings` of the catalogue, which
    take the place of configuration files. `class_name` None: the files tell. `stems` are those
    that the network has, where a model's networks have different ones.
    """

    signature: str
    weights: tuple[ModelFile, ...]
    configs: tuple[ModelFile, ...] = ()
    class_name: str | None = None
    settings: Mapping[str, object] | None = None
    stems: tuple[str, ...] | None = None

    @property
    def files(self) -> tuple[ModelFile, ...]:
        """All files, the smallest first."""
        return (*self.configs, *self.weights)

    @property
    def file_name(self) -> str:
        """The name of the (first) file with weights."""
        return self.weights[0].name

    def local_path(self) -> Path | None:
        """Where the weights are if all files are on this machine, else None."""
        paths = [file.local_path() for file in self.files]
        return None if None in paths else self.weights[0].local_path()

    def fetch(self) -> Path:
        """The local file with the (first) weights, after all files were brought and verified.

        Raises:
            ModelError: a file could not be had or is damaged.
        """
        for file in self.files:
            file.fetch()
        return self.weights[0].fetch()

    @property
    def sha256(self) -> str:
        """The sha256 of the weights; of several files, that of their sha256s in a row."""
        digests = [file.sha256 for file in self.weights]
        return digests[0] if len(digests) == 1 else _digest_of(digests)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSource:
    """Where a model comes from and what it is made of. No weights have been fetched for it yet.

    `name` is safe as the name of a folder. `origin` says to a person where the model is from;
    `revision` is the commit on the Hub, None for local files. `stems` None: only a network itself
    can tell. `weights` [member][stem] None: all count the same. `segment_seconds` None: each
    network's own. A built-in model has no members. `mixer`: the weights of what
    makes the final stems from all of them and the mixture, and `read_mixer` what that does.
    `overlap` and `scaling`: as this model is run where it is not run as its network says.
    """

    name: str
    origin: str
    entry: CatalogEntry | None = None
    revision: str | None = None
    stems: tuple[str, ...] | None = None
    members: tuple[Member, ...] = ()
    weights: tuple[tuple[float, ...], ...] | None = None
    segment_seconds: float | None = None
    overlap: float | None = None
    scaling: InputScaling | None = None
    mixer: ModelFile | None = None
    read_mixer: Callable[[Mapping[str, Tensor]], Mix] | None = None

    @property
    def files(self) -> list[ModelFile]:
        """All files that it is made of."""
        files = [file for member in self.members for file in member.files]
        return files if self.mixer is None else [*files, self.mixer]

    @property
    def availability(self) -> Availability:
        """How much of it is on this machine, going by which files are there."""
        if not self.members:
            return "built in"
        is_here = [file.local_path() is not None for file in self.files]
        return "yes" if all(is_here) else "partly" if any(is_here) else "no"


def stem_weights(
    stems: Sequence[str], stems_of_networks: Sequence[Sequence[str] | None]
) -> tuple[tuple[float, ...], ...]:
    """What each network counts for each stem: those that have it (None: all) count the same."""
    return tuple(
        tuple(float(own is None or stem in own) for stem in stems) for own in stems_of_networks
    )


def _digest_of(digests: Sequence[str]) -> str:
    return hashlib.sha256("".join(digests).encode()).hexdigest()

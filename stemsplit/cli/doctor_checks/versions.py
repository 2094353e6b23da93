"""Versions of what stemsplit is made of, against the ranges that its package declares."""

from __future__ import annotations

import importlib
import importlib.metadata
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from stemsplit.cli.doctor_checks.finding import Finding
from stemsplit.quoting import reason
from stemsplit.version import __version__

TOPIC = "versions"


@dataclass(frozen=True, kw_only=True, slots=True)
class Library:
    """A library that loads native code, which can be there and still not load.

    `inside` names the native code and its version. `matches`: distributions that are built for each
    other, and have to be installed together.
    """

    module: str
    inside: Callable[[ModuleType], str]
    matches: tuple[str, ...] = ()


def _cuda(torch: ModuleType) -> str:
    if torch.version.cuda:
        return f"for CUDA {torch.version.cuda}"
    return f"for ROCm {torch.version.hip}" if torch.version.hip else "without CUDA"


def _libavcodec(av: ModuleType) -> str:
    version = ".".join(map(str, av.library_versions["libavcodec"]))
    return f"libavcodec {version}"


_TORCH = ("torch", "torchaudio")
NATIVE: Mapping[str, Library] = {
    "torch": Library(module="torch", inside=_cuda, matches=_TORCH),
    "torchaudio": Library(module="torchaudio", inside=lambda _: "", matches=_TORCH),
    "soundfile": Library(
        module="soundfile", inside=lambda module: f"libsndfile {module.__libsndfile_version__}"
    ),
    "av": Library(module="av", inside=_libavcodec),
    "huggingface-hub": Library(module="huggingface_hub", inside=lambda _: ""),
}
"""What is imported and listed in any case; all else that is required, only if it is missing."""


def check_versions() -> Iterator[Finding]:
    """The program, its platform and all that it requires."""
    yield Finding(topic=TOPIC, name="stemsplit", value=__version__)
    python = f"{platform.python_version()} ({platform.python_implementation()})"
    yield Finding(topic=TOPIC, name="Python", value=python)
    yield Finding(topic=TOPIC, name="platform", value=platform.platform())
    required = declared_requirements()
    for name, library in NATIVE.items():
        yield check_library(library, required.get(name, Requirement(name)), required)
    for name, requirement in required.items():
        finding = check_requirement(requirement, installed_version(name))
        if name not in NATIVE and finding.status != "ok":
            yield finding


def declared_requirements() -> dict[str, Requirement]:
    """What the package declares to need here, by name; empty where it runs without installation."""
    try:
        lines = importlib.metadata.requires("stemsplit") or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    requirements = map(Requirement, lines)
    return {
        requirement.name: requirement
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    }


def installed_version(name: str) -> str | None:
    """The version of a distribution, None if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_requirement(requirement: Requirement, installed: str | None) -> Finding:
    """Whether the installed version (None: there is none) is one that stemsplit works with.

    An older one than declared lacks something that is used; a newer one may do.
    """
    fix = f'pip install "{requirement}"'
    name = requirement.name
    if installed is None:
        return Finding(topic=TOPIC, name=name, value="not installed", status="problem", fix=fix)
    if requirement.specifier.contains(installed, prereleases=True):
        return Finding(topic=TOPIC, name=name, value=installed)
    value = f"{installed}, but stemsplit needs {requirement.specifier}"
    lowest = SpecifierSet(",".join(str(s) for s in requirement.specifier if s.operator == ">="))
    if lowest.contains(installed, prereleases=True):
        value = f"{installed}, not tried with stemsplit, which declares {requirement.specifier}"
        return Finding(topic=TOPIC, name=name, value=value, status="note", fix=fix)
    return Finding(topic=TOPIC, name=name, value=value, status="problem", fix=fix)


def check_library(
    library: Library, requirement: Requirement, required: Mapping[str, Requirement]
) -> Finding:
    """The same for native code, which is also loaded."""
    finding = check_requirement(requirement, installed_version(requirement.name))
    try:
        module = importlib.import_module(library.module)
        inside = library.inside(module)
    except Exception as error:  # a broken installation raises whatever it likes
        names = library.matches or (requirement.name,)
        together = " ".join(f'"{required.get(name, name)}"' for name in names)
        return Finding(
            topic=TOPIC,
            name=requirement.name,
            value=f"{finding.value}; it cannot be loaded: {reason(error)}",
            status="problem",
            fix=f"pip install --force-reinstall {together}",
        )
    return Finding(
        topic=TOPIC,
        name=finding.name,
        value=f"{finding.value} ({inside})" if inside else finding.value,
        status=finding.status,
        fix=finding.fix,
    )

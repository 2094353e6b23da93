"""Where models are kept, whether the Hub can be reached, and whether the default model is here."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stemsplit.cli.doctor_checks.finding import Finding, Status
from stemsplit.errors import ModelError
from stemsplit.hub.cache import HubRepo, offline_by_environment
from stemsplit.hub.catalog import DEFAULT_MODEL, FALLBACK_MODEL, OFFLINE_MODEL, load_catalog
from stemsplit.hub.expression import availability
from stemsplit.hub.model_files import Availability
from stemsplit.hub.remote import list_files
from stemsplit.quoting import reason

CACHE, HUB, MODEL = "cache", "Hub", "model"

_PULL = f"stemsplit models pull {DEFAULT_MODEL}"


def check_models(*, offline: bool) -> Iterator[Finding]:
    """The cache, the Hub and the default model; with the model here, the others weigh less."""
    from huggingface_hub import constants

    here = availability(DEFAULT_MODEL)
    is_here = here == "yes"
    yield from check_cache(Path(constants.HF_HUB_CACHE), is_needed=not is_here)
    hub = check_hub(constants.ENDPOINT, offline=offline, is_needed=not is_here)
    yield hub
    yield check_default_model(here, is_reachable=hub.status == "ok" and not _stays_offline(offline))


def check_cache(folder: Path, *, is_needed: bool) -> Iterator[Finding]:
    """Whether models can be kept in `folder`, which `is_needed` if one has yet to come there."""
    yield Finding(topic=CACHE, name="folder", value=str(folder))
    home = next(path for path in (folder, *folder.parents) if path.exists())
    error = writing_error(home)
    if error is not None:
        yield Finding(
            topic=CACHE,
            name="writable",
            value=f"no: {home}: {error}",
            status="problem" if is_needed else "note",
            fix="Make it writable, or set HF_HOME to a folder of your own.",
        )
    else:
        yield Finding(topic=CACHE, name="writable", value="yes")
    yield check_space(shutil.disk_usage(home).free, is_needed=is_needed)
    yield Finding(topic=CACHE, name="size", value=_amount(size_bytes(folder)))


def writing_error(folder: Path) -> str | None:
    """Why no file can be made in the folder, None if one can; the file is gone again."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return reason(error)


def check_space(free_bytes: int, *, is_needed: bool) -> Finding:
    """Whether a download of the default model fits."""
    wanted_bytes = load_catalog()[DEFAULT_MODEL].size_bytes or 0
    value = f"{_amount(free_bytes)} free"
    if free_bytes > 2 * wanted_bytes:
        return Finding(topic=CACHE, name="space", value=value)
    return Finding(
        topic=CACHE,
        name="space",
        value=f"{value}; {DEFAULT_MODEL} takes {_amount(wanted_bytes)}",
        status="problem" if is_needed and free_bytes < wanted_bytes else "note",
        fix="Free some space, or set HF_HOME to a folder on another disk.",
    )


def size_bytes(folder: Path) -> int:
    """Bytes of all files in the folder; links count as nothing."""
    return sum(
        os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118
        for parent, _, names in os.walk(folder)
        for name in names
        if not os.path.islink(os.path.join(parent, name))  # noqa: PTH114, PTH118
    )


def check_hub(endpoint: str, *, offline: bool, is_needed: bool) -> Finding:
    """Whether the Hub answers a small question about the default model."""
    if _stays_offline(offline):
        reason = "--offline" if offline else "HF_HUB_OFFLINE is set"
        return Finding(topic=HUB, name="reachable", value=f"not asked: {reason}")
    entry = load_catalog()[DEFAULT_MODEL]
    assert entry.repo_id is not None  # the default is not built in
    try:
        list_files(HubRepo(repo_id=entry.repo_id, revision=entry.revision))
    except ModelError as error:
        status: Status = "problem" if is_needed else "note"
        return Finding(
            topic=HUB,
            name="reachable",
            value=f"no: {error.message}",
            status=status,
            fix=error.hint or "Check HF_ENDPOINT.",
        )
    return Finding(topic=HUB, name="reachable", value=f"yes: {endpoint}")


def check_default_model(here: Availability, *, is_reachable: bool) -> Finding:
    """Whether the default model can run: it is here, or can be fetched."""
    if here == "yes":
        return Finding(topic=MODEL, name=DEFAULT_MODEL, value="on this machine")
    value = "not on this machine" if here == "no" else "only a part of it is on this machine"
    if is_reachable:
        value += ": its first use downloads it"
        return Finding(topic=MODEL, name=DEFAULT_MODEL, value=value, status="note", fix=_PULL)
    other = OFFLINE_MODEL if availability(OFFLINE_MODEL) == "yes" else FALLBACK_MODEL
    return Finding(
        topic=MODEL,
        name=DEFAULT_MODEL,
        value=f"{value}, and it cannot be fetched now; {other} works without",
        status="problem",
        fix=f"{_PULL} (with a network)",
    )


def _stays_offline(offline: bool) -> bool:
    return offline or offline_by_environment()


def _amount(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.0f} MB"

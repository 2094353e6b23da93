"""From a reference to a model - a name, a path, hf://owner/repo - to the files it is made of."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stemsplit.errors import CheckpointError, HubUnreachableError, UnknownModelError, UsageError
from stemsplit.hub.bag import MAX_BAG_BYTES, Bag, parse_bag
from stemsplit.hub.catalog import CatalogEntry, load_catalog, suggest_names
from stemsplit.hub.digest import VerifiedFile, readable, verify_local
from stemsplit.hub.download import (
    Connection,
    HubRepo,
    cached_file,
    cached_snapshot,
    fetch_file,
    list_files,
    offline_by_environment,
)
from stemsplit.hub.hub_errors import OFFLINE_HINT
from stemsplit.hub.layout import (
    MODEL_SUFFIXES,
    bag_file_of_repo,
    choose_main_file,
    is_bag,
    member_file,
    signature_of,
)

_HUB_REFERENCE = re.compile(
    r"hf://(?P<repo>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})"
    r"(?:@(?P<revision>[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)*))?",
    re.ASCII,
)


class Member:
    """One network of a model: a signature, and a file that is fetched when it is asked for.

    `get` brings and verifies the file; `find` says where it is now, without looking inside.
    """

    def __init__(
        self,
        signature: str,
        file_name: str,
        *,
        get: Callable[[], VerifiedFile],
        find: Callable[[], Path | None],
    ) -> None:
        self.signature = signature
        self.file_name = file_name
        self._get = get
        self._find = find
        self._verified: VerifiedFile | None = None

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
class ModelSource:
    """Where a model comes from and what it is made of. No weights have been fetched for it yet.

    `name` is safe as the name of a folder. `origin` says to a person where the model is from;
    `revision` is the commit on the Hub, None for local files. `stems` None: only a network itself
    can tell. `weights` [member][stem] None: all count the same. `segment_seconds` None: each
    network's own. A built-in model has no members.
    """

    name: str
    entry: CatalogEntry | None
    origin: str
    revision: str | None
    stems: tuple[str, ...] | None
    members: tuple[Member, ...]
    weights: tuple[tuple[float, ...], ...] | None
    segment_seconds: float | None


def resolve(
    reference: str, *, offline: bool = False, quiet: bool = False, refresh: bool = False
) -> ModelSource:
    """The model that `reference` names: a catalogue name, a local path or hf://owner/repo[@revision].

    At most a bag's small yaml file is downloaded here; networks come with `Member.fetch`. What is
    in the cache is used as it is, without asking the Hub, unless `refresh`. `offline` (or
    HF_HUB_OFFLINE) never touches the network; `quiet` shows no progress bars.

    Raises:
        UsageError: the reference is empty or looks like an option.
        UnknownModelError: no such name, file or folder.
        ModelError: the model is not to be had, or its files make no sense.
    """
    if not reference.strip() or reference.startswith("-"):
        raise UsageError(f"{reference!r} is not the name of a model.", hint=_list_hint())
    entry = load_catalog().get(reference)
    if entry is not None and entry.repo_id is None:
        return ModelSource(
            name=entry.name,
            entry=entry,
            origin="built in",
            revision=None,
            stems=entry.stems,
            members=(),
            weights=None,
            segment_seconds=None,
        )
    if entry is None and not reference.startswith("hf://"):
        return _resolve_path(reference)
    connection = Connection(offline=offline or offline_by_environment(), quiet=quiet)
    if entry is not None and entry.repo_id is not None:
        repo = HubRepo(repo_id=entry.repo_id, revision=entry.revision)
        return _hub_bag(
            repo, f"{entry.name}.yaml", entry=entry, connection=connection, refresh=refresh
        )
    return _resolve_hub(reference, connection, refresh=refresh)


def _resolve_path(reference: str) -> ModelSource:
    path = Path(reference).expanduser()
    if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises for names that are too long
        raise _not_found(reference, path)
    path = path.resolve()
    folder = path if path.is_dir() else path.parent
    with readable(folder):
        files = sorted(file.name for file in folder.iterdir() if not file.name.startswith("."))
    main_file = choose_main_file(files if path.is_dir() else [path.name], origin=str(path))

    def member(signature: str, file_name: str) -> Member:
        path = folder / file_name
        return Member(signature, file_name, get=lambda: verify_local(path), find=lambda: path)

    name = _safe_name(path.name if path.is_dir() else path.stem)
    members: tuple[Member, ...]
    if not is_bag(main_file):
        members, bag = (member(signature_of(main_file), main_file),), None
    else:
        bag = _read_bag(folder / main_file)
        members = tuple(
            member(signature, _local_member_file(signature, files, folder))
            for signature in bag.signatures
        )
    return _source(name, None, origin=str(path), revision=None, members=members, bag=bag)


def _resolve_hub(reference: str, connection: Connection, *, refresh: bool) -> ModelSource:
    match = _HUB_REFERENCE.fullmatch(reference)
    if match is None or ".." in reference or reference.endswith(".git"):
        raise UsageError(
            f"{reference!r} is not a model on the Hub.",
            hint="Write hf://owner/repository or hf://owner/repository@revision.",
        )
    repo = HubRepo(repo_id=match["repo"], revision=match["revision"] or "main")
    commit, files = _hub_files(repo, connection, refresh=refresh)
    repo = replace(repo, commit=commit)
    main_file = choose_main_file(files, preferred=bag_file_of_repo(repo.repo_id), origin=str(repo))
    if is_bag(main_file):
        return _hub_bag(repo, main_file, files=files, connection=connection)
    return _source(
        repo.repo_id.partition("/")[2],
        None,
        origin=str(repo),
        revision=commit,
        members=(_hub_member(repo, signature_of(main_file), main_file, connection),),
        bag=None,
    )


def _hub_files(
    repo: HubRepo, connection: Connection, *, refresh: bool
) -> tuple[str, Sequence[str]]:
    """The commit that the revision stands for and its files: those in the cache, or all."""
    snapshot = cached_snapshot(repo)
    cached = sorted(file.name for file in snapshot.iterdir()) if snapshot else []
    if snapshot is not None and connection.offline:
        return snapshot.name, cached
    if connection.offline:
        raise HubUnreachableError(
            f"{repo} is not on this machine, and this run stays offline.",
            hint=OFFLINE_HINT,
        )
    # One network of a bag that another program left in the cache is not the whole model, so a
    # cached folder without a yaml counts only when the Hub cannot be asked.
    if snapshot is not None and not refresh and any(name.endswith(".yaml") for name in cached):
        return snapshot.name, cached
    try:
        return list_files(repo)
    except HubUnreachableError:
        if snapshot is None or refresh:
            raise
        return snapshot.name, cached


def _hub_bag(
    repo: HubRepo,
    bag_file: str,
    *,
    entry: CatalogEntry | None = None,
    files: Sequence[str] = (),
    connection: Connection,
    refresh: bool = False,
) -> ModelSource:
    path = fetch_file(repo, bag_file, connection, refresh=refresh).path
    repo = replace(repo, commit=path.parent.name)  # a snapshot's folder is named after its commit
    bag = _read_bag(path)
    return _source(
        entry.name if entry else repo.repo_id.partition("/")[2],
        entry,
        origin=str(repo),
        revision=repo.commit,
        members=tuple(
            _hub_member(
                repo,
                signature,
                member_file(signature, files, origin=str(repo)) or f"{signature}.safetensors",
                connection,
            )
            for signature in bag.signatures
        ),
        bag=bag,
    )


def _hub_member(repo: HubRepo, signature: str, file_name: str, connection: Connection) -> Member:
    return Member(
        signature,
        file_name,
        get=lambda: fetch_file(repo, file_name, connection),
        find=lambda: cached_file(repo, file_name),
    )


def _source(
    name: str,
    entry: CatalogEntry | None,
    *,
    origin: str,
    revision: str | None,
    members: tuple[Member, ...],
    bag: Bag | None,
) -> ModelSource:
    stems = entry.stems if entry else None
    weights = bag.weights if bag else None
    if stems is not None and weights is not None and len(weights[0]) != len(stems):
        raise CheckpointError(
            f"{origin}: the bag has weights for {len(weights[0])} stems instead of {len(stems)}."
        )
    return ModelSource(
        name=name,
        entry=entry,
        origin=origin,
        revision=revision,
        stems=stems,
        members=members,
        weights=weights,
        segment_seconds=bag.segment_seconds if bag else None,
    )


def _read_bag(path: Path) -> Bag:
    with readable(path), path.open("rb") as file:
        return parse_bag(file.read(MAX_BAG_BYTES + 1), str(path))


def _local_member_file(signature: str, files: Sequence[str], folder: Path) -> str:
    file_name = member_file(signature, files, origin=str(folder))
    if file_name is None:
        raise CheckpointError(
            f"The bag names the network {signature}, but {folder} has no {signature}.safetensors "
            f"or {signature}.th.",
            hint="Put the networks beside the yaml file.",
        )
    return file_name


def _safe_name(name: str) -> str:
    """A name that is one folder's name on any system."""
    safe = re.sub(r'[\x00-\x1f<>:"/\\|?*]', "_", name).strip(" .")
    return safe or "model"


def _not_found(reference: str, path: Path) -> UnknownModelError:
    if path.suffix in MODEL_SUFFIXES or len(path.parts) > 1:
        return UnknownModelError(f"There is no file or folder {reference}.", hint=_list_hint())
    suggestions = " or ".join(suggest_names(reference))
    question = f"Did you mean {suggestions}? " if suggestions else ""
    return UnknownModelError(f"No model is called {reference!r}.", hint=question + _list_hint())


def _list_hint() -> str:
    return "`stemsplit models list` shows the names; a path or hf://owner/repo works as well."

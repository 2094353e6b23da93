"""From a reference to a model - a name, a path, hf://owner/repo - to the files it is made of."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from stemsplit.checkpoints.bag_file import MAX_BAG_BYTES, BagFile, describes_bag, parse_bag
from stemsplit.checkpoints.file_errors import readable
from stemsplit.errors import (
    CheckpointError,
    HubUnreachableError,
    ModelError,
    UnknownModelError,
    UsageError,
)
from stemsplit.files import open_regular
from stemsplit.hub.cache import HubRepo, cached_snapshot, offline_by_environment
from stemsplit.hub.catalog import CatalogEntry, find_entry, load_catalog, suggest_names
from stemsplit.hub.download import fetch_file
from stemsplit.hub.folders import (
    MODEL_SUFFIXES,
    bag_named_as,
    choose_main_file,
    configuration_beside,
    is_description,
    is_weights,
    member_file,
    signature_of,
    stem_of,
    weights_beside,
)
from stemsplit.hub.hub_errors import not_here
from stemsplit.hub.local_folder import declared_system, safe_name
from stemsplit.hub.model_files import Member, ModelFile, ModelSource
from stemsplit.hub.published import hub_file, published_source
from stemsplit.hub.remote import list_files
from stemsplit.hub.transfer import Connection
from stemsplit.quoting import counted, quoted
from stemsplit.stages import StageCallback, unheard

_HUB_REFERENCE = re.compile(
    r"hf://(?P<repo>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})"
    r"(?:@(?P<revision>[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)*))?",
    re.ASCII,
)


def resolve(
    reference: str,
    *,
    offline: bool = False,
    refresh: bool = False,
    on_stage: StageCallback = unheard,
) -> ModelSource:
    """The model that `reference` names: one of the catalogue, a local path or hf://owner/repo[@revision].

    At most a bag's small yaml file is downloaded here; networks come with `Member.fetch`. What is
    in the cache is used as it is, without asking the Hub, unless `refresh`. `offline` (or
    HF_HUB_OFFLINE) never touches the network. `on_stage` hears of downloads, now and later.

    Raises:
        UsageError: the reference is empty or looks like an option.
        UnknownModelError: no such name, file or folder.
        ModelError: the model is not to be had, or its files make no sense.
    """
    check_reference(reference)
    entry = find_entry(reference, load_catalog())
    if entry is not None and entry.is_built_in:
        return ModelSource(name=entry.name, entry=entry, origin=entry.origin, stems=entry.stems)
    if entry is not None and entry.parts:
        raise UsageError(
            f"{entry.name} is made of several models itself, and cannot be a part of another.",
            hint=f"Its parts can: {' and '.join(part.model for part in entry.parts)}.",
        )
    if entry is not None and entry.by_hand is not None:
        raise ModelError(
            f"{entry.name} cannot be fetched by a program: it is on {entry.by_hand}.",
            hint="Fetch it by hand, and give its path as the model.",
        )
    if entry is None and not reference.startswith("hf://"):
        return _resolve_path(reference)
    connection = Connection(offline=offline or offline_by_environment(), on_stage=on_stage)
    if entry is not None and entry.networks:
        return published_source(entry, connection, refresh=refresh)
    if entry is not None and entry.repo_id is not None:
        repo = HubRepo(repo_id=entry.repo_id, revision=entry.revision)
        return _hub_bag(
            repo, f"{entry.name}.yaml", entry=entry, connection=connection, refresh=refresh
        )
    return _resolve_hub(reference, connection, refresh=refresh)


def check_reference(reference: str) -> None:
    """Finds out without looking into anything whether `reference` could name a model.

    Raises:
        UsageError, UnknownModelError: it could not, as `resolve`.
    """
    if not reference.strip() or reference.startswith("-"):
        raise UsageError(f"{quoted(reference)} is not the name of a model.", hint=_list_hint())
    if find_entry(reference, load_catalog()) is None and not reference.startswith("hf://"):
        path = Path(reference).expanduser()
        if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises for names too long
            raise _not_found(reference, path)


def _resolve_path(reference: str) -> ModelSource:
    path = Path(reference).expanduser().resolve()
    folder = path if path.is_dir() else path.parent
    with readable(folder):
        files = sorted(file.name for file in folder.iterdir() if not file.name.startswith("."))
    name = safe_name(path.name if path.is_dir() else stem_of(path.name))
    system = declared_system(path) if path.is_dir() else None
    if system is not None and len(system.models) == 1:
        return system.models[0]
    if path.is_file() and not path.suffix:  # so some training programs call what they save
        main_file = path.name
    else:
        main_file = choose_main_file(files if path.is_dir() else [path.name], origin=str(path))
    bag = None
    if not is_description(main_file):
        members: tuple[Member, ...] = (
            _local_member(folder, main_file, configuration_beside(main_file, files)),
        )
    elif not describes_bag(_read_description(folder / main_file), str(folder / main_file)):
        weights_file = weights_beside(main_file, files, origin=str(path))
        members = (_local_member(folder, weights_file, main_file),)
    else:
        bag = _read_bag(folder / main_file)
        members = tuple(
            _local_member(folder, _local_member_file(signature, files, folder), None, signature)
            for signature in bag.signatures
        )
    return _source(name, None, origin=str(path), revision=None, members=members, bag=bag)


def _local_member(
    folder: Path, file_name: str, configuration: str | None, signature: str | None = None
) -> Member:
    return Member(
        signature=signature or signature_of(file_name),
        weights=(ModelFile.local(folder / file_name),),
        configs=() if configuration is None else (ModelFile.local(folder / configuration),),
    )


def _resolve_hub(reference: str, connection: Connection, *, refresh: bool) -> ModelSource:
    match = _HUB_REFERENCE.fullmatch(reference)
    if match is None or ".." in reference or "--" in match["repo"] or reference.endswith(".git"):
        raise UsageError(
            f"{quoted(reference)} is not a model on the Hub.",
            hint="Write hf://owner/repository or hf://owner/repository@revision.",
        )
    repo = HubRepo(repo_id=match["repo"], revision=match["revision"] or "main")
    commit, files = _hub_files(repo, connection, refresh=refresh)
    repo = replace(repo, commit=commit)
    own_name = repo.repo_id.partition("/")[2]
    main_file = choose_main_file(files, preferred=bag_named_as(own_name, files), origin=str(repo))
    configuration = None
    if is_description(main_file):
        path = fetch_file(repo, main_file, connection).path
        if describes_bag(_read_description(path), str(path)):
            return _hub_bag(repo, main_file, files=files, connection=connection)
        if not any(map(is_weights, files)) and not connection.offline:
            files = list_files(repo)[1]  # those in the cache are not all
        configuration = main_file
        main_file = weights_beside(configuration, files, origin=str(repo))
    return _source(
        own_name,
        None,
        origin=str(repo),
        revision=commit,
        members=(_hub_member(repo, signature_of(main_file), main_file, connection, configuration),),
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
        raise not_here(repo)
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


def _hub_member(
    repo: HubRepo,
    signature: str,
    file_name: str,
    connection: Connection,
    configuration: str | None = None,
) -> Member:
    return Member(
        signature=signature,
        weights=(hub_file(repo, file_name, connection),),
        configs=(() if configuration is None else (hub_file(repo, configuration, connection),)),
    )


def _source(
    name: str,
    entry: CatalogEntry | None,
    *,
    origin: str,
    revision: str | None,
    members: tuple[Member, ...],
    bag: BagFile | None,
) -> ModelSource:
    stems = entry.stems if entry else None
    weights = bag.weights if bag else None
    if stems is not None and weights is not None and len(weights[0]) != len(stems):
        found = counted(len(weights[0]), "stem")
        raise CheckpointError(f"{origin}: the bag has weights for {found} instead of {len(stems)}.")
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


def _read_bag(path: Path) -> BagFile:
    return parse_bag(_read_description(path), str(path))


def _read_description(path: Path) -> bytes:
    with readable(path), open_regular(path) as file:
        return file.read(MAX_BAG_BYTES + 1)


def _local_member_file(signature: str, files: Sequence[str], folder: Path) -> str:
    file_name = member_file(signature, files, origin=str(folder))
    if file_name is None:
        raise CheckpointError(
            f"The bag names the network {signature}, but {folder} has no {signature}.safetensors "
            f"or {signature}.th.",
            hint="Put the networks beside the yaml file.",
        )
    return file_name


def _not_found(reference: str, path: Path) -> UnknownModelError:
    if path.name.endswith(MODEL_SUFFIXES) or len(path.parts) > 1:
        return UnknownModelError(f"There is no file or folder {reference}.", hint=_list_hint())
    suggestions = " or ".join(suggest_names(reference))
    question = f"Did you mean {suggestions}? " if suggestions else ""
    return UnknownModelError(
        f"No model is called {quoted(reference)}.", hint=question + _list_hint()
    )


def _list_hint() -> str:
    return "`stemsplit models list` shows the names; a path or hf://owner/repo works as well."

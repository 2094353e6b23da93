"""What strangers put on the Hub, or say in its place: configurations, answers, packed bodies."""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from stemsplit.checkpoints.bag_file import describes_bag
from stemsplit.checkpoints.config_file import parse_configuration
from stemsplit.errors import CheckpointError, StemsplitError
from stemsplit.hub import cache, remote, transport
from stemsplit.hub.cache import HubRepo
from stemsplit.hub.question import Question
from stemsplit.hub.transport import HttpAnswer
from stemsplit.models.registry import Recognized, build_model, recognize
from tests.fuzz.mutate import mutate
from tests.fuzz.target import Target
from tests.fuzz.text_targets import BAG_WORDS, JSON_WORDS

_CONFIGURATION_SEEDS = (
    b"""audio: {chunk_size: 352800, sample_rate: 44100, n_fft: 2048, hop_length: 441}
model:
  dim: 8
  depth: 1
  stereo: true
  num_stems: 1
  time_transformer_depth: 1
  freq_transformer_depth: 1
  freqs_per_bands: !!python/tuple
    - 2
    - 1023
  dim_head: 4
  heads: 2
training: {instruments: [vocals, other], target_instrument: vocals, use_amp: true}
inference: {num_overlap: 2, batch_size: 1}
""",
    b"""base: &base {num_overlap: 4}
audio: &audio {chunk_size: 261120, sample_rate: 44100, n_fft: 8192, hop_length: 1024,
  dim_f: 4096, num_channels: 2}
model: {num_subbands: 4, num_scales: 2, scale: [2, 2], num_blocks_per_scale: 1, num_channels: 8,
  growth: 8, bottleneck_factor: 4, norm: InstanceNorm, act: gelu}
training: {instruments: [Vocals, Instrumental], target_instrument: null}
inference: {<<: *base, dim_t: 256}
""",
    b"""model: {sources: [drums, bass, other, vocals], band_SR: [0.175, 0.392, 0.433], nfft: 4096}
audio: {chunk_size: 485100, sample_rate: 44100, num_channels: 2}
training: {instruments: [drums, bass, other, vocals], target_instrument: ~}
inference: {num_overlap: 2}
""",
)
_CONFIGURATION_WORDS = (
    *BAG_WORDS,
    *(
        b"!!python/tuple ",
        b"!!timestamp ",
        b"!!int ",
        b"!!float ",
        b"!!bool ",
        b"!!null ",
        b"!!set ",
    ),
    *(b"<<: [*base, *audio]\n", b"<<: *base\n", b"1:59:59", b"0x" + b"f" * 300, b"0b1", b"0o7"),
    *(b"2024-02-30", b"2024-02-29 25:61:61", b"1_000_000", b"-.inf", b"=", b"? [a]\n: b\n"),
    *(b"[*base,*base,*base,*base,*base,*base,*base,*base]", b"!<tag:yaml.org,2002:int> ''"),
)


def build_recognized(found: Recognized) -> None:
    """Builds the network as far as that goes: that tensors are missing is no fault of the rest."""
    try:
        build_model(found.class_name, (), found.kwargs, found.tensors)
    except CheckpointError as error:
        if "does not fit its class" not in error.message:
            raise


def _read_configuration(path: Path) -> None:
    """As for a checkpoint without tensors, which none of the families can be built from."""
    data = path.read_bytes()
    describes_bag(data, "x")
    settings = parse_configuration(data, "x.yaml")
    build_recognized(recognize(settings, {}, file_name="x.ckpt"))


_REPO = HubRepo(repo_id="a/b", revision="main")
_SHA = "0123456789" * 4
_HEAD = {
    "X-Repo-Commit": _SHA,
    "ETag": f'"{_SHA}"',
    "X-Linked-Etag": f'W/"{_SHA}"',
    "X-Linked-Size": "1000",
    "Content-Length": "17",
    "Location": "/elsewhere",
    "Retry-After": "0",
}
_ANSWER_WORDS = (
    *JSON_WORDS,
    *(b"<html>", b"<!DOCTYPE html>", b"Content-Type: text/html\n", b"Content-Encoding: gzip\n"),
    *(b"Content-Encoding: br\n", b"Retry-After: 86400\n", b"Retry-After: Fri, 99 Foo\n", b"200\n"),
    *(b"429\n", b"503\n", b"302\n", b"511\n", b"-1\n", b"Location: //[::\n", b"Location: ../..\n"),
    *(b'"sha"', b'"siblings"', b'"rfilename"', b"X-Error-Code: RepoNotFound\n", b"../../x", b"\0"),
    *(b"X-Linked-Size: -1\n", b"X-Linked-Size: 999999999999999999999\n", b"\x1f\x8b\x08"),
)


def _answer(status: int, headers: dict[str, str], body: bytes) -> bytes:
    lines = [str(status), *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\n".join(lines).encode() + body


def _answer_seeds(folder: Path) -> list[bytes]:
    del folder
    siblings = [{"rfilename": name} for name in ("a.yaml", "b.th", "sub/c.bin")]
    info = json.dumps({"id": "a/b", "sha": _SHA, "siblings": siblings}).encode()
    return [
        _answer(200, {"Content-Type": "application/json", **_HEAD}, info),
        _answer(200, {"Content-Encoding": "gzip", **_HEAD}, gzip.compress(info, mtime=0)),
        _answer(302, _HEAD, b""),
        _answer(404, {"X-Error-Code": "RepoNotFound"}, b""),
        _answer(429, {"Retry-After": "1"}, b""),
    ]


def _pack(rng: Random, data: bytes) -> bytes:
    """Now and then: the body mutated before it was packed."""
    head, end, body = data.partition(b"\n\n")
    if rng.random() < 0.7 or not end:
        return data
    with contextlib.suppress(Exception):  # gzip has no list of what it raises
        body = gzip.decompress(body)[: 1 << 16]
    body = mutate(rng, [body or b"{}"], JSON_WORDS)
    return head + end + (gzip.compress(body, mtime=0) if b"gzip" in head else body)


class _Talk:
    """What a server has said, without the server."""

    def __init__(self, data: bytes) -> None:
        head, _, self._body = data.partition(b"\n\n")
        status, *lines = head.decode("latin-1").split("\n")
        self._status = int(status[:3]) if status[:3].isascii() and status[:3].isdigit() else 200
        pairs = (line.partition(":") for line in lines)
        self._headers = {name.strip().lower(): value.strip() for name, _, value in pairs}

    def head(self) -> tuple[int, dict[str, str]]:
        return self._status, self._headers

    def block(self) -> bytes:
        block, self._body = self._body[:1000], self._body[1000:]
        return block

    def start(self) -> None:
        pass

    def abandon(self) -> None:
        pass


def _hear(path: Path) -> None:
    data = path.read_bytes()

    def talk(question: Question) -> Any:
        del question
        return _Talk(data)

    heard: list[StemsplitError] = []
    with mock.patch.object(transport, "Exchange", talk), mock.patch.object(transport.time, "sleep"):
        for ask in (lambda: remote.list_files(_REPO), lambda: remote.describe(_REPO, "a.yaml")):
            try:
                ask()
            except StemsplitError as error:
                heard.append(error)
        with contextlib.suppress(StemsplitError):
            _check_body(HttpAnswer(Question(url="", what="x"), talk(Question(url="", what="x"))))
    assert all(error.exit_code == 3 for error in heard)
    if len(heard) == 2:
        raise heard[0]


def _check_body(answer: HttpAnswer) -> None:
    blocks: Iterator[bytes] = answer.blocks()
    for _, block in zip(range(10_000), blocks, strict=False):
        assert len(block) <= 1 << 16


def _ref_seeds(folder: Path) -> Sequence[bytes]:
    del folder
    return [_SHA.encode(), _SHA.encode() + b"\n", b"main"]


def _read_ref(path: Path) -> None:
    refs = path.parents[1] / "output" / "refs"
    refs.mkdir(parents=True, exist_ok=True)
    (refs / "main").write_bytes(path.read_bytes())
    with mock.patch.object(cache, "repo_folder", return_value=refs.parent):
        found = cache.cached_snapshot(_REPO)
    assert found is None
    if not cache.is_safe_name(path.read_bytes().decode("latin-1").strip()):
        raise StemsplitError("That is no commit.")


HUB_TARGETS = {
    "configuration": Target(
        ".yaml", lambda _: _CONFIGURATION_SEEDS, _read_configuration, _CONFIGURATION_WORDS
    ),
    "answer": Target(".txt", _answer_seeds, _hear, _ANSWER_WORDS, _pack),
    "ref": Target(".txt", _ref_seeds, _read_ref, (b"..", b"/", b"\xff", b"\0", b"a" * 300)),
}

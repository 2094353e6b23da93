"""`stemsplit bench`: what it measures, what it keeps, and what `models list` makes of it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from stemsplit.cli import bench, bench_measure, bench_process
from stemsplit.cli.bench_measure import Request
from stemsplit.cli.bench_process import SLACK_SECONDS
from stemsplit.cli.bench_results import (
    Measurement,
    best_of,
    read_measurements,
    results_file,
    shown_speed,
    store,
)
from stemsplit.cli.printer.command_events import BenchEnded
from stemsplit.cli.printer.speeds import print_measurements
from stemsplit.errors import StemsplitError, UsageError
from stemsplit.hub.catalog import DEFAULT_MODEL, list_models, load_catalog
from stemsplit.hub.model_files import ModelSource
from stemsplit.hub.recipe import EnsembleSource
from stemsplit.version import __version__
from tests.cli.conftest import Stemsplit
from tests.models.random_models import htdemucs, write_safetensors

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

MEASUREMENT = Measurement(
    model="spectral",
    device="cpu",
    device_name="AMD EPYC",
    precision="fp32",
    num_threads=2,
    torch_version="2.11.0",
    stemsplit_version="0.3.0",
    date="2026-01-02T03:04:05+00:00",
    realtime_factor=10.04,
    num_passes=2,
    music_seconds=120.0,
    import_seconds=1.0,
    load_seconds=0.5,
    first_chunk_seconds=2.0,
    peak_bytes=1 << 30,
    device_peak_bytes=None,
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where measurements are kept; nothing is there yet."""
    folder = tmp_path / "stemsplit cache"
    monkeypatch.setenv("STEMSPLIT_CACHE", str(folder))
    return folder


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_measurements_come_back(cache: Path) -> None:
    assert read_measurements() == []
    assert store([MEASUREMENT]) == cache / "bench.json"
    other = replace(MEASUREMENT, device="cuda:0", device_peak_bytes=5)
    store([other])
    assert read_measurements() == [MEASUREMENT, other]
    again = replace(MEASUREMENT, realtime_factor=11.0, date="2026-02-02T03:04:05+00:00")
    store([again])
    assert read_measurements() == [other, again]
    assert [path.name for path in cache.iterdir()] == ["bench.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"schema": 2, "measurements": []}',
        '{"schema": 1}',
        '{"schema": 1, "measurements": 3}',
        '{"schema": 1, "measurements": [{}]}',
        '{"schema": 1, "measurements": [{"__class__": "os.system"}]}',
        json.dumps({"schema": 1, "measurements": [{**MEASUREMENT.as_json(), "device": 1}]}),
        "[" * 100_000,
        "\0\ud800",
    ],
)
def test_a_damaged_file_counts_as_none(cache: Path, text: str) -> None:
    cache.mkdir()
    (cache / "bench.json").write_text(text, encoding="utf-8", errors="surrogatepass")
    assert read_measurements() == []
    store([MEASUREMENT])
    assert read_measurements() == [MEASUREMENT]


def test_a_place_that_takes_no_file(cache: Path) -> None:
    cache.touch()
    with pytest.raises(StemsplitError, match=r"cannot be kept in .* Set STEMSPLIT_CACHE"):
        store([MEASUREMENT])


@pytest.mark.skipif(sys.platform != "linux", reason="the place on Linux")
def test_where_results_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STEMSPLIT_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert results_file() == tmp_path / ".cache" / "stemsplit" / "bench.json"
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert results_file() == Path("/caches/stemsplit/bench.json")


def test_the_best_of_the_latest_versions() -> None:
    slow = replace(MEASUREMENT, realtime_factor=2.0)
    fast = replace(slow, device="cuda:0", realtime_factor=200.0)
    old = replace(fast, torch_version="2.8.0", realtime_factor=300.0)
    assert best_of("spectral", [old, slow]) == slow
    assert best_of("spectral", [old, fast, slow]) == fast
    assert best_of("htdemucs", [fast]) is None


def test_speeds_have_two_digits() -> None:
    assert [shown_speed(value) for value in (0.314, 1.52, 1234.6)] == ["0.31 x", "1.5 x", "1235 x"]


def request(**changes: Any) -> Request:
    values: dict[str, Any] = {
        "reference": "spectral",
        "model": "spectral",
        "device": "cpu",
        "precision": "auto",
        "num_threads": None,
        "music_seconds": None,
        "launched": 0.0,
        "until": 0.0,
        "folder": "/",
        "debug": False,
    }
    return Request(**{**values, **changes})


class Machine:
    """A song of 6 s chunks on a machine of known speed, with a clock of its own."""

    chunk_seconds = 6.0

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds_per_chunk: float) -> None:
        self._seconds = seconds_per_chunk
        self.now = 1000.0
        monkeypatch.setattr("time.time", lambda: self.now)

    def time(self, num_chunks: int) -> float:
        self.now += num_chunks * self._seconds
        return num_chunks * self._seconds

    def passes(self, first_chunk_seconds: float, **changes: Any) -> list[int]:
        passes = bench_measure._passes(
            self,  # type: ignore[arg-type]
            request(**changes),
            first_chunk_seconds,
        )
        return [num_chunks for num_chunks, _ in passes]


@pytest.mark.parametrize(
    ("seconds_per_chunk", "num_chunks"),
    [
        (0.01, [10, 10, 10, 10, 10]),  # 60 s of music, five times
        (1.0, [10, 10, 10]),
        (4.0, [2, 2, 2]),
        (16.0, [1]),
        (60.0, []),  # the first chunk has to do
    ],
)
def test_passes_fit_into_the_time(
    monkeypatch: pytest.MonkeyPatch, seconds_per_chunk: float, num_chunks: list[int]
) -> None:
    machine = Machine(monkeypatch, seconds_per_chunk)
    assert machine.passes(1.3 * seconds_per_chunk, until=1030.0) == num_chunks
    assert machine.now <= 1030.0


def test_the_music_that_was_asked_for_is_played_once_at_least(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = Machine(monkeypatch, 4.0)
    assert machine.passes(5.0, until=0.0, music_seconds=13.0) == [3]
    assert machine.passes(5.0, until=machine.now + 25, music_seconds=13.0) == [3, 3]


def speeds_listed(stemsplit: Stemsplit) -> dict[str, str]:
    """What `models list` says about the speed of each model on this machine."""
    header, *rows = (line.split("\t") for line in stemsplit("models", "list").stdout.splitlines())
    return {row[0]: row[header.index("speed")] for row in rows}


def test_the_defaults_are_measured_and_listed(stemsplit: Stemsplit) -> None:
    assert list_models()[0] == DEFAULT_MODEL
    assert "speed" not in stemsplit("models", "list").stdout.splitlines()[0].split("\t")
    result = stemsplit("bench", "--seconds", 1, "--budget", 1, "--threads", 1)
    assert result.exit_code == 0, result.output
    header, row = (line.split("\t") for line in result.stdout.splitlines())
    cells = dict(zip(header, row, strict=True))
    assert cells["model"] == "spectral"
    assert cells["device"] == "cpu (1 thread)" or cells["device"].startswith(("cuda", "mps"))
    assert cells["speed"].endswith(" x")
    assert "htdemucs is not measured: htdemucs.yaml of adefossez/HTDemucs@main" in result.stderr
    assert "Kept in " in result.stderr
    (kept,) = read_measurements()
    assert (kept.torch_version, kept.stemsplit_version) == (torch.__version__, __version__)
    assert kept.num_threads == 1
    assert kept.num_passes == 1
    assert kept.realtime_factor > 0
    speeds = speeds_listed(stemsplit)
    assert speeds["spectral"] == shown_speed(kept.realtime_factor) == cells["speed"]
    assert speeds["htdemucs"] == "-"
    entries = {
        each["name"]: each for each in json.loads(stemsplit("models", "list", "--json").stdout)
    }
    assert entries["spectral"]["measured"] == kept.as_json()
    assert entries["htdemucs"]["measured"] is None
    assert f"speed here          {cells['speed']}" in stemsplit("models", "show", "spectral").stdout


@pytest.mark.usefixtures("children")
@pytest.mark.parametrize("name", list_models())
def test_every_model_is_listed_with_its_speed(
    stemsplit: Stemsplit, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    entry = load_catalog()[name]
    source = ModelSource(  # as if it were on this machine
        name=name, entry=entry, origin="somewhere@1", revision="1", stems=entry.stems, members=()
    )
    monkeypatch.setattr(bench, "resolve_expression", lambda *_, **__: EnsembleSource.of(source))
    assert stemsplit("bench", "-m", name, "-d", "cpu").exit_code == 0
    assert speeds_listed(stemsplit)[name] == "10.0 x"
    entries = json.loads(stemsplit("models", "list", "--json").stdout)
    measured = {entry["name"]: entry["measured"] for entry in entries if entry["measured"]}
    assert measured == {name: replace(MEASUREMENT, model=name).as_json()}


def test_a_checkpoint_by_its_relative_path(stemsplit: Stemsplit, workplace: Path) -> None:
    # What lies in the user's folder is never imported, though the child is started with -m.
    for name in ("json", "torch", "stemsplit"):
        (workplace / f"{name}.py").write_text("raise SystemExit('imported from the folder')")
    path = write_safetensors(htdemucs(), workplace / "htdemucs.safetensors")
    result = stemsplit(
        "bench", "-m", path.name, "-d", "cpu", "--seconds", 2, "--budget", 1, "--json"
    )
    assert result.exit_code == 0, result.output
    (line,) = events(result.stdout)
    assert (line.pop("schema"), line.pop("event")) == (1, "measured")
    assert line.pop("time") == pytest.approx(time.time(), abs=3600)
    assert Measurement.from_json(line) == read_measurements()[0]
    assert line["model"] == str(path.resolve())
    assert line["device"] == "cpu"
    assert line["num_passes"] > 0
    assert line["music_seconds"] >= 2
    assert min(line["import_seconds"], line["load_seconds"], line["first_chunk_seconds"]) > 0
    if sys.platform != "win32":
        assert 1 << 27 < line["peak_bytes"] < 1 << 32
    # The catalogue's htdemucs is another model.
    assert "speed" not in stemsplit("models", "list").stdout.splitlines()[0].split("\t")


class FakeChildren:
    """Children that answer by their device, and say when they were given what to do."""

    answers: Mapping[str, Mapping[str, Any]] = {
        "cuda:0": {
            "message": "The memory of cuda:0 is too small.",
            "hint": "Use shorter chunks.",
            "exit_code": 1,
        },
        "cuda:7": {"message": "'cuda:7' is not a device.", "hint": "Use cpu.", "exit_code": 2},
        "cuda:8": {"message": "A file is damaged.", "hint": "Pull it.", "exit_code": 3},
    }

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.requests: list[Request] = []
        self.timeouts: list[float | None] = []
        self.stopped: dict[str, bytes | None] = {}
        monkeypatch.setattr("subprocess.run", self._run)

    def _run(self, *_: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
        wanted = Request(**json.loads(options["input"]))
        self.requests.append(wanted)
        self.timeouts.append(options["timeout"])
        if wanted.device in self.stopped:
            raise subprocess.TimeoutExpired([], 1, output=self.stopped[wanted.device])
        if wanted.device == "cuda:1":
            return subprocess.CompletedProcess([], -signal.SIGKILL, stdout=b"")
        measured = replace(MEASUREMENT, model=wanted.model, device=wanted.device)
        answer = self.answers.get(wanted.device, {"measurement": measured.as_json()})
        return subprocess.CompletedProcess([], 0, stdout=f"noise\n{json.dumps(answer)}\n".encode())


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> FakeChildren:
    return FakeChildren(monkeypatch)


def test_the_time_is_shared(stemsplit: Stemsplit, children: FakeChildren) -> None:
    result = stemsplit("bench", "-m", "spectral", "-d", "cpu", "-d", "mps", "--budget", 60)
    assert result.exit_code == 0, result.output
    first, second = children.requests
    assert first.until - first.launched == pytest.approx(30, abs=2)
    # The first child took no time, so the second one may have all of it.
    assert second.until - first.launched == pytest.approx(60, abs=2)
    assert "spectral on cpu: about 30 seconds" in result.stderr
    # The slack after the budget is shared in the same way.
    assert children.timeouts == pytest.approx([(60 + SLACK_SECONDS) / 2, 60 + SLACK_SECONDS], abs=2)
    stemsplit("bench", "-m", "spectral", "-d", "cpu", "--seconds", 5)
    assert children.timeouts[-1] is None  # what was asked for is played


def test_what_is_stopped_tells_what_it_has(stemsplit: Stemsplit, children: FakeChildren) -> None:
    began = {"first_chunk": {"started": time.time() - 50, "chunk_seconds": 6.0}}
    done = {"measurement": replace(MEASUREMENT, device="mps").as_json()}
    lines = [json.dumps(answer).encode() + b"\n" for answer in (began, done)]
    children.stopped = {
        "cpu": None,
        "cuda": lines[0] + b'{"measurement": {"mo',  # killed as it spoke
        "mps": b"".join(lines),
    }
    devices = [argument for name in children.stopped for argument in ("-d", name)]
    result = stemsplit("bench", "-m", "spectral", *devices, "--json")
    assert result.exit_code == 1
    not_loaded, slow, measured = events(result.stdout)
    assert not_loaded["error"] == (
        "spectral was not loaded on cpu within 0 s. "
        "Give it more time with --budget, or measure a smaller model."
    )
    assert not_loaded["slower_than"] is None
    assert slow["event"] == "failed"
    assert "One chunk of spectral (6.0 s of music) takes longer than 5" in slow["error"]
    assert "on cuda: slower than 0.12 x real time." in slow["error"]
    assert 0.1 < slow["slower_than"] <= 0.12
    assert (measured["event"], measured["device"]) == ("measured", "mps")
    assert [each.device for each in read_measurements()] == ["mps"]  # a bound is no measurement


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
def test_a_chunk_without_end_is_stopped(
    stemsplit: Stemsplit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pid_file, interpreter = tmp_path / "pid", tmp_path / "endless"
    began = json.dumps({"first_chunk": {"started": time.time(), "chunk_seconds": 6.0}})
    interpreter.write_text(f"#!/bin/sh\necho $$ > '{pid_file}'\necho '{began}'\nexec sleep 600\n")
    interpreter.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(interpreter))
    monkeypatch.setattr(bench_process, "SLACK_SECONDS", 0.5)
    result = stemsplit("bench", "-m", "spectral", "-d", "cpu", "--budget", 1)
    assert result.exit_code == 1
    assert "One chunk of spectral (6.0 s of music) takes longer than" in result.stderr
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message", "num_kept"),
    [
        (["-m", "htdemuks"], 3, "Did you mean htdemucs", 0),
        (["-m", "spectral", "-m", "htdemucs"], 3, "stays offline", 0),
        # What was measured before the mistake was noticed is kept.
        (["-d", "cpu", "-d", "cuda:7"], 2, "'cuda:7' is not a device. Use cpu.", 1),
        (["-d", "cpu", "-d", "cuda:8"], 3, "A file is damaged. Pull it.", 1),
        (["-d", "cpu", "-d", "quantum"], 2, "'quantum' is not a device. Use auto", 0),
    ],
)
def test_what_cannot_be_measured(
    stemsplit: Stemsplit,
    children: FakeChildren,
    arguments: list[str],
    exit_code: int,
    message: str,
    num_kept: int,
) -> None:
    result = stemsplit("bench", *arguments)
    assert result.exit_code == exit_code
    assert message in result.stderr
    assert len(read_measurements()) == num_kept
    assert bool(children.requests) == bool(num_kept)


def test_a_measurement_that_fails_does_not_stop_the_others(
    stemsplit: Stemsplit, children: FakeChildren
) -> None:
    devices = ["-d", "cuda:0", "-d", "cuda:1", "-d", "cpu"]
    result = stemsplit("bench", "-m", "spectral", *devices, "--json")
    assert result.exit_code == 1
    assert len(children.requests) == 3
    small, killed, done = events(result.stdout)
    assert (small["event"], small["model"], small["device"]) == ("failed", "spectral", "cuda:0")
    assert small["error"] == "The memory of cuda:0 is too small. Use shorter chunks."
    assert "was ended by SIGKILL" in killed["error"]
    assert (done["event"], done["device"]) == ("measured", "cpu")
    assert [each.device for each in read_measurements()] == ["cpu"]


@pytest.mark.parametrize(
    ("error", "message", "exit_code"),
    [
        (ZeroDivisionError("by zero"), "spectral: unexpected ZeroDivisionError: by zero.", 1),
        (UsageError("No such device."), "No such device.", 2),
    ],
)
def test_a_child_reports_what_went_wrong(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    message: str,
    exit_code: int,
) -> None:
    def fail(_: Request) -> Iterator[Measurement]:
        raise error

    monkeypatch.setattr(bench_process, "measure", fail)
    wanted = json.dumps(asdict(request(folder=str(Path.cwd()))))
    monkeypatch.setattr("sys.stdin", io.StringIO(wanted))
    bench_process.main()
    answer = json.loads(capsys.readouterr().out)
    assert (answer["message"], answer["exit_code"]) == (message, exit_code)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.usefixtures("usual_signals")
def test_interrupting_leaves_no_process_behind(cache: Path) -> None:
    command = [sys.executable, "-m", "stemsplit", "bench", "-m", "spectral", "--budget", "60"]
    env = {**os.environ, "STEMSPLIT_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr is not None
        assert "spectral on auto" in process.stderr.readline()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        # The child has the same stderr, so this ends when both have ended.
        assert "Traceback" not in process.stderr.read()
        assert process.wait() == 130
    assert not cache.exists()


def test_a_table_with_a_gpu_fits_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "80")
    card = replace(
        MEASUREMENT,
        model="htdemucs_ft",
        device="cuda:0",
        realtime_factor=1234.0,
        device_peak_bytes=3 << 30,
    )
    print_measurements(BenchEnded([replace(MEASUREMENT, num_threads=16), card]))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "GiB" in lines[1]
    assert [line.split()[0] for line in lines if line[:1].isalpha()] == [
        "model",
        "spectral",
        "htdemucs_ft",
    ]

"""`stemsplit doctor`, on this machine and on machines that are worse off."""

from __future__ import annotations

import errno
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from packaging.requirements import Requirement

from stemsplit.audio.decode import open_container as container
from stemsplit.audio.encode import encoders as encode
from stemsplit.audio.formats import LIMITS, Kind, StreamFormat
from stemsplit.cli import doctor as doctor_command
from stemsplit.cli.doctor_checks import codecs, devices, hub_trial, libraries, tone, versions
from stemsplit.cli.doctor_checks import model_access as model_checks
from stemsplit.cli.doctor_checks.finding import Finding
from stemsplit.device import hardware
from stemsplit.device.hardware import architecture_support
from stemsplit.hub.resolve import resolve
from tests.cli.conftest import Stemsplit
from tests.hub.loopback import Hub

pytestmark = pytest.mark.slow

Doctor = Callable[..., dict[tuple[str, str], dict[str, Any]]]


@pytest.fixture
def doctor(stemsplit: Stemsplit, monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """Runs `stemsplit doctor --json`, demands the exit code, and gives the findings by name.

    But for the process that fetches a file, which takes a second and has tests of its own.
    """
    monkeypatch.setattr(libraries, "fetched_from_loopback", lambda _: None)

    def run(*arguments: str, exit_code: int) -> dict[tuple[str, str], dict[str, Any]]:
        result = stemsplit("doctor", "--json", *arguments)
        assert result.exit_code == exit_code, result.output
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        return {(line["topic"], line["name"]): line for line in lines}

    return run


def pull() -> None:
    for member in resolve("htdemucs").members:
        member.fetch()


def test_a_machine_in_order(doctor: Doctor, hub: Hub) -> None:
    pull()
    findings = doctor(exit_code=0)
    assert {topic for topic, _ in findings} == {
        "versions",
        "libraries",
        "devices",
        "codecs",
        "cache",
        "Hub",
        "model",
    }
    for finding in findings.values():
        assert finding.keys() == {"schema", "topic", "name", "value", "status", "fix"}
        assert finding["schema"] == 1
        assert finding["value"]
        assert (finding["fix"] is None) == (finding["status"] == "ok")
    assert findings["versions", "torch"]["value"].startswith(torch.__version__.partition("+")[0])
    assert "libsndfile" in findings["versions", "soundfile"]["value"]
    assert "libavcodec" in findings["versions", "av"]["value"]
    assert findings["cache", "folder"]["value"] == str(hub.home / "hub")
    assert findings["Hub", "reachable"]["value"] == f"yes: {hub.endpoint}"
    assert findings["model", "htdemucs"]["value"] == "on this machine"


def test_a_model_that_can_be_fetched_is_a_note(doctor: Doctor, hub: Hub) -> None:
    model = doctor(exit_code=0)["model", "htdemucs"]
    assert (model["status"], model["fix"]) == ("note", "stemsplit models pull htdemucs")
    assert hub.requested_files() == []


def test_offline_asks_nobody(doctor: Doctor, hub: Hub) -> None:
    findings = doctor("--offline", exit_code=1)
    assert findings["Hub", "reachable"]["value"] == "not asked: --offline"
    assert findings["model", "htdemucs"]["status"] == "problem"
    assert hub.requests == []


def test_the_environment_can_say_offline(doctor: Doctor) -> None:
    hub = doctor(exit_code=1)["Hub", "reachable"]
    assert (hub["status"], hub["value"]) == ("ok", "not asked: HF_HUB_OFFLINE is set")


def test_an_unreachable_hub(doctor: Doctor, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    pull()
    hub.refuse_status = 503
    findings = doctor(exit_code=0)
    assert findings["Hub", "reachable"]["status"] == "note"  # the model is here
    assert "503" in findings["Hub", "reachable"]["value"]
    assert findings["Hub", "reachable"]["fix"]
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub.home / "empty"))
    findings = doctor(exit_code=1)
    assert findings["Hub", "reachable"]["status"] == "problem"
    assert "spectral works without" in findings["model", "htdemucs"]["value"]


def test_a_half_downloaded_model(doctor: Doctor, hub: Hub) -> None:
    resolve("htdemucs")  # the bag alone
    hub.forget_requests()
    model = doctor("--offline", exit_code=1)["model", "htdemucs"]
    assert model["status"] == "problem"
    assert hub.requests == []


def test_a_cache_that_cannot_be_written(
    doctor: Doctor, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del hub
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(file / "hub"))
    writable = doctor(exit_code=1)["cache", "writable"]
    assert writable["status"] == "problem"
    assert writable["value"].startswith(f"no: {file}: ")
    assert "HF_HOME" in writable["fix"]


def test_a_read_only_cache_is_a_note_if_the_model_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    # Permissions would not do: the tests may be run by root.
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    for is_needed, status in ((False, "note"), (True, "problem")):
        findings = {f.name: f for f in model_checks.check_cache(tmp_path, is_needed=is_needed)}
        assert findings["writable"].status == status
        assert findings["writable"].value == f"no: {tmp_path}: Read-only file system"


def test_a_full_disk() -> None:
    for free_bytes, is_needed, status in (
        (10**12, True, "ok"),
        (10**8, True, "note"),
        (10**6, False, "note"),
        (10**6, True, "problem"),
    ):
        assert model_checks.check_space(free_bytes, is_needed=is_needed).status == status


def test_the_cache_is_counted_without_links(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "abc").write_bytes(bytes(1000))
    (tmp_path / "link").symlink_to(tmp_path / "blobs" / "abc")
    assert model_checks.size_bytes(tmp_path) == 1000
    assert model_checks.size_bytes(tmp_path / "missing") == 0


@pytest.mark.parametrize(
    ("installed", "status", "value"),
    [
        ("2.9.1+cu128", "ok", "2.9.1+cu128"),
        ("2.3.0", "problem", "2.3.0, but stemsplit needs <2.12,>=2.8"),
        ("2.13.0", "note", "2.13.0, not tried with stemsplit, which declares <2.12,>=2.8"),
        (None, "problem", "not installed"),
    ],
)
def test_a_version_against_what_is_declared(installed: str, status: str, value: str) -> None:
    requirement = Requirement("torch>=2.8,<2.12")
    finding = versions.check_requirement(requirement, installed)
    assert (finding.status, finding.value) == (status, value)
    assert finding.fix == (None if status == "ok" else 'pip install "torch<2.12,>=2.8"')


def test_what_is_declared_is_what_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    required = versions.declared_requirements()
    assert {"torch", "numpy"} < required.keys()
    assert "pytest" not in required  # an extra
    installed = versions.installed_version
    monkeypatch.setattr(
        versions, "installed_version", lambda name: None if name == "mutagen" else installed(name)
    )
    findings = {finding.name: finding for finding in versions.check_versions()}
    assert findings["mutagen"].status == "problem"
    assert "numpy" not in findings  # nothing is wrong with it


def test_a_library_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> None:
        raise OSError(f"lib{name}.so: undefined symbol: _ZN3c10\nand more")

    monkeypatch.setattr("importlib.import_module", load)
    required = versions.declared_requirements()
    library = versions.NATIVE["torchaudio"]
    finding = versions.check_library(library, required["torchaudio"], required)
    assert finding.status == "problem"
    assert finding.value.endswith(
        "it cannot be loaded: libtorchaudio.so: undefined symbol: _ZN3c10"
    )
    assert finding.fix is not None
    assert '"torch<2.12,>=2.8" "torchaudio<2.11.1,>=2.8"' in finding.fix


HOPPER = ("sm_80", "sm_90", "compute_90")


@pytest.mark.parametrize(
    ("capability", "architectures", "support"),
    [
        ((9, 0), HOPPER, "native"),
        ((8, 6), HOPPER, "native"),  # machine code of the same major version
        ((7, 5), HOPPER, "none"),
        ((12, 0), HOPPER, "compiled"),  # PTX
        ((12, 0), ("sm_80", "sm_90"), "none"),
        ((8, 0), ("sm_86",), "none"),
        ((9, 0), ("sm_90a",), "native"),
        ((10, 3), ("sm_100a", "compute_100a"), "none"),
        ((10, 3), ("sm_100f",), "native"),
        ((12, 0), ("sm_100f", "compute_100f"), "none"),
        ((9, 0), (), "none"),
        ((9, 0), ("gfx90a",), "none"),
    ],
)
def test_which_builds_run_on_which_cards(
    capability: tuple[int, int], architectures: tuple[str, ...], support: str
) -> None:
    assert architecture_support(capability, architectures) == support


class FakeCuda:
    """A machine with CUDA devices of these compute capabilities, as torch would report it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *capabilities: tuple[int, int]) -> None:
        self.free_bytes = 20 << 30
        for name, value in {
            "is_available": lambda: True,
            "device_count": lambda: len(capabilities),
            "get_device_capability": lambda index: capabilities[index],
            "get_device_name": lambda index: f"Card {index}",
            "mem_get_info": lambda _: (self.free_bytes, 24 << 30),
            "get_arch_list": lambda: ["sm_80", "sm_90"],
        }.items():
            monkeypatch.setattr(torch.cuda, name, value)
        monkeypatch.setattr(torch.version, "hip", None)
        self.error: str | None = None
        monkeypatch.setattr(devices, "computation_error", lambda _: self.error)


def test_cards_that_torch_is_built_for(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeCuda(monkeypatch, (9, 0), (8, 6))
    first, memory, second, _ = devices.check_cuda()
    assert (first.name, first.status) == ("cuda:0", "ok")
    assert first.value == "Card 0, compute capability 9.0, bf16"
    assert (memory.name, memory.status) == ("cuda:0 memory", "ok")
    assert memory.value == "24 GiB, 20.0 GiB free"
    assert (second.name, second.status) == ("cuda:1", "ok")


def test_a_card_whose_memory_others_use(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeCuda(monkeypatch, (9, 0)).free_bytes = 1 << 30
    _, memory = devices.check_cuda()
    assert (memory.name, memory.status) == ("cuda:0 memory", "note")
    assert memory.value == "24 GiB, 1.0 GiB free; htdemucs takes 1.5 GiB"
    assert "nvidia-smi" in (memory.fix or "")


@pytest.mark.skipif(sys.platform != "linux", reason="where Linux tells")
def test_the_memory_that_a_container_may_have(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(hardware, "_CONTAINER_LIMIT", limit)
    whole = hardware.cpu_memory()
    assert whole is not None
    assert 0 < whole.free_bytes < whole.total_bytes
    for text, total_bytes in (
        ("max\n", whole.total_bytes),
        (f"{1 << 60}\n", whole.total_bytes),
        (f"{1 << 20}\n", 1 << 20),
    ):
        limit.write_text(text)
        memory = hardware.cpu_memory()
        assert memory is not None
        assert memory.total_bytes == total_bytes
        assert 0 < memory.free_bytes <= total_bytes
    small = {finding.name: finding for finding in devices.check_cpu()}["CPU memory"]
    assert (small.status, small.fix) == ("note", "Close other programs.")


def test_a_card_that_torch_is_not_built_for(
    monkeypatch: pytest.MonkeyPatch, doctor: Doctor, hub: Hub
) -> None:
    del hub
    FakeCuda(monkeypatch, (7, 0), (6, 1))
    findings = doctor(exit_code=1)
    first = findings["devices", "cuda:0"]
    assert first["status"] == "problem"
    assert "no bf16" in first["value"]
    assert "not built for (sm_80 sm_90)" in first["value"]
    assert "--device cpu" in first["fix"]
    assert "sm_70" in first["fix"]
    # Nothing takes the second card unless it is asked for.
    assert findings["devices", "cuda:1"]["status"] == "note"


def test_a_card_that_does_not_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeCuda(monkeypatch, (9, 0)).error = "CUDA error: unspecified launch failure"
    (finding,) = devices.check_cuda()
    assert finding.status == "problem"
    assert "unspecified launch failure" in finding.value


def test_the_cpu_computes() -> None:
    assert devices.computation_error(torch.device("cpu")) is None
    assert "meta" in (devices.computation_error(torch.device("meta")) or "")


@pytest.mark.parametrize(
    ("cuda", "visible", "value", "fix"),
    [
        (None, None, "built without CUDA", "builds for CUDA"),
        ("12.8", "-1", "hidden by CUDA_VISIBLE_DEVICES=-1", "Unset"),
        ("12.8", None, "reports: the driver is too old", "Update the driver to one for CUDA 12.8"),
    ],
)
def test_a_card_that_torch_does_not_see(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    cuda: str | None,
    visible: str | None,
    value: str,
    fix: str,
) -> None:
    monkeypatch.setattr(devices, "_NVIDIA_DRIVER", tmp_path)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    finding = devices.missing_cuda("the driver is too old\nsee elsewhere")
    assert finding.status == "note"
    assert value in finding.value
    assert fix in (finding.fix or "")


def test_no_card_is_nothing_to_mend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(devices, "_NVIDIA_DRIVER", tmp_path / "missing")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert devices.missing_cuda("").status == "ok"


def test_threads_that_leave_cores_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.check_threads(8, 16).status == "ok"  # one per real core
    assert devices.check_threads(1, 1).status == "ok"
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    finding = devices.check_threads(1, 16)
    assert finding.status == "note"
    assert finding.fix == "Unset OMP_NUM_THREADS, or use --threads 8."


def test_an_old_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert devices.check_instructions("AVX2").status == "ok"
    assert devices.check_instructions("DEFAULT").status == "note"
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert devices.check_instructions("DEFAULT").status == "ok"


def test_every_encoder_is_tried() -> None:
    assert {encoding.kind for encoding in codecs.every_encoding()} == LIMITS.keys()
    findings = list(codecs.check_codecs())
    assert [finding.value for finding in findings] == ["writes and reads"] * len(LIMITS)


@pytest.mark.parametrize(("kind", "status"), [("mp3", "note"), ("wav", "problem")])
def test_an_encoder_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, kind: Kind, status: str
) -> None:
    def refuse(path: Path, form: StreamFormat) -> encode.Encoder:
        raise OSError(f"no encoder for {form.encoding} in {path.name}")

    monkeypatch.setitem(encode._OPENERS, kind, refuse)
    findings = {finding.name: finding for finding in codecs.check_codecs()}
    broken = findings.pop(LIMITS[kind].title)
    assert broken.status == status
    assert "cannot be written" in broken.value
    assert "no encoder for" in broken.value
    assert broken.fix is not None
    assert {finding.status for finding in findings.values()} == {"ok"}


def test_a_decoder_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from stemsplit.errors import AudioReadError

    def refuse(path: Path) -> Iterator[torch.Tensor]:
        raise AudioReadError(f"{path.name} is not audio that stemsplit can read.")

    monkeypatch.setattr(codecs, "read_blocks", refuse)
    findings = list(codecs.check_codecs())
    assert {finding.status for finding in findings} == {"problem"}
    assert "can be written, but not read" in findings[0].value


def test_a_decoder_that_is_another_than_before(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = tone.tone()
    for found, message in (
        (tried[:, :-100], "4801 samples were written as WAV, 4701 came back"),
        (tried.flip(0), "another sound came back from WAV"),
        (tried * float("nan"), "another sound came back from WAV"),
    ):
        monkeypatch.setattr(codecs, "read_blocks", lambda _, found=found: iter([found]))
        finding = next(codecs.check_codecs())
        assert (finding.status, finding.name) == ("problem", "WAV")
        assert message in finding.value


def test_every_library_does_its_work() -> None:
    findings = {finding.name: finding for finding in libraries.check_libraries()}
    assert {finding.status for finding in findings.values()} == {"ok"}, findings
    assert findings["soundfile"].value == "decodes Ogg Vorbis"
    assert findings["av"].value == "decodes MP3, FLAC, Opus, WAV, AAC, ALAC"
    assert findings.keys() >= {"torchaudio", "mutagen", "torch", "safetensors", "huggingface-hub"}


def test_a_library_that_dropped_an_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_as_it_is_now(*_: object, **__: object) -> object:
        raise TypeError("open() got an unexpected keyword argument 'metadata_errors'")

    monkeypatch.setattr(container.av, "open", open_as_it_is_now)
    finding = libraries.check_work("av")
    assert finding.status == "problem"
    assert "does not do its work: TypeError: open() got an unexpected" in finding.value
    assert finding.fix is not None
    assert "pip install" in finding.fix
    assert "TypeError" in {finding.name: finding for finding in codecs.check_codecs()}["FLAC"].value


@pytest.mark.parametrize(
    ("name", "place", "function"),
    [
        ("soundfile", libraries, "open_sndfile"),
        ("torchaudio", libraries, "resample_blocks"),
        ("mutagen", libraries, "write_tags"),
        ("torch", libraries, "read_tensors"),
        ("safetensors", libraries, "read_tensors"),
        ("pyyaml", libraries, "parse_yaml"),
        ("huggingface-hub", libraries, "fetched_from_loopback"),
    ],
)
def test_a_library_that_has_changed_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, place: object, function: str
) -> None:
    def changed(*_: object, **__: object) -> object:
        raise AttributeError("it is no longer there")

    monkeypatch.setattr(place, function, changed)
    finding = libraries.check_work(name)
    assert finding.status == "problem"
    assert finding.value == "does not do its work: AttributeError: it is no longer there"


def test_a_hub_client_that_cannot_talk_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(hub_trial, "_COMMIT", "../up")
    with pytest.raises(tone.TrialError, match="not one that a Hub gives"):
        hub_trial.fetched_from_loopback(tmp_path)


def test_the_hub_trial_asks_nobody_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    hub_trial.fetched_from_loopback(tmp_path)
    assert list(tmp_path.rglob("trial.yaml"))


def test_one_topic_that_breaks_down_does_not_stop_the_others(
    doctor: Doctor, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    del hub

    def break_down() -> Iterator[Finding]:
        yield Finding(topic="devices", name="CPU", value="one")
        raise RuntimeError("cpuinfo is on fire")

    monkeypatch.setattr(devices, "check_devices", break_down)
    findings = doctor(exit_code=1)
    assert findings["devices", "CPU"]["status"] == "ok"
    broken = findings["devices", "all else"]
    assert broken["status"] == "problem"
    assert "RuntimeError: cpuinfo is on fire" in broken["value"]
    assert ("model", "htdemucs") in findings


def test_a_terminal_of_80_columns_without_colours(
    stemsplit: Stemsplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "word " * 30
    findings = [
        Finding(
            topic="devices", name="cuda:0", value=long, status="problem", fix=f"mend [b] {long}"
        ),
        Finding(topic="devices", name="CPU", value="\x1b[31mred\nalert"),
    ]
    monkeypatch.setattr(doctor_command, "examine", lambda **_: iter(findings))
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "80")
    result = stemsplit("doctor")
    lines = result.stdout.splitlines()
    assert result.exit_code == 1
    assert len(lines) > 6
    assert max(map(len, lines)) <= 80
    assert lines[0] == "devices"
    assert lines[1].startswith("  problem  cuda:0           word word")
    assert sum("Fix: mend [b] word" in line for line in lines) == 1
    assert lines[-1] == r"  ok       CPU              \x1b[31mred\nalert"
    assert "1 problem, 0 notes." in result.stderr


def test_a_pipe_gets_whole_lines(stemsplit: Stemsplit, monkeypatch: pytest.MonkeyPatch) -> None:
    long = "word " * 30
    findings = [Finding(topic="cache", name="folder", value=long, status="note", fix=long)]
    monkeypatch.setattr(doctor_command, "examine", lambda **_: iter(findings))
    result = stemsplit("doctor")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 3
    assert "0 problems, 1 note." in result.stderr

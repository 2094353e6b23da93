"""Pages in a real browser, opened from a disk: they play, in step, and do what they say."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stemsplit.report.build import make_pages
from tests.audio.songs import Samples, tone, write_sndfile
from tests.report.browser import Browser
from tests.report.tracks import SAMPLE_RATE, clicks, read_track, write_track

NAMES = ("drums", "bass", "vocals")
GAINS = {"drums": 0.6, "bass": 0.5, "vocals": 0.4}
SECONDS = 4.0
QUANTUM = 128
"""What an AudioContext renders at once, in frames."""


def make_page(folder: Path, *, embed: bool, models: tuple[str, ...] = ("one",)) -> Path:
    """The page of a song of clicks whose stems were made by several models."""
    original = folder / "song.wav"
    write_sndfile(original, clicks(SECONDS, gain=0.9))
    stems: Mapping[str, Samples] = {name: clicks(SECONDS, gain=GAINS[name]) for name in NAMES}
    files = [write_track(folder / "out" / model / "song", stems, original) for model in models]
    results = list(make_pages([read_track(file) for file in files], embed=embed))
    assert [result.error for result in results] == [None] * len(models)
    return files[0].with_name("report.html")


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page that holds all sounds of two models."""
    return make_page(tmp_path_factory.mktemp("carried"), embed=True, models=("one", "two"))


@pytest.fixture(scope="module")
def referring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page that plays the files beside it, in a folder whose name must be escaped."""
    return make_page(tmp_path_factory.mktemp("a#b %20é"), embed=False)


# Records what leaves the gain of each lane, all of them at the same time of the same clock.
TAPS = """
const context = engine.context;
const merger = context.createChannelMerger(lanes.length);
engine.tracks.forEach((track, index) => {
  const splitter = context.createChannelSplitter(2);
  track.out.connect(splitter);
  splitter.connect(merger, 0, index);
});
const recorder = context.createScriptProcessor(4096, lanes.length, 1);
const blocks = [];
recorder.onaudioprocess = ({ inputBuffer }) =>
  blocks.push(lanes.map((_, lane) => inputBuffer.getChannelData(lane).slice()));
merger.connect(recorder);
recorder.connect(context.destination);
await until(() => blocks.length * 4096 > arguments[0] * context.sampleRate);
recorder.disconnect();
merger.disconnect();
const samples = Int16Array.from(blocks.flat().flatMap((block) => [...block]), (x) => 32767 * x);
let text = "";
for (const byte of new Uint8Array(samples.buffer)) text += String.fromCharCode(byte);
return btoa(text);
"""


def record_lanes(browser: Browser, seconds: float) -> NDArray[np.float64]:
    """What each lane [lanes, T] puts out from now on."""
    samples = np.frombuffer(base64.b64decode(browser.run(TAPS, seconds)), "<i2") / 32767
    num_lanes = browser.run("return lanes.length")
    return samples.reshape(-1, num_lanes, 4096).swapaxes(0, 1).reshape(num_lanes, -1)


def click_times(samples: NDArray[np.float64]) -> list[int]:
    """Where clicks are, in frames: the highest sample of each stretch that is loud."""
    loud = np.flatnonzero(np.abs(samples) > 0.3 * np.abs(samples).max(initial=1e-9))
    groups = np.split(loud, np.flatnonzero(np.diff(loud) > 2000) + 1)
    return [int(g[np.abs(samples[g]).argmax()]) for g in groups if len(g)]


def test_carried_stems_are_in_step_to_the_sample(browser: Browser, carried: Path) -> None:
    browser.open(carried)
    browser.run("await ready; setLoop(0, song.duration); await play()")
    assert browser.run("return engine.constructor.name") == "BufferEngine"
    # As played, after a jump, in a loop, and with a stem that was decoded while it played.
    for action in (
        "",
        "seek(1.03)",
        "setLoop(0.4, 1.13)",
        "choose(stems[1], stems[1].lanes[1])",
    ):
        browser.run(f"{action}; await sleep(0.3)")
        lanes = record_lanes(browser, 1.0)
        heard = browser.run("return lanes.map((lane) => gainFor(lane) > 0)")
        times = [click_times(lane) for lane, audible in zip(lanes, heard, strict=True) if audible]
        assert len(times) == len(NAMES)
        assert len(times[0]) >= 3
        assert all(other == times[0] for other in times[1:]), action
    assert all("ScriptProcessor" in line for line in browser.console())


def test_a_loop_of_carried_stems_has_no_gap(browser: Browser, carried: Path) -> None:
    browser.open(carried)
    # From one click to just before another one, three quarters of a second later.
    browser.run("await ready; setLoop(0.5, 1.25); seek(0.5); await play(); await sleep(0.3)")
    (_, drums, *_) = record_lanes(browser, 2.5)
    steps = np.diff(click_times(drums)) / browser.run("return engine.context.sampleRate")
    # A gap makes a step longer. Shorter ones are blocks that the recording lost on a busy machine.
    assert (steps - 0.25).max() < 1e-3
    assert np.median(np.abs(steps - 0.25)) < 1e-3
    assert 0.5 <= browser.run("return engine.position") <= 1.25


def test_stems_in_files_are_in_step_within_a_quantum(browser: Browser, referring: Path) -> None:
    browser.open(referring)
    browser.run("await ready; setLoop(0, song.duration); await play()")
    assert browser.run("return engine.constructor.name") == "FileEngine"
    slips = f"""
    const first = engine.tracks[0];
    const times = engine.tracks.map((track) => engine._time(track) - engine._time(first));
    return times.map((time) => Math.round(time * {SAMPLE_RATE}));
    """
    in_step = f"(() => {{ {slips} }})().every((slip) => Math.abs(slip) <= {QUANTUM})"
    for action in ("", "seek(1.03)", "hear('original')", "hear('stems')", "seek(0.5)"):
        # A block may be late after a start, and is caught up with within a second or two.
        browser.run(f"{action}; await sleep(0.1); await until(() => !engine.starting && {in_step})")
        browser.run("await sleep(0.3)")
        seen = [browser.run(slips) for _ in range(9)]
        assert np.abs(np.median(seen, axis=0)).max() <= QUANTUM, (action, seen)
        assert browser.run("return engine.tracks.every(({ element }) => !element.paused)")
    assert browser.console() == []


def test_files_that_start_apart_are_brought_together(browser: Browser, referring: Path) -> None:
    browser.open(referring)
    browser.run("await ready; setLoop(0, song.duration); await play(); await sleep(0.3)")
    # Late, as after a hiccup of the disk.
    browser.run("engine.tracks[2].element.pause(); await sleep(0.04)")
    browser.run("await engine.tracks[2].element.play()")
    browser.run(
        "const [first, , late] = engine.tracks;"
        "const slip = () => Math.abs(engine._time(late) - engine._time(first));"
        f"const inStep = () => !late.nudged && slip() < {QUANTUM / SAMPLE_RATE};"
        "await until(() => !engine.starting && inStep(), 30)"
    )


def test_solo_mute_and_level_of_what_is_heard(browser: Browser, carried: Path) -> None:
    browser.open(carried)
    browser.run("await ready; setLoop(0, song.duration); await play()")

    def peaks(action: str) -> list[float]:
        browser.run(f"{action}; await sleep(0.3)")
        loudest = np.abs(record_lanes(browser, 0.6)).max(axis=1)
        lanes = browser.run("return lanes.map((lane) => [lane.stem, lane.model])")
        by_lane = dict(zip(map(tuple, lanes), loudest, strict=True))
        assert max(by_lane[name, "two"] for name in NAMES) < 1e-3  # not chosen
        return [by_lane[None, None], *(by_lane[name, "one"] for name in NAMES)]

    everything = [0.0, *GAINS.values()]
    assert peaks("") == pytest.approx(everything, abs=0.03)
    assert peaks("solo(stems[1])") == pytest.approx([0, 0, 0.5, 0], abs=0.03)
    assert peaks("solo(stems[2])") == pytest.approx([0, 0, 0.5, 0.4], abs=0.03)
    assert peaks("mute(stems[1])") == pytest.approx([0, 0, 0, 0.4], abs=0.03)
    assert peaks("clearSolosAndMutes()") == pytest.approx(everything, abs=0.03)
    quieter = "const slider = stems[0].section.querySelector('input[type=range]');"
    quieter += "slider.value = -20; slider.dispatchEvent(new Event('input'))"
    assert peaks(quieter) == pytest.approx([0, 0.06, 0.5, 0.4], abs=0.03)
    assert peaks("hear('original')") == pytest.approx([0.9, 0, 0, 0], abs=0.03)


def test_solo_and_mute_of_files(browser: Browser, referring: Path) -> None:
    browser.open(referring)
    volumes = "return engine.tracks.map(({ element }) => Math.round(element.volume * 1000) / 1000)"
    assert browser.run(f"await ready; {volumes}") == [0, 1, 1, 1]
    assert browser.run(f"solo(stems[0]); {volumes}") == [0, 1, 0, 0]
    assert browser.run(f"mute(stems[0]); {volumes}") == [0, 0, 0, 0]
    assert browser.run(f"hear('original'); {volumes}") == [1, 0, 0, 0]
    # Never 0: Chromium would play such an element by another clock.
    assert browser.run("return engine.tracks.every(({ element }) => element.volume > 0)")


@pytest.mark.parametrize("kind", ["carried", "referring"])
def test_keys(browser: Browser, request: pytest.FixtureRequest, kind: str) -> None:
    browser.open(request.getfixturevalue(kind))
    browser.run("await ready")
    browser.press(" ")
    browser.run("await until(() => engine.playing && engine.position > 0.2)")
    assert browser.run("return document.getElementById('play').textContent") == "Pause"
    browser.press(" ")
    browser.run("await until(() => !engine.playing)")
    position = "return Math.round(engine.position * 1000) / 1000"
    stopped = browser.run(position)
    assert browser.run(f"await sleep(0.2); {position}") == stopped > 0.2

    browser.press("\ue012")  # left
    assert browser.run(position) == 0
    browser.press("\ue014")  # right, 5 seconds: to the end
    assert browser.run(position) == SECONDS
    browser.press("\ue011")  # home
    assert browser.run(position) == 0
    browser.run("seek(1)")
    browser.press("[")
    browser.run("seek(2.5)")
    browser.press("]")
    assert browser.run("return loopOf()") == {"start": 1, "end": 2.5}
    assert browser.run("return !document.getElementById('region').hidden")
    browser.press("\ue011")
    assert browser.run(position) == 1
    browser.press("l")
    assert browser.run("return loopOf()") is None

    browser.press("2")
    assert browser.run("return stems.map(isHeard)") == [False, True, False]
    browser.press("3", shift=True)
    assert browser.run("return stems.map(({ mute }) => mute)") == [False, False, True]
    browser.press("0")
    assert browser.run("return stems.map(isHeard)") == [True, True, True]
    browser.press("o")
    assert browser.run("return state.side") == "original"
    browser.press("o", "v")
    assert browser.run("return document.getElementById('board').dataset.view") == "waves"
    browser.press("+", "+", "-")
    assert browser.run("return state.zoom") == 2
    assert browser.console() == []


def test_mouse(browser: Browser, carried: Path) -> None:
    browser.open(carried)
    browser.resize(1280, 1000)
    browser.run("await ready")
    browser.click(".lane:nth-child(1) .pictures")  # in the middle
    assert browser.run("return engine.position") == pytest.approx(SECONDS / 2, abs=0.05)
    browser.drag("#ruler", 0.25, 0.75)
    loop = browser.run("return loopOf()")
    assert loop["start"] == pytest.approx(0.25 * SECONDS, abs=0.05)
    assert loop["end"] == pytest.approx(0.75 * SECONDS, abs=0.05)
    assert browser.run("return engine.position") == pytest.approx(loop["start"], abs=0.01)
    browser.click("#play")
    browser.run("await until(() => engine.playing)")
    browser.click("#play")
    browser.click("#side [data-side=original]")
    assert browser.run("return state.side") == "original"
    browser.run("seek(1)")
    playhead = browser.run(
        "const at = (id) => document.getElementById(id).getBoundingClientRect();"
        "return (at('playhead').left + 1 - at('ruler').left) / at('ruler').width"
    )
    assert playhead == pytest.approx(1 / SECONDS, abs=0.005)


def test_models_are_switched_where_the_song_is(browser: Browser, carried: Path) -> None:
    browser.open(carried)
    browser.run("await ready; setLoop(0.4, 3); await play()")
    browser.run("await until(() => engine.position > 0.4)")
    chosen = "return stems.map(({ chosen }) => chosen.model)"
    browser.press("m")
    assert browser.run(chosen) == ["two", "two", "two"]
    browser.run("stems[0].lanes[0].radio.click()")
    assert browser.run(chosen) == ["one", "two", "two"]
    assert browser.run("return engine.playing && engine.position") > 0.4
    browser.click("#models [value=one]")
    assert browser.run(chosen) == ["one", "one", "one"]
    browser.run("pause()")


@pytest.mark.parametrize("kind", ["carried", "referring"])
def test_the_end_stops_and_rewinds(
    browser: Browser, request: pytest.FixtureRequest, kind: str
) -> None:
    browser.open(request.getfixturevalue(kind))
    browser.run("await ready; seek(song.duration - 0.3); await play()")
    browser.run("await until(() => !engine.playing && engine.position === 0)")
    assert browser.run("return document.getElementById('play').textContent") == "Play"


def test_a_file_that_is_gone_is_said_and_the_others_play(browser: Browser, tmp_path: Path) -> None:
    page = make_page(tmp_path, embed=False)
    page.with_name("bass.wav").unlink()
    browser.open(page)
    browser.run("await ready; await play(); await until(() => engine.position > 0.2)")
    assert browser.run("return lanes.map(({ broken }) => broken)") == [False, False, True, False]
    assert "bass.wav" in browser.run("return document.getElementById('status').textContent")


def test_pictures_and_names_for_all_senses(browser: Browser, carried: Path) -> None:
    browser.open(carried)
    sizes = browser.run(
        "return Promise.all(lanes.map(async ({ spectrogram }) => {"
        "  const picture = new Image();"
        "  picture.src = `data:image/png;base64,${spectrogram}`;"
        "  await picture.decode();"
        "  return [picture.naturalWidth, picture.naturalHeight];"
        "}))"
    )
    assert sizes == [[800, 128]] * 7
    assert browser.run("return document.querySelectorAll('.wave path').length") == 7
    nameless = browser.run(
        "return [...document.querySelectorAll('button, input, [role=group]')].filter((control) =>"
        "  !control.textContent && !control.getAttribute('aria-label') &&"
        "  !(control.labels && control.labels.length)).map((control) => control.outerHTML)"
    )
    assert nameless == []
    # Every control can be reached by keyboard, and shows that it has the focus.
    outline = browser.run(
        "const button = document.getElementById('play'); button.focus({ focusVisible: true });"
        "return getComputedStyle(button).outlineStyle"
    )
    assert outline == "solid"


@pytest.mark.parametrize("width", [375, 1280])
def test_nothing_sticks_out_on_a_phone_or_a_desk(
    browser: Browser, carried: Path, width: int
) -> None:
    browser.open(carried)
    browser.resize(width, 812)
    browser.run("await ready; await sleep(0.2)")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    small = browser.run(
        "return [...document.querySelectorAll('button')].filter((button) => button.offsetWidth &&"
        "  (button.offsetHeight < 24 || button.offsetWidth < 24)).map((button) => button.id)"
    )
    assert small == []  # WCAG 2.2, 2.5.8: targets of at least 24 by 24 pixels
    assert len(browser.picture()) > 10_000
    browser.resize(1280, 1000)


HOSTILE = "</script><img src=x onerror=\"document.title='owned'\"><!--"


def test_hostile_names_stay_text(browser: Browser, tmp_path: Path) -> None:
    stem = "<b onclick=x>"
    stems = {stem: tone(20_000), "vocals": tone(20_000)}
    changes = {
        "input": {"path": f"/music/{HOSTILE.replace('/', '_')}.mp3"},
        "model": {"name": HOSTILE, "origin": HOSTILE, "revision": HOSTILE, "licence": HOSTILE},
        "device": HOSTILE,
        "warnings": [HOSTILE],
        "checks": {"suspicions": [HOSTILE], "correlation": {HOSTILE: 0.5}},
    }
    file = write_track(tmp_path / "out" / "one" / "song", stems, **changes)
    (result,) = make_pages([read_track(file)], embed=True)
    assert result.error is None
    browser.open(file.with_name("report.html"))
    browser.run("await ready; await play(); await until(() => engine.position > 0.1); pause()")
    assert browser.run("return document.querySelectorAll('img').length") == 0
    assert "owned" not in browser.run("return document.title").split("onerror")[0]
    assert browser.run("return document.querySelector('.suspicion li').textContent") == HOSTILE
    assert browser.run("return document.querySelectorAll('h3')[0].textContent") == stem
    assert browser.console() == []


def test_the_page_may_not_reach_the_network_or_run_more(browser: Browser, carried: Path) -> None:
    browser.open(carried)
    blocked = browser.run(
        "const seen = [];"
        "document.addEventListener('securitypolicyviolation', (event) =>"
        "  seen.push(event.effectiveDirective));"
        "await fetch('http://127.0.0.1:9/').catch(() => {});"
        "new Image().src = 'http://127.0.0.1:9/x.png';"
        "document.body.append(Object.assign(document.createElement('script'),"
        "  { textContent: 'window.ran = true' }));"
        "document.body.insertAdjacentHTML('beforeend', '<i onclick=\"window.ran = true\">x</i>');"
        "document.body.lastChild.click();"
        "await until(() => seen.length >= 4);"
        "return [seen.sort(), window.ran === undefined]"
    )
    assert blocked == [["connect-src", "img-src", "script-src-attr", "script-src-elem"], True]

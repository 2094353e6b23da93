"use strict";

// For pages that refer to files: one media element per lane. A page from a disk may play other
// files but not read them, so they cannot simply be decoded.
//
// Elements that start in the same turn of the event loop start with the same block of samples, or a
// block or two apart if the sound card asks for one just then.
//
// In Chromium `currentTime` shows that difference to a few samples, and a short change of speed
// undoes it. Measured by recording what it played: 0 samples apart after most starts, 1024 to 3072
// after others, and then 0 to 15 within a second.
//
// In Firefox `currentTime` is off by milliseconds, but files may go through an AudioContext, which
// moves them all by one clock. Measured in the same way, on a busy machine: 0 samples apart after 88
// starts of 90, and 768 and 896 after the others. Without the time to settle it was one of ten, and
// without the context up to 80 ms.

const SLIP_SECONDS = 0.001; // a difference worth undoing; 128 frames are 0.0029 at 44.1 kHz
const NUDGE_SECONDS = 0.4;
const SILENT_VOLUME = 1e-6; // -120 dB; see FileEngine.setGain
const SETTLE_MS = 150; // so that all decoders of Firefox have something in hand
const STALL_SECONDS = 0.15;

class FileEngine {
  constructor(lanes, duration, onTrouble) {
    this.duration = duration;
    this.playing = false;
    this.loop = null;
    this.onTrouble = onTrouble;
    this.context = null;
    this.at = 0;
    this.starting = false;
    this.rescued = 0; // when a lane that had stalled was last helped up
    this.turn = 0; // numbers the starts, so that one that was overtaken gives up
    this.tracks = lanes.map((lane) => ({
      lane, gain: 1, element: new Audio(), out: null, usable: false, slips: [], nudged: false,
    }));
  }

  async prepare() {
    await Promise.all(this.tracks.map((track) => this._load(track)));
    const file = this._usable().find(({ lane }) => !lane.bytes);
    this.readable = file !== undefined && (await isReadable(file.element.src));
    setInterval(() => this._watch(), 25);
  }

  get position() {
    const master = this._usable()[0];
    if (!this.playing || this.starting || !master) return this.at;
    return Math.max(0, Math.min(this._time(master), this.duration));
  }

  async play() {
    this.playing = true;
    if (this.readable) this._connect();
    await this._start(this._within(this.at));
  }

  pause() {
    this.at = this.position;
    this.playing = false;
    this.turn += 1;
    this.starting = false;
    for (const track of this._usable()) track.element.pause();
  }

  seek(seconds) {
    this.at = seconds;
    if (this.playing) this._start(this._within(seconds));
  }

  setLoop(loop) {
    this.loop = loop;
    if (this.playing && this._within(this.position) !== this.position) this._start(loop.start);
  }

  // A volume of 0 would let Chromium play the element by another clock.
  setGain(lane, gain) {
    const track = this.tracks[lane.index];
    track.gain = gain;
    if (track.out) track.out.gain.setTargetAtTime(gain, this.context.currentTime, RAMP_SECONDS);
    else track.element.volume = Math.max(SILENT_VOLUME, Math.min(1, gain));
  }

  _usable() {
    return this.tracks.filter((track) => track.usable);
  }

  async _load(track) {
    const { lane, element } = track;
    const blob = lane.bytes && new Blob([lane.bytes()], { type: lane.mime });
    const addresses = blob ? [URL.createObjectURL(blob)] : lane.files;
    element.preload = "auto";
    element.preservesPitch = false; // changes of speed are tiny, and plain resampling is exact
    for (const address of addresses) {
      element.src = address;
      if (await settled(element, "loadeddata")) {
        track.usable = true;
        return;
      }
    }
    this.onTrouble(lane, "the file is not there, or this browser cannot play it");
  }

  _connect() {
    if (!this.context) {
      this.context = new AudioContext();
      for (const track of this._usable()) {
        track.out = this.context.createGain();
        track.out.gain.value = track.gain;
        track.element.volume = 1;
        this.context.createMediaElementSource(track.element).connect(track.out);
        track.out.connect(this.context.destination);
      }
    }
    return this.context.resume();
  }

  async _start(seconds) {
    const turn = ++this.turn;
    this.at = seconds;
    this.starting = true;
    const tracks = this._usable();
    for (const { element } of tracks) {
      element.pause();
      element.playbackRate = 1;
    }
    await Promise.all(tracks.map(({ element, lane }) => {
      element.currentTime = seconds + lane.offset;
      return settled(element, "seeked");
    }));
    if (this.context) {
      await this.context.resume();
      await new Promise((resolve) => { setTimeout(resolve, SETTLE_MS); });
    }
    if (turn !== this.turn) return;
    for (const track of tracks) track.slips = [];
    // No `await` between these: all start in this turn of the event loop.
    await Promise.allSettled(tracks.map(({ element }) => element.play()));
    if (turn === this.turn) this.starting = false;
  }

  _within(seconds) {
    return this.loop && seconds >= this.loop.end ? this.loop.start : seconds;
  }

  _time({ element, lane }) {
    return element.currentTime - lane.offset;
  }

  _watch() {
    if (!this.playing || this.starting) return;
    const [master, ...others] = this._usable();
    if (!master) return;
    if (this.loop && this._time(master) >= this.loop.end) {
      this._start(this.loop.start);
      return;
    }
    if (this.context) return; // one clock
    for (const track of others) this._align(track, master);
  }

  // Three looks that agree tell a true difference from one that was seen at a bad moment. It is
  // undone within a fixed time, because a speed holds for whole blocks of some 20 ms: the smaller
  // the change, the smaller what is left.
  _align(track, master) {
    if (track.nudged || track.element.ended || master.element.ended) return;
    track.slips.push(this._time(track) - this._time(master));
    if (track.slips.length < 3) return;
    const [low, slip, high] = track.slips.sort((a, b) => a - b);
    track.slips = [];
    if (high - low > SLIP_SECONDS || Math.abs(slip) < SLIP_SECONDS) return;
    if (Math.abs(slip) > STALL_SECONDS) {
      if (performance.now() - this.rescued < 3000) return;
      this.rescued = performance.now();
      this._start(this.position);
      return;
    }
    track.nudged = true;
    track.element.playbackRate = 1 - slip / NUDGE_SECONDS;
    setTimeout(() => {
      track.element.playbackRate = 1;
      // What was asked for is heard after the blocks that are on their way.
      setTimeout(() => { track.nudged = false; }, 100);
    }, 1000 * NUDGE_SECONDS);
  }
}

// Whether an AudioContext would hear the file. In Chromium it would hear silence, and the same rule
// makes captureStream fail.
async function isReadable(address) {
  const probe = new Audio(address);
  const capture = probe.captureStream || probe.mozCaptureStream;
  if (!capture || !(await settled(probe, "loadedmetadata"))) return false;
  try {
    capture.call(probe).getTracks().forEach((track) => track.stop());
    return true;
  } catch {
    return false;
  } finally {
    probe.removeAttribute("src");
    probe.load();
  }
}

// Resolves when the event has come: true, or false if the element failed instead.
function settled(element, event) {
  return new Promise((resolve) => {
    const done = (result) => () => {
      element.removeEventListener(event, good);
      element.removeEventListener("error", bad);
      resolve(result);
    };
    const good = done(true);
    const bad = done(false);
    element.addEventListener(event, good);
    element.addEventListener("error", bad);
  });
}

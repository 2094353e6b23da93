"use strict";

// Two ways to play many sounds as one, with the same face:
//
//   await prepare(lanes)   resolves when these can be played
//   await play(), pause(), seek(seconds), setLoop({start, end} or null), setGain(lane, gain)
//   position, playing      seconds since the start of the page's stretch, and whether it is running
//
// A lane is {index, bytes() or null, mime, files, offset}; offset is where the page's stretch begins
// in the file, in seconds. onTrouble(lane, message) is called for one that cannot be played.

const RAMP_SECONDS = 0.008; // no click when a gain changes
const LEAD_SECONDS = 0.03; // from "start" to the first sample, so that no node comes too late

// For pages that carry all their sounds: lanes are decoded into memory and started at the same
// sample of the same clock, so that they cannot drift apart.
class BufferEngine {
  constructor(lanes, duration, onTrouble) {
    this.duration = duration;
    this.playing = false;
    this.loop = null; // in frames, as all times in here
    this.onTrouble = onTrouble;
    this.rate = 48000;
    this.context = null; // a browser wants a click or a key before it lets one sound
    this.frame = 0; // what is heard at `when`, or where we stand
    this.when = 0;
    this.tracks = lanes.map((lane) => ({
      lane, gain: 1, buffer: null, decoding: null, node: null, out: null,
    }));
  }

  async prepare(lanes) {
    await Promise.all(lanes.map((lane) => this._decode(this.tracks[lane.index])));
  }

  get position() {
    const latency = this.context ? this.context.outputLatency || 0 : 0;
    return Math.min(this._frameAt(this._now() - latency * this.rate) / this.rate, this.duration);
  }

  async play() {
    this._connect();
    await this.context.resume();
    this.playing = true;
    this._start(() => this.frame);
  }

  pause() {
    this.frame = Math.round(this.position * this.rate);
    this.playing = false;
    for (const track of this.tracks) this._stop(track, 0);
  }

  seek(seconds) {
    const frame = Math.round(seconds * this.rate);
    if (this.playing) this._start(() => frame);
    else this.frame = frame;
  }

  // While it plays, what is heard goes on without a gap.
  setLoop(loop) {
    const before = { frame: this.frame, when: this.when, loop: this.loop };
    const frames = (seconds) => Math.round(seconds * this.rate);
    this.loop = loop && { start: frames(loop.start), end: frames(loop.end) };
    if (this.playing) this._start((when) => frameAt(before, when));
  }

  // A lane that is not decoded yet comes in when it is.
  setGain(lane, gain) {
    const track = this.tracks[lane.index];
    track.gain = gain;
    if (track.out) track.out.gain.setTargetAtTime(gain, this.context.currentTime, RAMP_SECONDS);
    if (gain > 0) this._decode(track);
  }

  _decode(track) {
    track.decoding = track.decoding || this._load(track);
    return track.decoding;
  }

  async _load(track) {
    try {
      // Needs no context that may sound, and brings every lane to the same rate.
      const decoder = new OfflineAudioContext(2, 1, this.rate);
      track.buffer = await decoder.decodeAudioData(track.lane.bytes().buffer);
    } catch (error) {
      this.onTrouble(track.lane, `this browser cannot decode it (${error.name})`);
      return;
    }
    if (!this.playing) return;
    const when = this._soon();
    this._startTrack(track, when, this._frameAt(when));
  }

  _connect() {
    if (this.context) return;
    this.context = new AudioContext({ sampleRate: this.rate });
    for (const track of this.tracks) {
      track.out = this.context.createGain();
      track.out.gain.value = track.gain;
      track.out.connect(this.context.destination);
    }
  }

  // All nodes get the same whole numbers of frames, and so the same sample to begin with.
  _start(frameFor) {
    const when = this._soon();
    let frame = frameFor(when);
    if (this.loop && frame >= this.loop.end) frame = this.loop.start;
    for (const track of this.tracks) {
      this._stop(track, when);
      this._startTrack(track, when, frame);
    }
    this.frame = frame;
    this.when = when;
  }

  _startTrack(track, when, frame) {
    if (!track.buffer) return;
    const node = this.context.createBufferSource();
    node.buffer = track.buffer;
    if (this.loop) {
      node.loop = true;
      node.loopStart = this.loop.start / this.rate;
      node.loopEnd = this.loop.end / this.rate;
    }
    node.connect(track.out);
    node.start(when / this.rate, frame / this.rate);
    track.node = node;
  }

  _stop(track, when) {
    if (track.node) track.node.stop(when / this.rate);
    track.node = null;
  }

  _soon() {
    return Math.ceil((this.context.currentTime + LEAD_SECONDS) * this.rate);
  }

  _now() {
    return this.context ? this.context.currentTime * this.rate : 0;
  }

  _frameAt(now) {
    return this.playing ? frameAt(this, now) : this.frame;
  }
}

// Which frame of the song is heard at frame `now` of the clock.
function frameAt({ frame, when, loop }, now) {
  const next = frame + Math.max(0, now - when);
  if (!loop || next < loop.end) return next;
  return loop.start + ((next - loop.start) % (loop.end - loop.start));
}

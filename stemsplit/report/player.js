"use strict";

// What is heard, and when. The page's data is in the element #song; nothing else is read, and nothing
// is sent.

const MIN_LOOP_SECONDS = 0.05;

const $ = (id) => document.getElementById(id);
const song = JSON.parse($("song").textContent);
$("song").remove();

// Once: the text is a third larger than the sound, and is not needed again.
function takeBytes() {
  const bytes = bytesOf(this.audio);
  this.audio = null;
  return bytes;
}

const gainOf = (value) => (value <= -40 ? 0 : 10 ** (value / 20));

// A stem (one name, perhaps several models) has the controls; each of its lanes is one sound.
const state = { side: "stems", loop: null, loopOn: false, zoom: 1, volume: 0 };
const lanes = song.lanes.map((data, index) => ({
  ...data,
  index,
  bytes: data.audio === null ? null : takeBytes,
  broken: false,
}));
const original = lanes.find((lane) => lane.stem === null) || null;
const stemNames = new Set(lanes.filter((lane) => lane !== original).map((lane) => lane.stem));
const stems = [...stemNames].map((name) => {
  const own = lanes.filter((lane) => lane.stem === name);
  return { name, lanes: own, chosen: own[0], solo: false, mute: own[0].isMix, level: 0 };
});

const Engine = lanes.every((lane) => lane.bytes) ? BufferEngine : FileEngine;
const engine = new Engine(lanes, song.duration, (lane, message) => {
  lane.broken = true;
  say(`${lane.name}: ${message}.`);
  lane.panel.append(element("small", { textContent: `Not played: ${message}.` }));
  if (lane === original) $("side").querySelector("[data-side=original]").disabled = true;
});

// --- What is heard ---

function isHeard(stem) {
  const anySolo = stems.some(({ solo }) => solo);
  return !stem.mute && (!anySolo || stem.solo);
}

function gainFor(lane) {
  const volume = gainOf(state.volume) * 10 ** (lane.gainDb / 20);
  if (lane === original) return state.side === "original" ? volume : 0;
  const stem = stems.find(({ name }) => name === lane.stem);
  if (state.side !== "stems" || stem.chosen !== lane || !isHeard(stem)) return 0;
  return volume * gainOf(stem.level);
}

function apply() {
  for (const lane of lanes) engine.setGain(lane, gainFor(lane));
  for (const stem of stems) {
    stem.section.classList.toggle("off", state.side !== "stems" || !isHeard(stem));
    press(stem.soloButton, stem.solo);
    press(stem.muteButton, stem.mute);
    for (const lane of stem.lanes) {
      lane.row.classList.toggle("idle", stem.chosen !== lane);
      if (lane.radio) lane.radio.checked = stem.chosen === lane;
    }
  }
  if (original) original.section.classList.toggle("off", state.side !== "original");
  for (const button of $("side").children) press(button, button.dataset.side === state.side);
  for (const button of $("models").children) {
    const model = button.value;
    press(button, stems.every((stem) => !hasModel(stem, model) || stem.chosen.model === model));
  }
}

const press = (button, on) => button.setAttribute("aria-pressed", String(on));
const hasModel = (stem, model) => stem.lanes.some((lane) => lane.model === model);

function say(message) {
  $("status").textContent = message;
}

function solo(stem) {
  stem.solo = !stem.solo;
  apply();
  say(stem.solo ? `${stem.name}: solo` : `${stem.name}: no solo`);
}

function mute(stem) {
  stem.mute = !stem.mute;
  apply();
  say(stem.mute ? `${stem.name}: muted` : `${stem.name}: heard`);
}

function clearSolosAndMutes() {
  for (const stem of stems) stem.solo = stem.mute = false;
  apply();
  say("All stems are heard");
}

function hear(side) {
  if (side === "original" && (!original || original.broken)) {
    say("The original is not on this page");
    return;
  }
  state.side = side;
  apply();
  say(side === "original" ? "You hear the original" : "You hear the stems");
}

function choose(stem, lane) {
  stem.chosen = lane;
  apply();
}

function chooseModel(model) {
  for (const stem of stems) {
    stem.chosen = stem.lanes.find((lane) => lane.model === model) || stem.chosen;
  }
  apply();
  say(`All stems from ${model}`);
}

function chooseNextModel() {
  if (song.models.length < 2) return;
  const current = song.models.findIndex((model) => stems.some((stem) => stem.chosen.model === model));
  chooseModel(song.models[(current + 1) % song.models.length]);
}

// --- Time ---

let ready = null; // the promise of what is heard first

async function play() {
  $("play").textContent = "Pause";
  await ready;
  await engine.play();
  follow();
}

// Other models' stems are decoded when they are chosen.
async function prepare() {
  say("Loading…");
  await engine.prepare(lanes.filter((lane) => lane === original || gainFor(lane) > 0));
  if ($("status").textContent === "Loading…") say("");
}

function pause() {
  engine.pause();
  $("play").textContent = "Play";
  show();
}

const toggle = () => (engine.playing ? pause() : play());

function seek(seconds) {
  engine.seek(clamp(seconds, 0, song.duration));
  show();
}

const loopOf = () => (state.loopOn ? state.loop : null);

function setLoop(start, end) {
  const [first, last] = [start, end].map((t) => clamp(t, 0, song.duration)).sort((a, b) => a - b);
  if (last - first < MIN_LOOP_SECONDS) return;
  state.loop = { start: first, end: last };
  state.loopOn = true;
  showLoop();
  say(`Loop from ${clock(first)} to ${clock(last)}`);
}

function toggleLoop() {
  state.loop = state.loop || { start: 0, end: song.duration };
  state.loopOn = !state.loopOn;
  showLoop();
  say(state.loopOn ? `Loop from ${clock(state.loop.start)} to ${clock(state.loop.end)}` : "No loop");
}

function showLoop() {
  engine.setLoop(loopOf());
  press($("loop"), state.loopOn);
  $("region").hidden = !state.loopOn;
  if (state.loop) {
    const { start, end } = state.loop;
    $("region").style.left = `calc(var(--side) + ${start / song.duration} * var(--time))`;
    $("region").style.width = `calc(${(end - start) / song.duration} * var(--time))`;
  }
}

// Follows the sound until it stops.
function follow() {
  show();
  if (!engine.playing) return;
  if (!loopOf() && engine.position >= song.duration - 0.02) {
    pause();
    seek(0);
    return;
  }
  requestAnimationFrame(follow);
}

function show() {
  const position = engine.position;
  const x = (position / song.duration) * $("ruler").clientWidth;
  $("playhead").style.transform = `translateX(${x}px)`;
  $("position").textContent = clock(position);
  $("seek").value = position;
  $("seek").setAttribute("aria-valuetext", spoken(position));
  const board = $("board");
  const seen = board.clientWidth - $("lines").offsetLeft;
  // Turns the page, as it were, when the playhead leaves a zoomed time line.
  const isOut = x < board.scrollLeft || x > board.scrollLeft + seen;
  if (engine.playing && isOut) board.scrollLeft = x - 0.1 * seen;
}

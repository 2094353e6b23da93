"use strict";

// What is seen and touched: a lane for every sound, and what clicks and keys do.

const HUES = { drums: 0, bass: 1, other: 2, vocals: 3, guitar: 4, piano: 5, residual: 6 };
const NUM_HUES = 8;
const MAX_ZOOM = 16;
const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];

function buildLane(lane, panel) {
  lane.panel = panel;
  if (lane.gainDb < -0.05) {
    // The stems of a song may have been lowered together, so that none clips.
    const remark = `played at ${decibels(lane.gainDb.toFixed(1))}, to match the others`;
    panel.append(element("small", { className: "remark", textContent: remark }));
  }
  const pictures = element("div", { className: "pictures", onpointerdown: startDrag });
  pictures.append(drawWave(lane), drawSpectrum(lane, song));
  lane.row = element("div", { className: "lane" }, panel, pictures);
  return lane.row;
}

function buildOriginal() {
  const panel = element("div", { className: "panel" });
  panel.append(element("h3", { textContent: "Original" }));
  panel.append(element("p", { className: "remark", textContent: original.name }));
  original.section = element("section", { className: "stem", "aria-label": "Original" });
  original.section.append(buildLane(original, panel));
  original.section.style.setProperty("--hue", "var(--hue-original)");
  return original.section;
}

function buildStem(stem, number) {
  const hue = HUES[stem.name] ?? (number + 4) % NUM_HUES;
  stem.section = element("section", { className: "stem", "aria-label": stem.name });
  stem.section.style.setProperty("--hue", `var(--hue-${hue})`);
  stem.lanes.forEach((lane, index) => {
    const panel = element("div", { className: "panel" });
    if (index === 0) panel.append(element("h3", { textContent: stem.name }), buildMixer(stem, number));
    if (stem.lanes.length > 1) {
      lane.radio = element("input", { type: "radio", name: `model of stem ${number}` });
      lane.radio.addEventListener("change", () => choose(stem, lane));
      panel.append(element("label", {}, lane.radio, lane.model));
    }
    stem.section.append(buildLane(lane, panel));
  });
  return stem.section;
}

function buildMixer(stem, number) {
  const key = number < 9 ? number + 1 : "";
  const button = (letter, name, hint, action) =>
    element("button", {
      type: "button",
      textContent: letter,
      title: key ? `${name} (${hint}${key})` : name,
      "aria-label": `${name} ${stem.name}`,
      onclick: () => action(stem),
    });
  stem.soloButton = button("S", "Solo", "", solo);
  stem.muteButton = button("M", "Mute", "Shift ", mute);
  const level = element("output");
  const slider = element("input", { type: "range", min: -40, max: 0, step: 1, value: 0 });
  slider.setAttribute("aria-label", `Level of ${stem.name}`);
  const change = () => {
    stem.level = Number(slider.value);
    level.textContent = decibels(stem.level);
    slider.setAttribute("aria-valuetext", level.textContent);
  };
  slider.addEventListener("input", () => {
    change();
    apply();
  });
  change();
  return element("div", { className: "mix" }, stem.soloButton, stem.muteButton, slider, level);
}

function drawTicks() {
  const width = $("ruler").clientWidth;
  const step = TICKS.find((seconds) => (seconds / song.duration) * width >= 72) || song.duration;
  const ruler = [];
  const lines = [];
  for (let i = 0; i * step < song.duration; i += 1) {
    const left = `${(100 * i * step) / song.duration}%`;
    const label = element("span", { textContent: clock(i * step, step < 1 ? 1 : 0) });
    const line = element("i");
    label.style.left = line.style.left = left;
    if ((1 - (i * step) / song.duration) * width > 48) ruler.push(label);
    lines.push(line);
  }
  $("ruler").replaceChildren(...ruler);
  $("lines").replaceChildren(...lines);
  show();
}

function zoomTo(zoom) {
  const board = $("board");
  const before = $("ruler").clientWidth;
  state.zoom = clamp(zoom, 1, MAX_ZOOM);
  board.style.setProperty("--zoom", state.zoom);
  $("zoom-out").disabled = state.zoom === 1;
  $("zoom-in").disabled = state.zoom === MAX_ZOOM;
  drawTicks();
  // The playhead stays where it is on the screen.
  const x = (engine.position / song.duration) * before;
  board.scrollLeft += x * ($("ruler").clientWidth / before - 1);
}

function showView(view) {
  $("board").dataset.view = view;
  for (const button of $("view").children) press(button, button.dataset.view === view);
}

function nextView() {
  const views = [...$("view").children].map((button) => button.dataset.view);
  showView(views[(views.indexOf($("board").dataset.view) + 1) % views.length]);
}

// --- Mouse and keys ---

function timeAt(event) {
  const box = $("ruler").getBoundingClientRect();
  return clamp((event.clientX - box.left) / box.width, 0, 1) * song.duration;
}

// A click goes there; a drag loops what was dragged over. A finger on a picture scrolls instead.
function startDrag(event) {
  if (event.button !== 0) return;
  const target = event.currentTarget;
  const start = timeAt(event);
  const startX = event.clientX;
  const selects = event.pointerType === "mouse" || target === $("ruler");
  let dragging = false;
  const move = (moved) => {
    dragging = dragging || (selects && Math.abs(moved.clientX - startX) > 4);
    if (dragging) setLoop(start, timeAt(moved));
  };
  const stop = (stopped) => {
    target.removeEventListener("pointermove", move);
    target.removeEventListener("pointerup", stop);
    target.removeEventListener("pointercancel", stop);
    if (stopped.type === "pointerup") seek(dragging ? state.loop.start : start);
  };
  target.setPointerCapture(event.pointerId);
  target.addEventListener("pointermove", move);
  target.addEventListener("pointerup", stop);
  target.addEventListener("pointercancel", stop);
}

const KEYS = {
  " ": toggle,
  Home: () => seek(loopOf() ? state.loop.start : 0),
  "0": clearSolosAndMutes,
  o: () => hear(state.side === "stems" ? "original" : "stems"),
  m: chooseNextModel,
  l: toggleLoop,
  "[": () => loopFrom(engine.position),
  "]": () => loopTo(engine.position),
  v: nextView,
  "+": () => zoomTo(state.zoom * 2),
  "=": () => zoomTo(state.zoom * 2),
  "-": () => zoomTo(state.zoom / 2),
};

function loopFrom(seconds) {
  const isBefore = state.loop && seconds + MIN_LOOP_SECONDS < state.loop.end;
  setLoop(seconds, isBefore ? state.loop.end : song.duration);
}

function loopTo(seconds) {
  const isAfter = state.loop && state.loop.start < seconds - MIN_LOOP_SECONDS;
  setLoop(isAfter ? state.loop.start : 0, seconds);
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const target = event.target;
  const isSlider = target.matches("input");
  // A control that has the focus keeps the keys that it knows itself.
  if (event.key === " " && target.matches("button, summary, input, a")) return;
  if (isSlider && /^(Arrow|Home|End|Page)/.test(event.key)) return;
  const digit = /^Digit([1-9])$/.exec(event.code);
  const step = event.shiftKey ? 1 : 5;
  let action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  const stem = digit && stems[digit[1] - 1];
  if (stem) action = () => (event.shiftKey ? mute : solo)(stem);
  if (event.key === "ArrowLeft") action = () => seek(engine.position - step);
  if (event.key === "ArrowRight") action = () => seek(engine.position + step);
  if (!action) return;
  event.preventDefault();
  action();
}

// --- Start ---

function start() {
  $("player").hidden = false;
  $("duration").textContent = clock(song.duration);
  $("seek").max = song.duration;
  if (original) $("lanes").append(buildOriginal());
  else $("side").querySelector("[data-side=original]").disabled = true;
  $("lanes").append(...stems.map(buildStem));
  if (song.models.length > 1) {
    for (const model of song.models) {
      const button = element("button", { type: "button", value: model, textContent: model });
      button.addEventListener("click", () => chooseModel(model));
      $("models").append(button);
    }
  }
  $("play").addEventListener("click", toggle);
  $("seek").addEventListener("input", () => seek(Number($("seek").value)));
  $("loop").addEventListener("click", toggleLoop);
  $("loop-start").addEventListener("click", KEYS["["]);
  $("loop-end").addEventListener("click", KEYS["]"]);
  $("zoom-in").addEventListener("click", KEYS["+"]);
  $("zoom-out").addEventListener("click", KEYS["-"]);
  $("volume").addEventListener("input", () => {
    state.volume = Number($("volume").value);
    $("volume").setAttribute("aria-valuetext", decibels(state.volume));
    apply();
  });
  for (const button of $("side").children) {
    button.addEventListener("click", () => hear(button.dataset.side));
  }
  for (const button of $("view").children) {
    button.addEventListener("click", () => showView(button.dataset.view));
  }
  $("ruler").addEventListener("pointerdown", startDrag);
  document.addEventListener("keydown", onKey);
  new ResizeObserver(drawTicks).observe($("board"));
  apply();
  zoomTo(1);
  ready = prepare();
}

if (lanes.length && song.duration > 0) start();

"use strict";

// What is drawn, without knowing what is played: elements, times, waveforms and spectrograms.

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && key !== "role") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function clock(seconds, digits = 1) {
  const unit = 10 ** digits;
  const all = Math.floor(seconds * unit + 1e-6) / unit;
  const minutes = Math.floor(all / 60) % 60;
  const hours = Math.floor(all / 3600);
  const rest = (all % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

const spoken = (seconds) => `${Math.floor(seconds / 60)} minutes ${Math.floor(seconds % 60)} seconds`;
const decibels = (value) => (value <= -40 ? "off" : `${value} dB`.replace("-", "−"));
const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

function svg(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// Pairs of the lowest and the highest sample: along the top edge and back along the bottom one.
function drawWave(lane) {
  const pairs = new Int8Array(bytesOf(lane.outline).buffer);
  const count = pairs.length / 2;
  const top = [];
  const bottom = [];
  for (let i = 0; i < count; i += 1) {
    // At least a hair's breadth, so that silence is a line.
    top.push(`${i} ${-Math.max(pairs[2 * i + 1], pairs[2 * i] + 1)}`);
    bottom.push(`${i} ${-pairs[2 * i]}`);
  }
  const picture = svg("svg", {
    class: "wave",
    viewBox: `0 -128 ${Math.max(1, count - 1)} 256`,
    preserveAspectRatio: "none",
    "aria-hidden": "true",
  });
  picture.append(svg("path", { d: `M${top.join("L")}L${bottom.reverse().join("L")}Z` }));
  return picture;
}

// The page's colours shine through a mask that only says how much.
function drawSpectrum(lane, { lowestHz, highestHz }) {
  const picture = element("div", { className: "spectrum", "aria-hidden": "true" });
  const ink = element("div", { className: "ink" });
  const mask = `url(data:image/png;base64,${lane.spectrogram})`;
  ink.style.webkitMaskImage = mask;
  ink.style.maskImage = mask;
  const scale = element("div", { className: "scale" });
  const octaves = Math.log(highestHz / lowestHz);
  for (const [hertz, label] of [[10000, "10 kHz"], [1000, "1 kHz"], [100, "100 Hz"]]) {
    const mark = element("span", { textContent: label });
    mark.style.top = `${100 * (1 - Math.log(hertz / lowestHz) / octaves)}%`;
    scale.append(mark);
  }
  picture.append(ink, scale);
  return picture;
}

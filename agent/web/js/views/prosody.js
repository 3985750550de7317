// Pitch, energy and rate of speaking as strips that move to the left, and in words.

import { STRIP_LENGTH, shownTurn } from "../state.js";
import { byId, draw, make, setText, whenChanged } from "./dom.js";

const HEIGHT = 26;
const STRIPS = [
  { name: "pitch", unit: "Hz", low: 70, high: 320, digits: 0, isLog: true },
  { name: "energy", unit: "dB", low: -55, high: -8, digits: 0 },
  { name: "rate", unit: "syl/s", low: 0, high: 8, digits: 1 },
];

export function prosodyView() {
  const rows = STRIPS.map(strip);
  const words = make("p", { class: "prosody-words" });
  byId("prosody").append(...rows.map((row) => row.element), words);
  const render = whenChanged((points, turn) => {
    for (const row of rows) row.show(points, turn);
    setText(words, wordsOf(turn?.prosody));
  });
  return (state) => render(state.strip, shownTurn(state));
}

function strip({ name, unit, low, high, digits, isLog = false }) {
  const line = draw("path", { class: "line" });
  const value = make("span", { class: "number" });
  const svg = draw(
    "svg",
    { class: "strip", viewBox: `0 0 ${STRIP_LENGTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    line,
  );
  const scale = (x) => (isLog ? Math.log(Math.max(1e-6, x)) : x);
  const place = (x) =>
    HEIGHT - 2 - (HEIGHT - 4) * Math.max(0, Math.min(1, (scale(x) - scale(low)) / (scale(high) - scale(low))));
  const show = (points) => {
    line.setAttribute("d", pathOf(points, { name, place }));
    const newest = points.findLast((point) => typeof point[name] === "number")?.[name];
    setText(value, newest === undefined ? "–" : `${newest.toFixed(digits)} ${unit}`);
  };
  return { element: make("div", { class: "strip-row" }, make("span", { class: "name" }, name), svg, value), show };
}

/** A line through the values, broken where there is none and between utterances. */
function pathOf(points, { name, place }) {
  let path = "";
  let before = null;
  const start = STRIP_LENGTH - points.length;
  points.forEach((point, i) => {
    const isThere = typeof point[name] === "number";
    const goesOn = before !== null && before.utterance === point.utterance;
    if (isThere) path += `${goesOn ? "L" : "M"}${start + i} ${place(point[name]).toFixed(1)}${goesOn ? "" : "h0.01"}`;
    before = isThere ? point : null;
  });
  return path;
}

function wordsOf(prosody) {
  if (!prosody) return "";
  if (prosody.words.length) return prosody.words.join(", ");
  return prosody.final && prosody.voiced_s > 0 ? "as usual" : "";
}

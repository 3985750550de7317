// The way through valence (left to right) and arousal (bottom to top), fading into the past.

import { percent } from "../labels.js";
import { byId, draw, make, setText, whenChanged } from "./dom.js";

const SIZE = 100;
const NEWEST = 40; // dots drawn

const at = ({ valence, arousal }) => [valence * SIZE, (1 - arousal) * SIZE];

export function trailView() {
  const path = draw("path", { class: "way" });
  const dots = draw("g");
  const svg = draw(
    "svg",
    { viewBox: "-4 -4 108 108", class: "trail", role: "img", "aria-labelledby": "trail-text" },
    draw("rect", { class: "field", width: SIZE, height: SIZE, rx: 6 }),
    draw("path", { class: "axes", d: `M${SIZE / 2} 0V${SIZE}M0 ${SIZE / 2}H${SIZE}` }),
    path,
    dots,
  );
  const text = make("p", { id: "trail-text", class: "small" });
  byId("trail").append(
    make(
      "div",
      { class: "trail-box" },
      make("span", { class: "edge top-edge" }, "excited"),
      make("span", { class: "edge left-edge" }, "unpleasant"),
      svg,
      make("span", { class: "edge right-edge" }, "pleasant"),
      make("span", { class: "edge bottom-edge" }, "calm"),
    ),
    text,
  );
  const render = whenChanged((trail) => {
    const recent = trail.slice(-NEWEST);
    path.setAttribute(
      "d",
      recent.map((place, i) => step(place, { isNew: recent[i - 1]?.utterance !== place.utterance })).join(""),
    );
    dots.replaceChildren(...recent.map((place, i) => dot(place, { age: recent.length - 1 - i })));
    setText(text, told(trail.at(-1)));
  });
  return (state) => render(state.trail);
}

const step = (place, { isNew }) =>
  `${isNew ? "M" : "L"}${at(place)
    .map((n) => n.toFixed(1))
    .join(" ")}`;

function dot(place, { age }) {
  const [cx, cy] = at(place);
  return draw("circle", {
    cx: cx.toFixed(1),
    cy: cy.toFixed(1),
    r: age === 0 ? 4 : place.isFinal ? 2.6 : 1.3,
    class: `place${age === 0 ? " newest" : ""}`,
    "data-label": place.label,
    "fill-opacity": Math.max(0.15, 1 - age / NEWEST).toFixed(2),
  });
}

const told = (place) =>
  place ? `valence ${percent(place.valence)}, arousal ${percent(place.arousal)}` : "Valence and arousal, as they move.";

// Where the time of a turn went: from the last word to the first sound of the answer.

import { shownTurn } from "../state.js";
import { byId, make, setText, whenChanged } from "./dom.js";

/** `[{name, fromMs, toMs}]` of a turn's metrics. */
export function spans(metrics) {
  const waited = metrics.endpoint_wait_ms ?? 0;
  const rows = [{ name: "waiting for more", fromMs: 0, toMs: waited }];
  for (const [name, key] of [
    ["emotion", "emotion_ms"],
    ["first words", "reply_ms"],
    ["first sound", "sound_ms"],
  ]) {
    if (typeof metrics[key] === "number") rows.push({ name, fromMs: waited, toMs: waited + metrics[key] });
  }
  return rows.filter(({ fromMs, toMs }) => toMs > fromMs);
}

export function latencyView() {
  const list = make("ul", { class: "waterfall" });
  const text = make("p", { class: "small" });
  byId("latency").append(list, text);
  const render = whenChanged((metrics) => {
    const rows = metrics ? spans(metrics) : [];
    const total = Math.max(1, ...rows.map((row) => row.toMs));
    list.replaceChildren(...rows.map((row) => drawRow(row, total)));
    const late = metrics?.emotion_was_late ? " The answer began before the emotion was known." : "";
    setText(
      text,
      rows.length
        ? `The ${rows.at(-1).name} ${Math.round(total)} ms after your last word.${late}`
        : "From your last word to the answer.",
    );
  });
  return (state) => render(shownTurn(state)?.metrics ?? null);
}

function drawRow({ name, fromMs, toMs }, total) {
  const ms = toMs - fromMs;
  const vars = { "--from": fromMs / total, "--width": Math.max(0.008, ms / total) };
  return make(
    "li",
    {},
    make("span", { class: "name" }, name),
    make("span", { class: "track" }, make("span", { class: "span", vars })),
    make("span", { class: "number" }, `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`),
  );
}

// What a turn expressed: a word, bars, the evidence, words against voice; each bar also corrects the reading.

import { EIGHT, UNCLEAR, conflict, nameOf, nearest, percent } from "../labels.js";
import { shownTurn, sourceOf } from "../state.js";
import { visible } from "../words.js";
import { byId, make, setText, whenChanged } from "./dom.js";

export function emotionView(talk) {
  const panel = panelOf(talk);
  byId("emotion").append(panel.element);
  const render = whenChanged((turn, settings, session) => panel.show(turn, { settings, session }));
  return (state) => render(shownTurn(state), state.settings, state.session);
}

function panelOf(talk) {
  let turn = null;
  const headline = make("p", { class: "headline" });
  const under = make("p", { class: "under small" });
  const bars = new Map();
  const list = make("ul", { class: "bars", "aria-label": "Distribution" });
  const disagreement = make("p", { class: "disagree", hidden: true });
  const evidence = make("p", { class: "evidence-line small" });
  const reason = make("p", { class: "reason small" });
  const correct = (said) => talk.correct(turn, said);
  const more = make("details", { class: "more" }, make("summary", {}, "It was something else"));
  const deny = make("button", {
    class: "chip",
    type: "button",
    on: { click: () => correct({ denied: turn.emotion.top }) },
  });
  more.append(make("p", { class: "chips" }, deny, ...EIGHT.map((label) => chip(label, correct))));
  const element = make("div", {}, headline, under, list, disagreement, evidence, reason, more);

  function bar(label) {
    const row = make("button", {
      class: "bar",
      type: "button",
      "data-label": label,
      on: { click: () => correct({ label }) },
    });
    const parts = { row, fill: make("span", { class: "fill" }), share: make("span", { class: "number" }) };
    row.append(make("span", { class: "name" }, label), make("span", { class: "track" }, parts.fill), parts.share);
    list.append(make("li", {}, row));
    bars.set(label, parts);
    return parts;
  }

  function show(shown, chosen) {
    turn = shown;
    const emotion = turn?.emotion;
    element.classList.toggle("rolling", turn?.emotionState === "rolling");
    element.classList.toggle("unclear", emotion?.top === UNCLEAR);
    headline.dataset.label = emotion?.top ?? "";
    setText(headline, emotion ? nameOf(emotion) : "");
    setText(under, explanation(turn, chosen));
    list.hidden = more.hidden = !emotion;
    if (emotion) showBars(emotion);
    showRest(emotion);
  }

  function showBars(emotion) {
    const canCorrect = turn.emotionState !== "rolling" && !turn.isPast;
    for (const [label, { row }] of bars) if (!(label in emotion.distribution)) drop(label, row);
    for (const [label, share] of Object.entries(emotion.distribution)) {
      const { row, fill, share: number } = bars.get(label) ?? bar(label);
      fill.style.setProperty("--share", share);
      setText(number, percent(share));
      row.disabled = !canCorrect;
      row.classList.toggle("likeliest", label === emotion.top);
      row.setAttribute("aria-label", `${label}, ${percent(share)}${canCorrect ? `. Correct to ${label}` : ""}`);
    }
    more.hidden = !canCorrect;
    deny.hidden = emotion.top === UNCLEAR || emotion.corrected;
    setText(deny, `not ${emotion.top}`);
  }

  function drop(label, row) {
    row.parentElement.remove();
    bars.delete(label);
  }

  function showRest(emotion) {
    const disagree = conflict(emotion);
    disagreement.hidden = !disagree;
    if (disagree) {
      const [says, sounds] = [disagree.words, disagree.voice];
      setText(
        disagreement,
        `The words say ${says[0]} (${percent(says[1])}), the voice ${sounds[0]} (${percent(sounds[1])}).`,
      );
    }
    setText(evidence, evidenceOf(emotion));
    setText(reason, visible(emotion?.reason ?? ""));
  }

  return { element, show };
}

const chip = (label, correct) =>
  make(
    "button",
    { class: "chip", type: "button", "data-label": label, on: { click: () => correct({ label }) } },
    label,
  );

function explanation(turn, chosen) {
  if (!chosen.settings.consent) return "Emotion is not read: you have not agreed to it (Settings).";
  if (sourceOf(chosen) === "off") return "Emotion is not read: it is switched off.";
  if (!turn?.emotion) return "Here stands what your words and voice express, as you speak.";
  const { emotion } = turn;
  if (emotion.corrected) return "As you said.";
  if (emotion.top === UNCLEAR)
    return `Could be ${nearest(emotion.distribution).join(" or ")}. Nothing is certain enough to say.`;
  if (turn.emotionState === "rolling") return "So far.";
  return turn.isPast ? "Expressed, not felt." : "Expressed, not felt. Not right? Click what fits.";
}

function evidenceOf(emotion) {
  const { words = [], cues = [], turns = [] } = emotion?.evidence ?? {};
  const parts = [
    words.length ? `words: ${[...new Set(words.map((each) => each.word))].join(", ")}` : "",
    cues.length ? `voice: ${[...new Set(cues.map((each) => each.cue))].join(", ")}` : "",
    turns.length ? `earlier turns: ${turns.join(", ")}` : "",
  ].filter(Boolean);
  return parts.length ? visible(`Because of ${parts.join(" · ")}`) : "";
}

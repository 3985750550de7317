// The turns: what was said with its uncertain words, what it expressed in a word, and the answer.

import { UNCLEAR, conflict, nameOf, percent } from "../labels.js";
import { hasContent, shownTurn } from "../state.js";
import { drawn, visible } from "../words.js";
import { byId, make, setText } from "./dom.js";

export function conversationView(talk) {
  const list = byId("turns");
  const drawnTurns = new Map(); // key → {turn, isShown, element}
  let newest = null;
  return (state) => {
    const turns = state.turns.filter(hasContent);
    byId("empty").hidden = turns.length > 0;
    const shown = shownTurn(state)?.key;
    const follows = isAtEnd(list);
    for (const [key, { element }] of drawnTurns) {
      if (!turns.some((turn) => turn.key === key)) {
        element.remove();
        drawnTurns.delete(key);
      }
    }
    for (const turn of turns) {
      const old = drawnTurns.get(turn.key);
      const isShown = turn.key === shown;
      if (old?.turn === turn && old.isShown === isShown) continue;
      const element = old?.element ?? list.appendChild(make("li", { class: "turn" }));
      redraw(element, { turn, isShown, talk });
      drawnTurns.set(turn.key, { turn, isShown, element });
    }
    const added = turns.at(-1) ?? null;
    const isWritten = added?.isTyped && added.key !== newest?.key; // who writes wants to see it
    if (isWritten || (follows && added !== newest)) showEnd(list);
    newest = added;
  };
}

/** Whether the end is in sight: then it shall stay so when more is said. */
function isAtEnd(list) {
  const pane = list.parentElement;
  if (!isPane(pane))
    return list.getBoundingClientRect().bottom < innerHeight + 40 && list.getBoundingClientRect().bottom > 0;
  return pane.scrollHeight - pane.scrollTop - pane.clientHeight < 120;
}

/** On a wide screen the conversation scrolls by itself, on a phone with the page. */
const isPane = (pane) => getComputedStyle(pane).overflowY === "auto";

function showEnd(list) {
  const pane = list.parentElement;
  if (isPane(pane)) pane.scrollTop = pane.scrollHeight;
  else list.lastElementChild?.scrollIntoView({ block: "nearest" });
}

function redraw(element, { turn, isShown, talk }) {
  const hadFocus = element.contains(document.activeElement) && document.activeElement.className.includes("details");
  element.classList.toggle("shown", isShown);
  element.dataset.item = turn.item ?? "";
  element.replaceChildren(
    ...[said(turn), expressed(turn, { isShown, talk }), answer(turn), note(turn)].filter(Boolean),
  );
  if (hadFocus) element.querySelector(".details")?.focus();
}

const classOf = ({ isGuess, label }) => `${label ? "evidence" : ""} ${isGuess ? "guess" : ""}`.trim();

const dotsOf = (name) =>
  make("span", { class: "hearing", role: "img", "aria-label": name }, make("i"), make("i"), make("i"));

function said(turn) {
  const words = drawn(turn).flatMap(({ text, isGuess, label }, i) => [
    i ? " " : "",
    label || isGuess
      ? make(
          label ? "mark" : "span",
          { class: classOf({ isGuess, label }), "data-label": label, title: label && `points to ${label}` },
          text,
        )
      : text,
  ]);
  if (!words.length && !turn.isSpeaking) return null;
  const dots = turn.isSpeaking ? dotsOf("listening") : null;
  return make(
    "p",
    { class: "said", dir: "auto" },
    make("span", { class: "unseen" }, "You: "),
    make("span", { class: "words" }, ...words),
    dots && " ",
    dots,
  );
}

function expressed(turn, { isShown, talk }) {
  const { emotion } = turn;
  if (!emotion) return null;
  const disagree = conflict(emotion);
  const isRolling = turn.emotionState === "rolling";
  const label = nameOf(emotion);
  const sure = emotion.top === UNCLEAR ? "" : percent(emotion.confidence);
  const choose = make(
    "button",
    {
      class: "details",
      type: "button",
      "data-label": emotion.top,
      "aria-pressed": String(isShown),
      "aria-label": `Expressed: ${[label, sure].filter(Boolean).join(", ")}. Show details`,
      on: { click: () => talk.store.dispatch({ type: "page.select", key: turn.key }) },
    },
    make("span", { class: "swatch", "aria-hidden": "true" }),
    emotion.corrected ? `${label}, as you said` : label,
    sure && !emotion.corrected && make("span", { class: "share" }, ` ${sure}`),
  );
  return make(
    "p",
    { class: isRolling ? "expressed rolling" : "expressed" },
    choose,
    disagree && make("span", { class: "badge conflict" }, `words ${disagree.words[0]}, voice ${disagree.voice[0]}`),
    emotion.hidden && make("span", { class: "badge" }, `perhaps ${emotion.hidden}, unsaid`),
  );
}

function answer({ reply, isTranslated }) {
  if (!reply) return null;
  const [heard, rest] = asHeard(reply);
  const waits = dotsOf("thinking");
  return make(
    "div",
    { class: `answer${reply.isCut ? " cut" : ""}${isTranslated ? " translated" : ""}` },
    make(
      "p",
      { dir: "auto" },
      make("span", { class: "unseen" }, "Attune: "),
      heard || rest || reply.isDone ? heard : waits,
      rest && make("span", { class: "unheard" }, rest),
    ),
    reply.isCut ? make("p", { class: "small" }, "interrupted") : null,
    reply.isFailed ? make("p", { class: "small" }, "the answer failed") : null,
  );
}

/** The words of an answer that were heard, and those that were not. */
function asHeard({ text, heard }) {
  const [all, begun] = [visible(text), visible(heard ?? text)];
  return all.startsWith(begun) ? [begun, all.slice(begun.length)] : [begun, ""];
}

function note(turn) {
  return turn.trouble ? make("p", { class: "small warn" }, visible(turn.trouble)) : null;
}

/** Told to screen readers, one line each. */
export function announcerView() {
  const log = byId("announce");
  let newest = 0;
  return ({ told }) => {
    const lines = told.filter((line) => line.n > newest);
    newest = told.at(-1)?.n ?? newest;
    log.append(...lines.map((line) => make("p", {}, visible(line.text))));
    while (log.children.length > 12) log.firstElementChild.remove();
  };
}

export function nowView() {
  return (state) => {
    const { emotion } = shownTurn(state) ?? {};
    const now = byId("now");
    now.dataset.label = emotion?.top ?? "";
    const sure = !emotion || emotion.corrected || emotion.top === UNCLEAR ? "" : ` ${percent(emotion.confidence)}`;
    setText(now, emotion ? `${emotion.top}${sure}` : "");
  };
}

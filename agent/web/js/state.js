// What the page knows: a pure reducer. Server events and the page's own ("page.…") go in, the next state comes out.

import { ENDS } from "./closing.js";
import { TURN_EVENTS } from "./turns.js";
import { TRANSLATION_EVENTS } from "./translation.js";

export const TRAIL_LENGTH = 120;
export const STRIP_LENGTH = 80;
const KEPT_TURNS = 300;

export const initial = () => ({
  connection: { name: "idle" },
  session: { id: null, notice: null, profile: null, emotion: "both" },
  settings: { consent: null, emotion: null, language: "", key: "" }, // emotion null: as the server has it,
  input: { kind: null, level: 0, name: "" }, // kind: "microphone", "file" or null
  isSpeaking: false,
  isReplying: false,
  turns: [],
  nTurns: 0, // made so far
  selected: null, // key of the turn whose details are shown, null: the last one
  trail: [], // {valence, arousal, isFinal, label, utterance}
  strip: [], // {pitch, energy, rate, utterance}
  trouble: null, // {message, isGrave}
  history: { sessions: null, trouble: null },
  told: [], // what a screen reader is told: {n, text}
});

const last = (list, n) => (list.length > n ? list.slice(list.length - n) : list);

/** A conversation that ended can be begun anew; one that has begun need not. */
function troubleAfter(trouble, { name, message }) {
  if (name === "closed" && message) return { message, isGrave: true };
  if (name === "waiting" && trouble?.isOfEnd) return null; // it has ended
  return trouble?.isGrave && name === "open" ? { ...trouble, isGrave: false } : trouble;
}

const PAGE_EVENTS = {
  "page.phase": (state, { phase }) => ({
    ...state,
    connection: phase,
    isSpeaking: phase.name === "open" && state.isSpeaking,
    isReplying: phase.name === "open" && state.isReplying,
    trouble: troubleAfter(state.trouble, phase),
  }),
  "page.setting": (state, { values }) => ({ ...state, settings: { ...state.settings, ...values } }),
  "page.input": (state, { values }) => ({ ...state, input: { ...state.input, ...values } }),
  "page.select": (state, { key }) => ({ ...state, selected: key }),
  "page.trouble": (state, { message }) => ({ ...state, trouble: message ? { message, isGrave: false } : null }),
  "page.session.lost": (state) => ({
    ...state,
    trouble: { message: "the earlier conversation could not be taken up again; this is a new one", isGrave: false },
  }),
  "page.cut": (state, { item }) => {
    const turns = state.turns.map((turn) =>
      turn.reply?.item === item ? { ...turn, reply: { ...turn.reply, isCut: true } } : turn,
    );
    return { ...state, turns };
  },
};

/** How ids of requests about what is kept begin: a fault of one is told there. */
export const HISTORY = "history-";

// What is no fault in the eyes of a person: both sides acted at the same moment.
const HARMLESS = new Set(["response_cancel_not_active", "conversation_already_has_active_response"]);

const SESSION_EVENTS = {
  "attune.session.info": (state, event) => ({
    ...state,
    session: {
      id: event.session ?? state.session.id,
      notice: event.notice ?? null,
      profile: event.profile ?? null,
      emotion: event.emotion ?? state.session.emotion,
    },
  }),
  "attune.session.ending": (state, { in_s: inS, reason }) => {
    const message = `the conversation ends in ${Math.round(inS)} s: ${ENDS[reason] ?? reason}`;
    return { ...state, trouble: { message, isGrave: false, isOfEnd: true } };
  },
  "attune.session.resumed": (state) => ({ ...state, trouble: null }),
  "attune.history.sessions": (state, event) => ({
    ...state,
    history: { sessions: event.sessions, trouble: null },
  }),
  error: (state, { error }) => {
    if (HARMLESS.has(error.code)) return state;
    if (error.event_id?.startsWith(HISTORY)) return { ...state, history: { ...state.history, trouble: error.message } };
    return { ...state, trouble: { message: error.message, isGrave: false } };
  },
};

const EVENTS = { ...PAGE_EVENTS, ...SESSION_EVENTS, ...TURN_EVENTS, ...TRANSLATION_EVENTS };

/** The state after an event; unknown events change nothing. */
export function reduce(state, event) {
  const next = Object.hasOwn(EVENTS, event.type) ? EVENTS[event.type](state, event) : state;
  if (next.turns.length <= KEPT_TURNS) return bounded(next);
  return bounded({ ...next, turns: last(next.turns, KEPT_TURNS) });
}

function bounded(state) {
  if (state.trail.length <= TRAIL_LENGTH && state.strip.length <= STRIP_LENGTH) return state;
  return { ...state, trail: last(state.trail, TRAIL_LENGTH), strip: last(state.strip, STRIP_LENGTH) };
}

/** What emotion is read from: as chosen, else as the server has it; nothing without consent. */
export function sourceOf({ settings, session }) {
  return settings.consent ? (settings.emotion ?? session.emotion) : "off";
}

/** The turn whose details are shown. */
export function shownTurn(state) {
  return state.turns.find((turn) => turn.key === state.selected) ?? state.turns.findLast(hasContent) ?? null;
}

/** Whether there is anything to see of a turn: words, or somebody who is speaking. */
export function hasContent(turn) {
  return turn.isSpeaking || turn.reply !== null || Boolean(turn.text ?? (turn.stable || turn.guess));
}

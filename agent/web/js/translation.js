// How events of a translation change the page. It has no turns on the wire: words come in, words go out. Pure.

import { withTurn } from "./turns.js";

const REPLY = { id: null, item: null, isDone: true, isCut: false, isFailed: false };

const isOver = (turn) => turn.isPast || turn.reply !== null || turn.prosody?.final === true;

/** Words in the first language: they go to the utterance that is being spoken. */
function heard(state, event) {
  const turn = state.turns.at(-1);
  if (!turn || isOver(turn)) return add(state, { stable: event.delta.trimStart() });
  const stable = turn.stable ? turn.stable + event.delta : event.delta.trimStart();
  return { ...state, turns: state.turns.with(-1, { ...turn, isTranslated: true, stable }) };
}

function add(state, values) {
  return { ...withTurn(state, {}, () => ({ isTranslated: true, ...values })), selected: null };
}

/** Words of one translation carry one time; the next time is of the next utterance that has ended by then. */
function translated(state, event) {
  const at = placeOf(state.turns, event.elapsed_ms ?? null);
  if (at < 0) return translated(add(state, {}), event);
  const turn = state.turns[at];
  const text = turn.reply === null ? event.delta.trimStart() : turn.reply.text + event.delta;
  const reply = { ...REPLY, text, elapsedMs: event.elapsed_ms ?? null };
  const words = { text: turn.text ?? turn.stable, guess: "", isSpeaking: false };
  return { ...state, turns: state.turns.with(at, { ...turn, ...words, isTranslated: true, reply }) };
}

function placeOf(turns, elapsedMs) {
  const newest = turns.findLastIndex((turn) => !turn.isPast && turn.reply !== null);
  if (
    newest >= 0 &&
    turns[newest].reply.elapsedMs === elapsedMs &&
    (elapsedMs !== null || newest === turns.length - 1)
  ) {
    return newest;
  }
  const waits = (turn, i) => i > newest && !turn.isPast && turn.reply === null;
  const ended = turns.findLastIndex(
    (turn, i) => waits(turn, i) && turn.prosody?.final && turn.prosody.at_ms <= elapsedMs,
  );
  return ended >= 0 ? ended : turns.findIndex(waits);
}

export const TRANSLATION_EVENTS = {
  "session.input_transcript.delta": heard,
  "session.output_transcript.delta": translated,
};

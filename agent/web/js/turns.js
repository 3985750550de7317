// How server events change the turns of a conversation. Pure; used by state.js.

import { guess } from "./words.js";

export const newTurn = (key, values = {}) => ({
  key, // its own on this page
  item: null,
  utterance: null,
  isTyped: false,
  isTranslated: false,
  isPast: false, // of an earlier session: nothing more comes of it
  isSpeaking: false,
  stable: "", // words that stay
  guess: "", // words that may still change
  text: null, // the final words, null while there are none
  nbest: [],
  emotion: null,
  emotionState: null, // "rolling", "final" or "revised"
  prosody: null,
  reply: null, // {id, item, text, heard (where it was cut short), isDone, isCut, isFailed}
  metrics: null,
  isSaved: false,
  trouble: null,
  ...values,
});

const isOf = (turn, event) =>
  !turn.isPast &&
  ((event.item_id !== undefined && event.item_id !== null && turn.item === event.item_id) ||
    (event.utterance !== undefined && turn.utterance === event.utterance));

/** Where words of a translation stand that nothing has said the utterance of. */
function unnamed(turns) {
  const turn = turns.at(-1);
  return turn?.isTranslated && !turn.isPast && turn.utterance === null && turn.item === null ? turns.length - 1 : -1;
}

/** Change the turn an event is about, made where there is none. */
export function withTurn(state, event, change) {
  const its = state.turns.findLastIndex((turn) => isOf(turn, event));
  const at = its < 0 && event.utterance !== undefined ? unnamed(state.turns) : its;
  const known = { item: event.item_id ?? null, utterance: event.utterance ?? null };
  const old = at < 0 ? newTurn(`turn-${state.nTurns}`, known) : state.turns[at];
  const named = { ...old, item: old.item ?? known.item, utterance: old.utterance ?? known.utterance };
  const turn = { ...named, ...change(named) };
  return at < 0
    ? { ...state, nTurns: state.nTurns + 1, turns: [...state.turns, turn] }
    : { ...state, turns: state.turns.with(at, turn) };
}

function withReply(state, event, change) {
  const isIts = ({ reply }) => reply !== null && (reply.id === event.response_id || reply.item === event.item_id);
  const at = state.turns.findLastIndex(isIts);
  if (at < 0) return state;
  const turn = state.turns[at];
  return { ...state, turns: state.turns.with(at, { ...turn, reply: { ...turn.reply, ...change(turn.reply) } }) };
}

const LINES = 12; // kept to be told to a screen reader

const say = (state, text) => ({
  ...state,
  told: [...state.told, { n: (state.told.at(-1)?.n ?? 0) + 1, text }].slice(-LINES),
});

/** Another session begins: its utterances are counted anew, so those before are over. */
function over(state) {
  const turns = state.turns.map((turn) => ({
    ...turn,
    isPast: true,
    isSpeaking: false,
    text: turn.text ?? turn.stable,
    guess: "",
  }));
  return { ...state, turns, isSpeaking: false, isReplying: false };
}

function began(state, event) {
  return { ...withTurn(state, event, () => ({ isSpeaking: true })), isSpeaking: true, selected: null };
}

function paused(state, event) {
  return { ...withTurn(state, event, () => ({ isSpeaking: false })), isSpeaking: false };
}

function settledMore(state, event) {
  return withTurn(state, event, (turn) => {
    const stable = turn.stable + (event.delta ?? "");
    return { stable, guess: guess(stable, `${turn.stable} ${turn.guess}`) };
  });
}

function completed(state, event) {
  const text = event.transcript.trim();
  const next = withTurn(state, event, () => ({ text, guess: "", isSpeaking: false }));
  return text ? say({ ...next, selected: null }, `You said: ${text}`) : next;
}

/** All that may have been said, best first; before the words are final, the rest of the best is a guess. */
function readings(state, { hypotheses, ...event }) {
  return withTurn(state, event, (turn) => ({
    nbest: hypotheses,
    guess: turn.text === null ? guess(turn.stable, hypotheses[0]?.text) : "",
  }));
}

function itemAdded(state, { item, previous_item_id: before }) {
  if (item.type !== "message" || item.role === "system") return state;
  if (item.role === "user") {
    const typed = item.content.filter((part) => part.type === "input_text").map((part) => part.text);
    const change = typed.length ? { isTyped: true, text: typed.join(" ") } : {};
    const next = withTurn(state, { item_id: item.id }, () => change);
    return typed.length ? { ...next, selected: null } : next;
  }
  const turns = state.turns.map((turn) =>
    turn.item === before && turn.reply && !turn.reply.item
      ? { ...turn, reply: { ...turn.reply, item: item.id } }
      : turn,
  );
  return { ...state, turns };
}

/** A response answers the last turn that has words and no answer. */
function answering(state, { response }) {
  const at = state.turns.findLastIndex(
    (turn) => !turn.isPast && turn.reply === null && (turn.text || turn.stable || turn.utterance),
  );
  const reply = { id: response.id, item: null, text: "", isDone: false, isCut: false, isFailed: false };
  const open = { ...state, isReplying: true };
  if (at < 0) return withTurn(open, {}, () => ({ text: "", reply }));
  return { ...open, turns: state.turns.with(at, { ...state.turns[at], reply }) };
}

function answered(state, { response }) {
  const heard = response.output
    ?.flatMap((item) => item.content ?? [])
    .map((part) => part.transcript ?? part.text ?? "");
  const next = withReply(state, { response_id: response.id }, (reply) => ({
    isDone: true,
    isCut: reply.isCut || response.status === "cancelled",
    isFailed: response.status === "failed",
    heard: response.status === "cancelled" ? heard?.join("") : null,
    text: response.status === "completed" && heard?.join("") ? heard.join("") : reply.text,
  }));
  const { reply } = next.turns.find((turn) => turn.reply?.id === response.id) ?? { reply: null };
  const told = reply?.text ? say(next, `Attune: ${reply.text}`) : next;
  return { ...told, isReplying: false };
}

const replyWords = (state, event) =>
  withReply(state, event, (reply) => ({ item: event.item_id, text: reply.text + event.delta }));

function estimated(state, event) {
  const kind = event.type.split(".").at(-1);
  const next = withTurn(state, event, (turn) => {
    const isStale = turn.emotion && turn.emotion.revision > event.revision;
    return isStale || (kind === "rolling" && turn.emotionState === "final")
      ? {}
      : { emotion: event, emotionState: kind };
  });
  const isPlaced = typeof event.valence === "number" && typeof event.arousal === "number";
  const place = {
    valence: event.valence,
    arousal: event.arousal,
    isFinal: kind !== "rolling",
    label: event.top,
    utterance: event.utterance,
  };
  const moved = isPlaced ? { ...next, trail: [...next.trail, place] } : next;
  if (kind === "rolling") return moved;
  const sure = event.top === "unclear" ? "unclear" : `${event.top}, ${Math.round(100 * event.confidence)} percent`;
  return say(moved, event.corrected ? `Corrected to ${event.top}` : `Expressed: ${sure}`);
}

function voiced(state, event) {
  const next = withTurn(state, event, () => ({ prosody: event }));
  if (event.final) return next;
  const { pitch_mean_hz: pitch, energy_db: energy, rate_syl_s: rate, utterance } = event;
  return { ...next, strip: [...next.strip, { pitch, energy, rate, utterance }] };
}

export const TURN_EVENTS = {
  "session.created": over,
  "input_audio_buffer.speech_started": began,
  "input_audio_buffer.speech_stopped": paused,
  "conversation.item.added": itemAdded,
  "conversation.item.deleted": (state, event) => ({
    ...state,
    turns: state.turns.filter((turn) => turn.item !== event.item_id),
  }),
  "conversation.item.input_audio_transcription.delta": settledMore,
  "conversation.item.input_audio_transcription.completed": completed,
  "conversation.item.input_audio_transcription.failed": (state, event) =>
    withTurn(state, event, (turn) => ({
      isSpeaking: false,
      text: turn.text ?? turn.stable,
      trouble: event.error?.message ?? "these words could not be recognised",
    })),
  "response.created": answering,
  "response.output_audio_transcript.delta": replyWords,
  "response.output_text.delta": replyWords,
  "response.done": answered,
  "attune.emotion.rolling": estimated,
  "attune.emotion.final": estimated,
  "attune.emotion.revised": estimated,
  "attune.nbest": readings,
  "attune.prosody": voiced,
  "attune.metrics": (state, event) => withTurn(state, event, () => ({ metrics: event })),
  "attune.turn.saved": (state, event) => withTurn(state, event, () => ({ isSaved: true, trouble: null })),
  "attune.turn.degraded": (state, event) => withTurn(state, event, () => ({ trouble: event.message })),
};

// The reducer: events in, what the page knows out.

import assert from "node:assert/strict";
import { test } from "node:test";

import { conflict, nearest } from "../../../../agent/web/js/labels.js";
import { STRIP_LENGTH, TRAIL_LENGTH, hasContent, initial, reduce, shownTurn } from "../../../../agent/web/js/state.js";
import { spans } from "../../../../agent/web/js/views/latency.js";
import { drawn, guess, visible } from "../../../../agent/web/js/words.js";

const after = (...events) => events.reduce(reduce, initial());

const SPOKE = "input_audio_buffer.speech_started";
const DELTA = "conversation.item.input_audio_transcription.delta";
const DONE = "conversation.item.input_audio_transcription.completed";

test("an event nobody knows changes nothing", () => {
  const state = initial();
  for (const type of ["something.new", "constructor", "__proto__", "toString"])
    assert.equal(reduce(state, { type }), state);
});

test("a state is never changed, only replaced", () => {
  const freeze = (value) => {
    if (value && typeof value === "object") Object.values(Object.freeze(value)).forEach(freeze);
    return value;
  };
  let state = freeze(initial());
  const events = [
    { type: SPOKE, item_id: "a" },
    { type: DELTA, item_id: "a", delta: "so" },
    { type: "attune.nbest", item_id: "a", utterance: 1, hypotheses: [{ text: "so what", posterior: 1 }] },
    { type: DONE, item_id: "a", transcript: "so what" },
    { type: "response.created", response: { id: "r" } },
    { type: "response.output_text.delta", response_id: "r", item_id: "b", delta: "hm" },
    { type: "response.done", response: { id: "r", status: "completed", output: [] } },
    {
      type: "attune.emotion.final",
      item_id: "a",
      utterance: 1,
      revision: 1,
      top: "sad",
      confidence: 0.5,
      distribution: { sad: 1 },
    },
    { type: "session.created", session: {} },
  ];
  for (const event of events) state = freeze(reduce(state, event));
  assert.equal(state.turns[0].reply.text, "hm");
});

test("the rest of a reading is a guess until the words are final", () => {
  let state = after({ type: SPOKE, item_id: "a" }, { type: DELTA, item_id: "a", delta: "i got" });
  state = reduce(state, { type: "attune.nbest", item_id: "a", utterance: 1, hypotheses: [{ text: "i got the jog" }] });
  assert.equal(state.turns[0].guess, "the jog");
  state = reduce(state, { type: DELTA, item_id: "a", delta: " the" });
  assert.equal(state.turns[0].guess, "jog");
  state = reduce(state, { type: DONE, item_id: "a", transcript: "i got the job" });
  assert.deepEqual(
    drawn(state.turns[0]).map((word) => word.isGuess),
    [false, false, false, false],
  );
});

test("an answer belongs to the turn that waits for one", () => {
  const state = after(
    { type: SPOKE, item_id: "a" },
    { type: DONE, item_id: "a", transcript: "first" },
    { type: "response.created", response: { id: "r1" } },
    { type: SPOKE, item_id: "b" },
    { type: "response.done", response: { id: "r1", status: "cancelled", output: [] } },
    { type: DONE, item_id: "b", transcript: "second" },
    { type: "response.created", response: { id: "r2" } },
    { type: "response.output_audio_transcript.delta", response_id: "r2", item_id: "x", delta: "yes" },
  );
  assert.deepEqual(
    state.turns.map(({ reply }) => [reply.id, reply.text, reply.isCut]),
    [
      ["r1", "", true],
      ["r2", "yes", false],
    ],
  );
});

test("that a conversation ends soon is no news once it has", () => {
  const ending = { type: "attune.session.ending", in_s: 8, reason: "draining" };
  assert.equal(after(ending).trouble.message, "the conversation ends in 8 s: the server stops");
  assert.equal(after(ending, { type: "page.phase", phase: { name: "waiting", message: "lost" } }).trouble, null);
  const other = { type: "page.trouble", message: "no microphone" };
  assert.ok(after(ending, other, { type: "page.phase", phase: { name: "waiting", message: "lost" } }).trouble);
});

test("an answer to nothing stands alone", () => {
  const state = after({ type: "response.created", response: { id: "r" } });
  assert.equal(shownTurn(state).reply.id, "r");
});

test("an older estimate never replaces a newer one", () => {
  const estimate = (kind, revision, top) => ({
    type: `attune.emotion.${kind}`,
    utterance: 1,
    revision,
    top,
    confidence: 0.9,
    distribution: {},
  });
  const state = after(
    estimate("final", 5, "happy"),
    estimate("rolling", 4, "sad"),
    estimate("revised", 6, "angry"),
    estimate("revised", 5, "sad"),
  );
  assert.equal(state.turns[0].emotion.top, "angry");
});

test("utterances of an earlier session are over", () => {
  const state = after(
    { type: "attune.metrics", utterance: 1 },
    { type: "session.created", session: {} },
    { type: "attune.metrics", utterance: 1 },
  );
  assert.deepEqual(
    state.turns.map((turn) => turn.isPast),
    [true, false],
  );
});

test("a translation goes turn by turn, with and without a name", () => {
  const heard = (delta) => ({ type: "session.input_transcript.delta", delta });
  const said = (delta) => ({ type: "session.output_transcript.delta", delta });
  const state = after(heard("good"), heard(" day"), said("bon"), said("jour"), heard(" you"), said(" vous"));
  assert.deepEqual(
    state.turns.map((turn) => [turn.text, turn.reply.text]),
    [
      ["good day", "bonjour"],
      ["you", "vous"],
    ],
  );
  const named = reduce(state, { type: "attune.nbest", utterance: 2, item_id: "b", hypotheses: [] });
  assert.deepEqual(
    named.turns.map((turn) => turn.utterance),
    [null, 2],
  );
});

test("a translation that comes late goes to what it translates, not to what is being said by then", () => {
  const heard = (delta) => ({ type: "session.input_transcript.delta", delta });
  const said = (delta, elapsed) => ({ type: "session.output_transcript.delta", delta, elapsed_ms: elapsed });
  const voice = (n, final, at) => ({ type: "attune.prosody", utterance: n, item_id: `i${n}`, final, at_ms: at });
  const state = after(
    ...[voice(1, false, 900), heard("good"), heard(" day"), voice(1, true, 1000)],
    ...[voice(2, false, 1500), heard(" nobody"), voice(2, true, 2000)],
    ...[voice(3, false, 2500), heard(" you"), voice(3, true, 3000)],
    ...[voice(4, false, 3500), said("bon", 1000), said("jour", 1000), heard(" there"), said(" vous", 3010)],
  );
  const seen = state.turns.map((turn) => [turn.text ?? turn.stable, turn.reply?.text ?? null]);
  assert.deepEqual(seen, [
    ["good day", "bonjour"],
    ["nobody", null],
    ["you", "vous"],
    ["there", null],
  ]);
});

test("what is kept is bounded", () => {
  let state = initial();
  for (let n = 1; n < 1000; n += 1) {
    state = reduce(state, { type: "attune.prosody", utterance: n, final: false });
    state = reduce(state, {
      type: "attune.emotion.rolling",
      utterance: n,
      revision: 1,
      valence: 0.5,
      arousal: 0.5,
      distribution: {},
    });
  }
  assert.equal(state.trail.length, TRAIL_LENGTH);
  assert.equal(state.strip.length, STRIP_LENGTH);
  assert.equal(state.turns.length, 300);
  assert.ok(!hasContent(state.turns[0]));
});

test("words and voice disagree only where the voice is sure and says something else", () => {
  const words = { happy: 0.9, sad: 0.1 };
  assert.deepEqual(conflict({ words_only: words, voice_only: { happy: 0.2, sad: 0.8 }, conflict: 0.5 }).voice, [
    "sad",
    0.8,
  ]);
  assert.equal(conflict({ words_only: words, voice_only: { happy: 0.2, sad: 0.8 }, conflict: 0.1 }), null);
  assert.equal(conflict({ words_only: words, voice_only: { happy: 0.6, sad: 0.4 }, conflict: 0.5 }), null);
  assert.equal(conflict({ words_only: words, voice_only: null, conflict: null }), null);
  assert.equal(conflict(null), null);
  assert.deepEqual(nearest({ a: 0.1, b: 0.5, c: 0.4 }), ["b", "c"]);
});

test("evidence is marked whatever its case and stops, and unseen characters go", () => {
  const turn = {
    text: "I'm Happy, really!",
    nbest: [],
    emotion: { evidence: { words: [{ word: "happy", label: "happy" }] } },
  };
  assert.deepEqual(
    drawn(turn).map((word) => word.label),
    [null, "happy", null],
  );
  assert.equal(visible("a\u202eb\u0000c\u200fd"), "abcd");
  assert.equal(guess("a b", "a b c d"), "c d");
  assert.equal(guess("a b", undefined), "");
});

test("where the time went counts from the last word", () => {
  const rows = spans({ endpoint_wait_ms: 500, emotion_ms: 10, reply_ms: null, sound_ms: 100 });
  assert.deepEqual(
    rows.map(({ name, fromMs, toMs }) => [name, fromMs, toMs]),
    [
      ["waiting for more", 0, 500],
      ["emotion", 500, 510],
      ["first sound", 500, 600],
    ],
  );
});

// Sound on its way: the same however it is cut, and what was heard of an answer.

import assert from "node:assert/strict";
import { test } from "node:test";

import { RATE, decode, encode, loudness } from "../../../../agent/web/js/pcm.js";
import { Player } from "../../../../agent/web/js/player.js";
import { Resampler } from "../../../../agent/web/js/resample.js";
import { pace } from "../../../../agent/web/js/soundfile.js";

const tone = (hz, { rate, seconds = 0.5 }) =>
  Float32Array.from({ length: rate * seconds }, (_, i) => 0.5 * Math.sin((2 * Math.PI * hz * i) / rate));

const level = (samples) => Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);

test("sound comes back from the wire as it was, to one step of 16 bits", () => {
  const samples = Float32Array.from([0, 0.5, -0.5, 1, -1, 2, -2]);
  const back = decode(encode(samples));
  [0, 0.5, -0.5, 1, -1, 1, -1].forEach((expected, i) => assert.ok(Math.abs(back[i] - expected) < 1 / 16384));
  assert.equal(decode(btoa("abc")).length, 1);
});

test("loudness goes from silence to full scale", () => {
  assert.equal(loudness(new Float32Array(100)), 0);
  assert.ok(loudness(new Float32Array(100).fill(1)) > 0.99);
});

for (const from of [8000, 16000, 44100, 48000, 96000]) {
  test(`a tone at ${from} Hz keeps its pitch and level at 24 kHz, whatever the chunks`, () => {
    const input = tone(1000, { rate: from });
    const whole = new Resampler({ from, to: RATE }).feed(input);
    const cut = new Resampler({ from, to: RATE });
    const parts = [];
    for (let at = 0, size = 1; at < input.length; at += size, size = (size * 7) % 997 || 128)
      parts.push(...cut.feed(input.subarray(at, at + size)));
    assert.deepEqual(parts, [...whole]);
    const middle = whole.subarray(2000, 10000);
    assert.ok(Math.abs(level(middle) - 0.5 / Math.SQRT2) < 0.01);
    const crossings = middle.reduce((n, x, i) => n + (i > 0 && middle[i - 1] < 0 && x >= 0), 0);
    assert.ok(Math.abs(crossings - (1000 * middle.length) / RATE) <= 1);
  });
}

test("what 24 kHz cannot carry is taken out, not folded back", () => {
  const high = new Resampler({ from: 48000, to: RATE }).feed(tone(15000, { rate: 48000 }));
  assert.ok(level(high.subarray(2000)) < 0.005);
});

function aContext() {
  const context = { currentTime: 0, state: "running", destination: {}, gains: [], sources: [] };
  context.createGain = () => {
    const gain = { to: [], setTargetAtTime: (value) => gain.to.push(value) };
    context.gains.push(gain);
    return { gain, connect() {} };
  };
  context.createBuffer = (_, length, rate) => ({ duration: length / rate, copyToChannel() {} });
  context.createBufferSource = () => {
    const source = { connect() {}, start: (at) => (source.at = at), stop: (at) => (source.stopped = at) };
    context.sources.push(source);
    return source;
  };
  return context;
}

const second = encode(new Float32Array(RATE));

async function aPlayer() {
  const context = aContext();
  const player = new Player({ context: () => context });
  await player.wake();
  return { context, player };
}

test("blocks sound one after another, and what was heard is known", async () => {
  const { context, player } = await aPlayer();
  player.play("a", second);
  player.play("a", second);
  assert.equal(context.sources[1].at - context.sources[0].at, 1);
  context.currentTime = 1.55;
  assert.equal(player.heardMs("a"), 1500);
  assert.ok(player.isPlaying);
  context.currentTime = 9;
  assert.equal(player.heardMs("a"), 2000);
  assert.ok(!player.isPlaying);
  assert.equal(player.stop(), null);
});

test("silence between blocks does not count as heard", async () => {
  const { context, player } = await aPlayer();
  player.play("a", second);
  context.currentTime = 5;
  player.play("a", second);
  context.currentTime = 5.55;
  assert.equal(player.heardMs("a"), 1500);
});

test("stopping is at once, and says what was heard of what sounded", async () => {
  const { context, player } = await aPlayer();
  player.play("a", second);
  player.play("a", second);
  context.currentTime = 0.55;
  assert.deepEqual(player.stop(), { item: "a", heardMs: 500 });
  assert.ok(context.sources.every((source) => source.stopped < 0.6));
  player.play("b", second);
  assert.ok(context.sources.at(-1).at < 0.7);
});

test("what is queued is lowered and comes back; what comes later the server has lowered itself", async () => {
  const { context, player } = await aPlayer();
  player.play("a", second);
  player.duck();
  player.play("a", second);
  assert.equal(context.gains.length, 2);
  assert.ok(context.gains[0].to[0] < 0.2);
  assert.deepEqual(context.gains[1].to, []);
  player.resume();
  assert.equal(context.gains[0].to[1], 1);
});

test("a sound beside the answers is heard until it is ended, and counts for no answer", async () => {
  const { context, player } = await aPlayer();
  const hush = player.beside(new Float32Array(RATE));
  assert.equal(context.sources[0].at, 0);
  assert.equal(player.stop(), null);
  assert.equal(context.sources[0].stopped, undefined);
  hush();
  assert.equal(context.sources[0].stopped, 0);
});

test("a file goes out by the clock, never in a burst, with silence after it", () => {
  let tick = null;
  const every = (_, then) => {
    tick = then;
    return () => (tick = () => {});
  };
  let ms = 0;
  let ended = 0;
  const blocks = [];
  pace(new Float32Array(RATE).fill(0.5), {
    onBlock: (block) => blocks.push(block),
    onEnd: () => (ended += 1),
    now: () => ms,
    every,
  });
  const go = (until) => {
    for (; ms < until; ms += 50) tick();
  };
  go(500);
  assert.ok(blocks.length >= 4 && blocks.length <= 5);
  go(5000);
  assert.equal(blocks.length, 25);
  assert.equal(blocks[24][0], 0);
  assert.equal(ended, 1);
});

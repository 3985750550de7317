// A sound file instead of the microphone: decoded here, handed on as fast as it would be spoken.

import { RATE } from "./pcm.js";

const BLOCK_MS = 100;
const SILENCE_MS = 1500; // after the file, so that its last words end
const MAX_BYTES = 200 * 1024 * 1024;

/** Returns the sound of a file: mono, 24 kHz. */
export async function decodeFile(file) {
  if (file.size > MAX_BYTES) throw new Error(`${file.name} is larger than 200 MB`);
  if (file.size === 0) throw new Error(`${file.name} is empty`);
  const context = new OfflineAudioContext(1, 1, RATE);
  let sound;
  try {
    sound = await context.decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new Error(`${file.name} is no sound that this browser can decode; try WAV, MP3, OGG or M4A`);
  }
  const mono = new Float32Array(sound.length);
  for (let channel = 0; channel < sound.numberOfChannels; channel += 1) {
    const samples = sound.getChannelData(channel);
    for (let i = 0; i < mono.length; i += 1) mono[i] += samples[i] / sound.numberOfChannels;
  }
  return mono;
}

/** Returns the recorded conversation that the server has, for who has neither microphone nor file. */
export async function fetchExample() {
  const answer = await fetch("/example.ogg").catch(() => null);
  if (!answer?.ok) throw new Error("the example cannot be had from this server");
  return new File([await answer.blob()], "example");
}

/** Plays samples into `onBlock`, one block each 100 ms by the clock, then some silence, then calls `onEnd`. */
export function pace(samples, { onBlock, onEnd, now = () => performance.now(), every = repeat }) {
  const size = (RATE * BLOCK_MS) / 1000;
  const nBlocks = Math.ceil(samples.length / size) + SILENCE_MS / BLOCK_MS;
  const began = now();
  let sent = 0;
  const cancel = every(BLOCK_MS / 2, () => {
    const due = Math.min(nBlocks, Math.floor((now() - began) / BLOCK_MS));
    for (; sent < due; sent += 1) {
      const block = new Float32Array(size);
      block.set(samples.subarray(sent * size, (sent + 1) * size));
      onBlock(block);
    }
    if (sent === nBlocks) {
      cancel();
      onEnd();
    }
  });
  return { close: cancel };
}

function repeat(ms, then) {
  const timer = setInterval(then, ms);
  return () => clearInterval(timer);
}

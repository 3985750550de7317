// On the audio thread: gathers the microphone into blocks of 100 ms at 24 kHz and posts them.

import { RATE } from "./pcm.js";
import { Resampler } from "./resample.js";

const BLOCK = RATE / 10;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler({ from: sampleRate, to: RATE });
    this.block = new Float32Array(BLOCK);
    this.filled = 0;
  }

  process([channels]) {
    if (channels.length) this.gather(this.resampler.feed(channels[0].slice()));
    return true;
  }

  gather(samples) {
    for (const sample of samples) {
      this.block[this.filled] = sample;
      this.filled += 1;
      if (this.filled === BLOCK) {
        this.port.postMessage(this.block, [this.block.buffer]);
        this.block = new Float32Array(BLOCK);
        this.filled = 0;
      }
    }
  }
}

registerProcessor("capture", Capture);

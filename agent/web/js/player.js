// The reply's sound: blocks are put one after another on the audio clock. It knows what has been heard of which item.

import { RATE, decode } from "./pcm.js";

const LEAD_S = 0.05; // put between now and the first block, so that the second is there in time
const FADE_S = 0.03;
const DUCKED = 0.126; // -18 dB

export class Player {
  constructor({ onHeard = () => {}, context = () => new AudioContext({ sampleRate: RATE }) } = {}) {
    this.makeContext = context;
    this.onHeard = onHeard; // an item's first block begins to sound in so many seconds
    this.context = null;
    this.reset();
  }

  /** Call from a click: browsers let no page make a sound before. */
  async wake() {
    this.context ??= this.makeContext();
    if (this.context.state === "suspended") await this.context.resume();
  }

  async close() {
    this.stop();
    await this.context?.close();
    this.context = null;
  }

  reset() {
    this.sources = [];
    this.bus = null;
    this.item = null;
    this.ends = 0;
  }

  /** Queue the next sound of an item. */
  play(item, base64) {
    if (!this.context) return;
    const samples = decode(base64);
    if (!samples.length) return;
    const now = this.context.currentTime;
    if (item !== this.item) this.item = item;
    this.bus ??= this.newBus();
    const buffer = this.context.createBuffer(1, samples.length, RATE);
    buffer.copyToChannel(samples, 0);
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.bus);
    const at = Math.max(this.ends, now + LEAD_S);
    source.start(at);
    if (!this.sources.some((queued) => queued.item === item)) this.onHeard(item, at - now);
    this.sources.push({ source, item, at, until: at + buffer.duration });
    this.ends = at + buffer.duration;
    this.forget(now);
  }

  /** Let a sound be heard that is no answer; returns what ends it. */
  beside(samples) {
    if (!this.context) return () => {};
    const source = this.context.createBufferSource();
    source.buffer = this.context.createBuffer(1, samples.length, RATE);
    source.buffer.copyToChannel(samples, 0);
    source.connect(this.context.destination);
    source.start(0);
    return () => source.stop(0);
  }

  newBus() {
    const bus = this.context.createGain();
    bus.connect(this.context.destination);
    return bus;
  }

  /** Only what was heard is kept, as a sum, of the item that sounds now. */
  forget(now) {
    const old = this.sources.filter((queued) => queued.until < now - 30 && queued.item !== this.item);
    if (old.length) this.sources = this.sources.filter((queued) => !old.includes(queued));
  }

  get isPlaying() {
    return this.context !== null && this.context.currentTime < this.ends;
  }

  /** Milliseconds of an item that have been heard by now. */
  heardMs(item) {
    if (!this.context) return 0;
    const now = this.context.currentTime;
    const heard = this.sources.filter((queued) => queued.item === item);
    return Math.round(1000 * heard.reduce((sum, { at, until }) => sum + Math.max(0, Math.min(now, until) - at), 0));
  }

  /** Be quiet at once. Returns the item that sounded and what was heard of it; null when all was silent. */
  stop() {
    const stopped = this.isPlaying ? { item: this.item, heardMs: this.heardMs(this.item) } : null;
    const silent = (this.context?.currentTime ?? 0) + FADE_S;
    this.bus?.gain.setTargetAtTime(0, this.context.currentTime, FADE_S / 4);
    for (const { source, until } of this.sources) if (until > silent) source.stop(silent);
    this.reset();
    return stopped;
  }

  /** Lower what is queued. What comes later the server has lowered itself: it goes over a bus of its own. */
  duck() {
    if (!this.bus) return;
    this.lowered = this.bus;
    this.bus.gain.setTargetAtTime(DUCKED, this.context.currentTime, FADE_S / 3);
    this.bus = null;
  }

  resume() {
    this.lowered?.gain.setTargetAtTime(1, this.context.currentTime, FADE_S / 3);
    this.lowered = null;
  }
}

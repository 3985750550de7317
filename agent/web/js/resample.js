// Changes the sampling rate of a stream: a windowed sinc, cut off below the lower of the two Nyquist rates. Pure: any
// chunks give the same samples. Used where the browser's microphone does not come at 24 kHz.

const HALF_WIDTH = 16; // zero crossings on each side

export class Resampler {
  constructor({ from, to }) {
    Object.assign(this, { from, to });
    this.cutoff = Math.min(1, to / from) * 0.94;
    this.reach = Math.ceil(HALF_WIDTH / this.cutoff);
    this.held = new Float32Array(this.reach); // the end of what came before
    this.nGone = -this.reach; // samples before `held`
    this.nOut = 0;
  }

  /** Take the next samples; what comes out lags by half the filter's width. */
  feed(samples) {
    if (this.from === this.to) return samples;
    const input = new Float32Array(this.held.length + samples.length);
    input.set(this.held);
    input.set(samples, this.held.length);
    const out = [];
    // Places are counted in whole samples and whole parts of one, so that no chunk moves them by a rounding.
    let whole = this.place();
    while (whole + this.reach < input.length) {
      out.push(this.value(input, { whole, part: ((this.nOut * this.from) % this.to) / this.to }));
      this.nOut += 1;
      whole = this.place();
    }
    const gone = Math.max(0, whole - this.reach);
    this.held = input.slice(gone);
    this.nGone += gone;
    return Float32Array.from(out);
  }

  /** Where in `held` and what follows the next output lies. */
  place() {
    return Math.floor((this.nOut * this.from) / this.to) - this.nGone;
  }

  value(input, { whole, part }) {
    let sum = 0;
    for (let i = 1 - this.reach; i <= this.reach; i += 1) sum += input[whole + i] * this.weight(i - part);
    return sum;
  }

  weight(offset) {
    const x = offset * this.cutoff;
    const sinc = x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
    const window = 0.5 + 0.5 * Math.cos((Math.PI * offset) / this.reach);
    return this.cutoff * sinc * window;
  }
}

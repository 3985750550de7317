// Sound as it travels: 16-bit little-endian PCM in base64, 24 kHz, mono. Pure.

export const RATE = 24000;

/** Floats in [-1, 1] as the base64 text of an append. */
export function encode(samples) {
  const bytes = new Uint8Array(samples.length * 2);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < samples.length; i += 1) {
    const sample = Math.max(-1, Math.min(1, samples[i]));
    view.setInt16(2 * i, Math.round(sample < 0 ? sample * 32768 : sample * 32767), true);
  }
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}

/** The base64 text of a delta as floats in [-1, 1]. An odd last byte is left out. */
export function decode(base64) {
  const text = atob(base64);
  const samples = new Float32Array(text.length >> 1);
  for (let i = 0; i < samples.length; i += 1) {
    const value = text.charCodeAt(2 * i) | (text.charCodeAt(2 * i + 1) << 8);
    samples[i] = (value > 32767 ? value - 65536 : value) / 32768;
  }
  return samples;
}

/** How loud samples are, 0 (silence, -60 dB and below) to 1 (full scale). */
export function loudness(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const db = 10 * Math.log10(sum / Math.max(1, samples.length) + 1e-12);
  return Math.max(0, Math.min(1, 1 + db / 60));
}

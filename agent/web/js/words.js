// Words on the page: which are still uncertain, and which carried the feeling. Pure.

const UNSURE = 0.5; // posterior of a final word below which it is shown as a guess
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** Text without characters that are unseen or turn the direction of writing. */
export const visible = (text) => String(text ?? "").replace(UNSEEN, "");

export const split = (text) => visible(text).split(/\s+/).filter(Boolean);

const bare = (word) => word.toLowerCase().replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, "");

/** What may still change of a partial reading: its words after those that are settled. */
export function guess(stable, partial) {
  return split(partial).slice(split(stable).length).join(" ");
}

/**
 * A turn's words for drawing: `[{text, isGuess, label}]`; `label` is the feeling that a word was evidence of.
 * While somebody speaks, what follows the settled words is a guess; afterwards a word the recogniser doubts is.
 */
export function drawn(turn) {
  const evidence = new Map((turn.emotion?.evidence?.words ?? []).map((e) => [bare(e.word), e.label]));
  const mark = (text, isGuess) => ({ text, isGuess, label: evidence.get(bare(text)) ?? null });
  if (turn.text === null) {
    return [...split(turn.stable).map((w) => mark(w, false)), ...split(turn.guess).map((w) => mark(w, true))];
  }
  const words = split(turn.text);
  const posteriors = (turn.nbest[0]?.words ?? []).map((word) => word.posterior ?? 1);
  const fits = posteriors.length === words.length;
  return words.map((word, i) => mark(word, fits && posteriors[i] < UNSURE));
}

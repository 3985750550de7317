// Names of feelings and measures as people read them. The one place where labels are written down on the page.

export const EIGHT = ["angry", "sad", "disgusted", "contemptuous", "fearful", "neutral", "surprised", "happy"];
export const UNCLEAR = "unclear";

const CONFLICT = 0.3; // divergence of words and voice from which it is told,
const SURE = 0.5; // and how sure the voice must be

export const percent = (share) => `${Math.round(100 * share)} %`;

/** What an estimate says in a word or two. */
export function nameOf({ top: label, compound }) {
  return label !== UNCLEAR && compound?.length === 2 ? compound.join(" and ") : label;
}

/** The label a distribution is for most, `[label, share]`. */
export function top(distribution) {
  return Object.entries(distribution ?? {}).reduce((best, entry) => (entry[1] > best[1] ? entry : best), [UNCLEAR, 0]);
}

/** What words and voice say where they disagree, else null. */
export function conflict(emotion) {
  const { words_only: words, voice_only: voice } = emotion ?? {};
  if (!words || !voice || (emotion.conflict ?? 0) < CONFLICT) return null;
  const [says, sounds] = [top(words), top(voice)];
  return sounds[1] < SURE || says[0] === sounds[0] ? null : { words: says, voice: sounds };
}

/** The two labels an unclear estimate wavers between. */
export function nearest(distribution) {
  return Object.entries(distribution)
    .sort((a, b) => b[1] - a[1])
    .slice(0, 2)
    .map(([label]) => label);
}

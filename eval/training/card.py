"""The model card that `attune-eval fit emotion` writes beside the weights."""

from __future__ import annotations

from typing import Final

CARD: Final = """# The embedded emotion model

Written by `attune-eval fit emotion`; do not edit by hand. What the model tells is what somebody's words and voice
*express*, as others would label it. It does not know what anybody feels and must not be used to judge people.

| file | what it is | trained on |
|---|---|---|
| text.npz | two linear heads (Big Four, eight classes) over word and letter n-grams, 8-bit weights | GoEmotions train |
| voice.npz | linear heads over prosody and spectrum, for unknown and for known speakers | EmoDB |

## Data

- **GoEmotions** (Demszky et al. 2020): 43 thousand English Reddit comments; Apache-2.0. Turned into what a recogniser
  returns: no case, punctuation, digits, emoji or names. The Big Four head learns from comments whose labels all lie in
  one class (anger, annoyance | joy, amusement, excitement, love | neutral | sadness, grief, disappointment, remorse)
  and, at a tenth of the weight, from their neighbours (admiration, gratitude, disapproval, ...). There is no contempt
  in GoEmotions: *contemptuous* among the eight is disapproval, a poor stand-in.
- **EmoDB** (Burkhardt et al. 2005): ten German sentences, acted in a studio. The shipped
  weights rest on eight of its ten speakers. Its licence was not verified.
- MELD is only ever measured on. No weight, threshold or temperature was fitted on it; the settings were chosen by
  cross-validation on GoEmotions train, with the figures on MELD train and dev in view.

## How words and voice are put together

There are no recordings with labels for both in the training data, so the weights of the fusion are chosen, not fitted:
the words count fully; the voice's odds between high and low arousal, which carry over between languages and speakers
best, count 0.6; its odds inside these halves (angry or happy, neutral or sad) count 0.3. Before that the voice is
flattened by a fixed caution, and more the less it resembles the training speech, and either side keeps a doubt
(8 % and 10 %), so that none can drown the other. The estimate abstains below a probability of 0.4. Temperatures come
from held-out folds of GoEmotions train and left-out speakers of EmoDB, every class weighing the same: a probability
means odds before anything is known of how common a feeling is.

Fear and disgust are not among the Big Four; the more likely one is, the less likely is *neutral* made.
Valence, arousal and dominance of words are read off the places of the labels in Russell & Mehrabian (1977): a hint.

## Figures

Percent, with 95 % bootstrap intervals. UA is mean recall over the labels, WA accuracy, ECE the expected calibration
error over 15 bins. Comments are judged in spoken form whether they come written or spoken: the model sees nothing else.

{table}
*Made-up pairs* join words and voices of one class that have nothing to do with each other. They show that neither side
drowns the other, no more.

## Limits

- Reddit is not speech. On TV dialogue the words alone tell much less, as the MELD figures show.
- Recognition errors cost: roughly, and measured beforehand, 3 points UA at 10 % word errors, 7 at 20 %, 14 at 40 %.
- Irony, idiom, quotation and negation beyond a few words are read wrongly.
- The voice model knows acted German of ten people. Accents, age, illness, noise and telephones change it; it trusts
  itself less the further a voice lies from that, and is better after some utterances of the same speaker.
- Raters agree only in part on what is expressed; so can the model.
"""

// What the page says to the server: client events of the OpenAI Realtime schema, and those of Attune's extension. Pure.

/** Which of Attune's events come, and what may be read; an `emotion` of null leaves that to the server. */
const options = ({ emotion, consent }) => ({ events: "all", consent, ...(emotion && consent ? { emotion } : {}) });

/** First message of a conversation, and after each change of a switch. */
export const update = (settings) => ({
  type: "session.update",
  session: { type: "realtime", attune: options(settings) },
});

/** First message of a translation. */
export const translate = ({ language, ...settings }) => ({
  type: "session.update",
  session: {
    audio: { input: { transcription: { model: "attune" } }, output: { language } },
    attune: options(settings),
  },
});

export const append = (audio, { translating = false } = {}) => ({
  type: translating ? "session.input_audio_buffer.append" : "input_audio_buffer.append",
  audio,
});

/** A typed message; it is answered on `respond`. */
export const write = (text) => ({
  type: "conversation.item.create",
  item: { type: "message", role: "user", content: [{ type: "input_text", text }] },
});

export const respond = () => ({ type: "response.create" });

export const cancel = () => ({ type: "response.cancel" });

export const truncate = (item, heardMs) => ({
  type: "conversation.item.truncate",
  item_id: item,
  content_index: 0,
  audio_end_ms: heardMs,
});

/** What the user says of a feeling: `{label}`, `{denied: label}` or `{text}`. */
export const correct = ({ item, utterance }, said) => ({
  type: "attune.emotion.correct",
  ...(item ? { item_id: item } : { utterance }),
  ...said,
});

export const listHistory = () => ({ type: "attune.history.list" });
export const exportHistory = (session) => ({ type: "attune.history.export", session });
export const deleteHistory = (session) => ({ type: "attune.history.delete", ...(session ? { session } : {}) });

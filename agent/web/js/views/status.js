// Whether there is a connection, and the one line that says what is wrong.

import { byId, setText, whenChanged } from "./dom.js";

const NAMES = {
  idle: "not connected",
  connecting: "connecting",
  open: "connected",
  waiting: "connection lost",
  closed: "not connected",
};

export function statusView(talk) {
  byId("trouble-close").addEventListener("click", () => talk.trouble(null));
  byId("trouble-again").addEventListener("click", () => talk.ready());
  const render = whenChanged((connection, trouble) => {
    const place = byId("connection");
    place.dataset.phase = connection.name;
    setText(byId("connection-text"), nameOf(connection));
    byId("trouble").hidden = !trouble;
    byId("trouble-again").hidden = !trouble?.isGrave;
    setText(byId("trouble-text"), trouble?.message ?? "");
  });
  return ({ connection, trouble }) => render(connection, trouble);
}

function nameOf({ name, message, isBack }) {
  if (name === "connecting" && isBack) return "coming back";
  return name === "waiting" ? `${message}; coming back` : NAMES[name];
}

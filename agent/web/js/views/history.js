// The conversations that are kept: list, export, delete after a question.

import { visible } from "../words.js";
import { byId, make, setText, whenChanged } from "./dom.js";

export function historyView(talk) {
  const sheet = byId("history");
  byId("open-history").addEventListener("click", () => {
    sheet.showModal();
    talk.history("list");
  });
  byId("delete-all").addEventListener("click", () => askToDelete(talk, null));
  const render = whenChanged(({ sessions, trouble }) => {
    const isEmpty = sessions?.length === 0;
    setText(byId("history-trouble"), trouble ?? (isEmpty ? "Nothing is kept." : sessions ? "" : "Looking…"));
    byId("delete-all").hidden = !sessions?.length;
    byId("sessions").replaceChildren(...(sessions ?? []).map((session) => row(talk, session)));
  });
  return (state) => render(state.history);
}

function row(talk, session) {
  const { id } = session;
  const turns = session.n_turns ?? 0;
  return make(
    "li",
    { "data-session": id },
    make(
      "div",
      {},
      make("p", { class: "session-text", dir: "auto" }, visible(session.last_text ?? "") || "(nothing said)"),
      make("p", { class: "small" }, `${when(session)}${turns} ${turns === 1 ? "turn" : "turns"} · ${id}`),
    ),
    make(
      "div",
      { class: "row-buttons" },
      make(
        "button",
        {
          class: "quiet",
          type: "button",
          "aria-label": `Export ${id}`,
          on: { click: () => talk.history("export", id) },
        },
        "Export",
      ),
      make(
        "button",
        { class: "danger", type: "button", "aria-label": `Delete ${id}`, on: { click: () => askToDelete(talk, id) } },
        "Delete",
      ),
    ),
  );
}

function when(session) {
  const at = new Date(session.started ?? "");
  if (Number.isNaN(at.getTime())) return "";
  return `${at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })} · `;
}

function askToDelete(talk, session) {
  const question = byId("question");
  setText(byId("question-text"), session ? `Delete ${session} for good?` : "Delete all kept conversations for good?");
  // Not when it closes: that is told late, and an earlier question could answer for this one.
  question.querySelector("form").onsubmit = ({ submitter }) => {
    if (submitter.value === "yes") talk.history("delete", session);
  };
  question.showModal();
}

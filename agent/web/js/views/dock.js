// Where one talks, plays a file or writes.

import { byId, setText } from "./dom.js";

export function dockView(talk) {
  const microphone = byId("microphone");
  const file = byId("file");
  const message = byId("message");
  microphone.addEventListener("click", () => talk.toggleMicrophone());
  byId("stop").addEventListener("click", () => talk.stopReply());
  byId("example").addEventListener("click", () => talk.playExample());
  byId("play-file").addEventListener("click", () =>
    talk.store.state.input.kind === "file" ? talk.stopInput() : file.click(),
  );
  file.addEventListener("change", () => {
    if (file.files.length) talk.playFile(file.files[0]);
    file.value = "";
  });
  byId("write").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = message.value.trim();
    if (!text) return;
    message.value = "";
    talk.write(text);
  });
  document.addEventListener("keydown", (event) => {
    const isOpen = document.querySelector("dialog[open]");
    if (event.key === "Escape" && !isOpen) talk.stopReply();
  });
  return (state) => {
    const { kind, level, name } = state.input;
    const isOn = kind === "microphone";
    microphone.setAttribute("aria-pressed", String(isOn));
    microphone.setAttribute("aria-busy", String(kind === "asking")); // not disabled: that would take the focus away
    microphone.classList.toggle("speaking", state.isSpeaking);
    microphone.style.setProperty("--level", isOn ? level.toFixed(2) : 0);
    setText(byId("microphone-text"), { microphone: "Stop", asking: "Allow…" }[kind] ?? "Talk");
    setText(byId("play-file"), kind === "file" ? `Stop ${shortened(name)}` : "Play a file");
    byId("stop").hidden = !state.isReplying;
    const isTranslating = Boolean(state.settings.language);
    message.disabled = byId("send").disabled = isTranslating;
    message.placeholder = isTranslating ? "speak, and it is translated" : "or write a message";
  };
}

const shortened = (name) => (name.length > 18 ? `${name.slice(0, 15)}…` : name);

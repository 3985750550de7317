// What may be read, into which language, with which key.

import { sourceOf } from "../state.js";
import { byId, make, whenChanged } from "./dom.js";

const LANGUAGES =
  "ar bn cs da de el en es fa fi fr he hi hu id it ja ko nl no pl pt ro ru sv sw ta th tr uk ur vi zh".split(" ");

export function settingsView(talk) {
  const language = byId("language");
  language.append(make("option", { value: "" }, "off"), ...languages());
  language.addEventListener("change", () => talk.set({ language: language.value }));
  const sources = [...document.querySelectorAll("#source input")];
  for (const source of sources) source.addEventListener("change", () => choose(talk, source.value));
  const consent = byId("consent");
  consent.addEventListener("change", () => talk.set({ consent: consent.checked }));
  byId("open-settings").addEventListener("click", () => byId("settings").showModal());
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    talk.set({ key: byId("key").value.trim() });
    byId("settings").close();
  });
  const render = whenChanged((settings, session) => {
    const source = sourceOf({ settings, session });
    for (const input of sources) input.checked = input.value === source;
    consent.checked = settings.consent === true;
    language.value = settings.language;
    document.body.classList.toggle("translating", Boolean(settings.language));
    byId("about").replaceChildren(...about(session));
  });
  return ({ settings, session }) => render(settings, session);
}

/** Switching emotion on needs consent; it is asked for where it was not given. */
function choose(talk, emotion) {
  if (emotion !== "off" && !talk.settings.consent) {
    byId("settings").showModal();
    byId("consent").focus();
    talk.store.dispatch({ type: "page.setting", values: {} }); // puts the switch back
    return;
  }
  talk.set({ emotion });
}

function languages() {
  const names = new Intl.DisplayNames(["en"], { type: "language" });
  const named = LANGUAGES.map((code) => ({ code, name: names.of(code) })).sort((a, b) => a.name.localeCompare(b.name));
  return named.map(({ code, name }) => make("option", { value: code }, name));
}

function about({ id, profile, notice }) {
  const rows = [
    ["Conversation", id],
    ["Engines", profile],
    ["Notice", notice],
  ].filter(([, value]) => value);
  return rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
}

export function welcomeView(talk) {
  const begin = (consent) => {
    talk.begin(consent);
    byId("welcome").hidden = true;
    byId("app").hidden = false;
    byId("microphone").focus();
  };
  byId("agree").addEventListener("click", () => begin(true));
  byId("agree-example").addEventListener("click", () => {
    begin(true);
    talk.playExample();
  });
  byId("decline").addEventListener("click", () => begin(false));
  byId("agree").focus();
}

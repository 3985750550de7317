// Puts the page together.

import { Store } from "./store.js";
import { Talk } from "./talk.js";
import { announcerView, conversationView, nowView } from "./views/conversation.js";
import { dockView } from "./views/dock.js";
import { emotionView } from "./views/emotion.js";
import { historyView } from "./views/history.js";
import { latencyView } from "./views/latency.js";
import { prosodyView } from "./views/prosody.js";
import { readingsView } from "./views/readings.js";
import { settingsView, welcomeView } from "./views/settings.js";
import { statusView } from "./views/status.js";
import { trailView } from "./views/trail.js";

const store = new Store();
const talk = new Talk(store);
const views = [
  statusView,
  settingsView,
  dockView,
  conversationView,
  emotionView,
  trailView,
  prosodyView,
  readingsView,
  latencyView,
  historyView,
  announcerView,
  nowView,
];
for (const view of views) store.show(view(talk));
welcomeView(talk);

// A link to a server that asks for a key may bring it along: …/#key=secret. It is taken out of the address at once.
const key = new URLSearchParams(location.hash.slice(1)).get("key");
if (key) {
  talk.set({ key });
  history.replaceState(null, "", location.pathname);
}

addEventListener("online", () => talk.wire?.hurry());
addEventListener("pagehide", () => talk.leave());

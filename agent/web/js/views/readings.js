// What the recogniser also thought it heard, on demand.

import { percent } from "../labels.js";
import { shownTurn } from "../state.js";
import { visible } from "../words.js";
import { byId, make, whenChanged } from "./dom.js";

export function readingsView() {
  const list = make("ol", { class: "readings" });
  const count = make("span", { class: "share" });
  byId("readings").append(make("details", {}, make("summary", {}, "Other readings ", count), list));
  const render = whenChanged((nbest) => {
    byId("readings-card").hidden = nbest.length === 0;
    count.textContent = nbest.length ? String(nbest.length) : "";
    list.replaceChildren(
      ...nbest.map((reading) =>
        make(
          "li",
          {},
          make("span", { class: "number" }, percent(reading.posterior ?? 0)),
          make("span", { dir: "auto" }, visible(reading.text)),
        ),
      ),
    );
  });
  const none = [];
  return (state) => render(shownTurn(state)?.nbest ?? none);
}

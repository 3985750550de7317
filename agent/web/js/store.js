// Holds the state; tells the views once per frame.

import { initial, reduce } from "./state.js";

export class Store {
  constructor({ frame = (then) => requestAnimationFrame(then) } = {}) {
    this.state = initial();
    this.views = [];
    this.frame = frame;
    this.isDue = false;
  }

  dispatch(event) {
    const next = reduce(this.state, event);
    if (next === this.state) return;
    this.state = next;
    if (this.isDue) return;
    this.isDue = true;
    this.frame(() => {
      this.isDue = false;
      for (const view of this.views) view(this.state);
    });
  }

  show(view) {
    this.views.push(view);
    view(this.state);
  }
}

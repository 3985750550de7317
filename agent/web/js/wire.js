// The connection: opens, comes back with growing pauses when it is lost, and takes the conversation up where it was.

import { REFUSED, SAID, isFinal } from "./closing.js";

const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_MS = 10_000;
const HELD_SOUND = 20; // blocks of 100 ms kept while the connection is away: the newest two seconds
const HELD_MESSAGES = 50;
const SLOW_BYTES = 512 * 1024; // more unsent than this: sound is left out rather than piled up
const REFUSALS = 2; // refused so often while the server is there: the conversation is gone

/** The number at the end of an event's id: after which event the server shall go on. */
export const numberOf = (eventId) => Number(/(\d+)$/.exec(eventId ?? "")?.[1] ?? 0);

export class Wire {
  /**
   * `onEvent` takes each server event, `onPhase` {name, message?, code?}: "connecting", "open", "waiting", "closed";
   * `onFresh` is called when a new session is open, to say what is wanted of it. `world` stands in for the browser.
   */
  constructor({ path, key = "", onEvent, onPhase, onFresh, world = browser() }) {
    Object.assign(this, { path, key, onEvent, onPhase, onFresh, world });
    this.sound = [];
    this.messages = [];
    this.forgetSession();
    this.attempt = 0;
    this.isWanted = false;
  }

  forgetSession() {
    this.token = null;
    this.last = 0;
    this.refusals = 0;
  }

  open() {
    this.isWanted = true;
    this.connect();
  }

  connect() {
    this.world.cancel(this.timer);
    this.timer = null;
    this.onPhase({ name: "connecting", isBack: this.token !== null });
    const protocols = ["realtime"];
    if (this.key) protocols.push(`openai-insecure-api-key.${this.key}`);
    const isResuming = this.token !== null;
    if (isResuming) protocols.push(`attune-resume.${this.token}.${this.last}`);
    const socket = this.world.socket(this.path, protocols);
    this.socket = socket;
    let hasOpened = false;
    socket.onopen = () => {
      hasOpened = true;
    };
    socket.onmessage = ({ data }) => this.take(JSON.parse(data), isResuming);
    socket.onclose = ({ code, reason }) => {
      if (this.socket === socket) this.lost({ code, reason, wasRefused: isResuming && !(hasOpened && this.isOpen) });
    };
  }

  get isOpen() {
    return this.phase === "open";
  }

  take(event, isResuming) {
    if (event.event_id) this.last = numberOf(event.event_id);
    this.token = event.resume_token ?? event.session?.attune?.resume_token ?? this.token;
    if (!this.isOpen && event.type !== "error") this.settle(isResuming);
    this.onEvent(event);
  }

  /** The first event has come: the session is there. */
  settle(isResuming) {
    this.phase = "open";
    this.attempt = 0;
    this.refusals = 0;
    this.onPhase({ name: "open" });
    if (!isResuming) this.onFresh();
    for (const message of [...this.messages.splice(0), ...this.sound.splice(0)]) this.socket.send(message);
  }

  async lost({ code, reason, wasRefused }) {
    this.phase = "lost";
    this.socket = null;
    if (!this.isWanted) return;
    if (isFinal(code)) {
      this.end(SAID[code] ?? reason, code);
      return;
    }
    if (code === REFUSED) this.refusals = REFUSALS;
    else if (wasRefused && (await this.world.isServerThere())) this.refusals += 1;
    if (!this.isWanted) return;
    if (this.refusals >= REFUSALS) this.startAnew();
    else this.wait(code);
  }

  startAnew() {
    this.forgetSession();
    this.onEvent({ type: "page.session.lost" });
    this.connect();
  }

  wait(code) {
    const inMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.attempt) * (0.75 + 0.5 * this.world.random());
    this.attempt += 1;
    this.onPhase({ name: "waiting", message: SAID[code] ?? "the connection was lost" });
    this.timer = this.world.after(inMs, () => this.connect());
  }

  /** Try again now: the network is back, or somebody asked for it. */
  hurry() {
    if (this.timer && this.isWanted) this.connect();
  }

  /** Say something; what cannot be said now is said when the connection is back. */
  send(message) {
    const text = JSON.stringify(message);
    if (this.isOpen) this.socket.send(text);
    else if (this.messages.length < HELD_MESSAGES) this.messages.push(text);
  }

  sendSound(message) {
    const text = JSON.stringify(message);
    if (!this.isOpen) this.sound = [...this.sound, text].slice(-HELD_SOUND);
    else if (this.socket.bufferedAmount < SLOW_BYTES) this.socket.send(text);
  }

  close() {
    this.end("", 1000);
  }

  end(message, code) {
    this.isWanted = false;
    this.world.cancel(this.timer);
    this.timer = null;
    this.phase = "closed";
    const { socket } = this;
    this.socket = null;
    socket?.close(1000);
    this.forgetSession();
    this.messages = [];
    this.sound = [];
    this.onPhase({ name: "closed", message, code });
  }
}

function browser() {
  const base = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}`;
  return {
    socket: (path, protocols) => new WebSocket(`${base}${path}`, protocols),
    after: (ms, then) => setTimeout(then, ms),
    cancel: (timer) => clearTimeout(timer),
    random: () => Math.random(),
    isServerThere: () =>
      fetch("/health", { cache: "no-store" }).then(
        (answer) => answer.ok,
        () => false,
      ),
  };
}

// One conversation seen from the page: what is clicked goes to the server, what comes from there to store and player.

import { NO_TRANSLATOR } from "./closing.js";
import { microphoneTrouble, openMicrophone } from "./microphone.js";
import { encode, loudness } from "./pcm.js";
import { Player } from "./player.js";
import * as requests from "./requests.js";
import { save } from "./saving.js";
import { HISTORY } from "./state.js";
import { decodeFile, fetchExample, pace } from "./soundfile.js";
import { Wire } from "./wire.js";

const PATHS = {
  talk: "/v1/realtime?model=attune&attune=all",
  translate: "/v1/realtime/translations?model=attune&attune=all",
};

export class Talk {
  constructor(store, { player = new Player() } = {}) {
    this.store = store;
    this.player = player;
    this.cut = new Set(); // items that were interrupted: what still comes of them is not played
    this.input = null;
    this.nInputs = 0; // so that of two that begin at once only the later one goes on
    this.wire = null;
    this.nAsked = 0; // of what is kept
    this.isOwed = false; // an answer to what was written while another was under way
  }

  get settings() {
    return this.store.state.settings;
  }

  /** The person has agreed to be read, or not; nothing was sent before. */
  async begin(consent) {
    this.store.dispatch({ type: "page.setting", values: { consent } });
    if (this.wire) this.tellSettings();
    else this.connect();
    await this.player.wake();
  }

  connect() {
    const { language, key } = this.settings;
    this.wire?.close();
    this.wire = new Wire({
      path: language ? PATHS.translate : PATHS.talk,
      key,
      onEvent: (event) => this.hear(event),
      onPhase: (phase) => this.follow(phase),
      onFresh: () => this.tellSettings(),
    });
    this.wire.open();
  }

  follow(phase) {
    this.store.dispatch({ type: "page.phase", phase });
    if (phase.name === "closed" && phase.message) this.stopInput();
    if (phase.code !== NO_TRANSLATOR || !this.settings.language) return;
    this.store.dispatch({ type: "page.setting", values: { language: "" } });
    this.connect();
  }

  /** A conversation that ended begins anew with the next thing that is said. */
  ready() {
    if (this.store.state.connection.name === "closed") this.connect();
    this.store.dispatch({ type: "page.trouble", message: null });
  }

  /** The page is left: the microphone is freed, and the server told. */
  leave() {
    this.stopInput();
    this.hush();
    this.wire?.close();
  }

  tellSettings() {
    const { settings } = this;
    this.wire.send(settings.language ? requests.translate(settings) : requests.update(settings));
  }

  set(values) {
    const isAnother = ("language" in values && values.language !== this.settings.language) || "key" in values;
    this.store.dispatch({ type: "page.setting", values });
    if (!this.wire) return;
    if (isAnother) {
      this.hush();
      this.store.dispatch({ type: "page.trouble", message: null });
      this.connect();
    } else {
      this.tellSettings();
    }
  }

  hear(event) {
    this.store.dispatch(event);
    switch (event.type) {
      case "input_audio_buffer.speech_started":
        this.bargeIn();
        break;
      case "response.output_audio.delta":
        if (!this.cut.has(event.item_id)) this.player.play(event.item_id, event.delta);
        break;
      case "session.output_audio.delta":
        this.player.play("translation", event.delta);
        break;
      case "response.done":
        this.answerWhatIsOwed();
        break;
      case "error":
        if (event.error.code === "conversation_already_has_active_response") this.isOwed = true;
        break;
      case "attune.floor":
        if (event.action === "duck") this.player.duck();
        else this.player.resume();
        break;
      case "attune.history.turns":
        save(event);
        break;
      case "attune.history.deleted":
        this.history("list");
        break;
    }
  }

  /** Somebody speaks: be quiet at once, and say how much of the answer was heard. */
  bargeIn() {
    const stopped = this.hush();
    if (stopped && !this.settings.language) this.wire.send(requests.truncate(stopped.item, stopped.heardMs));
  }

  hush() {
    const stopped = this.player.stop();
    if (stopped) {
      this.cut.add(stopped.item);
      this.store.dispatch({ type: "page.cut", item: stopped.item });
    }
    return stopped;
  }

  stopReply() {
    if (this.store.state.isReplying) this.wire.send(requests.cancel());
    this.bargeIn();
  }

  write(text) {
    this.ready();
    this.bargeIn();
    this.wire.send(requests.write(text));
    // One answer at a time: where one is under way, it is stopped, and the next asked for when it is over.
    this.isOwed = this.store.state.isReplying;
    this.wire.send(this.isOwed ? requests.cancel() : requests.respond());
  }

  answerWhatIsOwed() {
    if (!this.isOwed) return;
    this.isOwed = false;
    this.wire.send(requests.respond());
  }

  async toggleMicrophone() {
    const { kind } = this.store.state.input;
    if (kind === "asking") return;
    if (kind === "microphone") {
      await this.stopInput();
      return;
    }
    await this.beginInput(async (isLast) => {
      this.note({ kind: "asking", name: "" });
      await this.player.wake();
      const input = await openMicrophone({
        onBlock: (block) => isLast() && this.send(block),
        onLost: () => this.lostMicrophone(),
      });
      return { input, shown: { kind: "microphone" } };
    }, microphoneTrouble);
  }

  async lostMicrophone() {
    await this.stopInput();
    this.trouble("the microphone went away; plug it in and start it again");
  }

  playExample() {
    return this.playSound(fetchExample);
  }

  playFile(file) {
    return this.playSound(async () => file);
  }

  /** Both hear it: the person, and the server instead of the microphone. */
  async playSound(load) {
    await this.beginInput(async (isLast) => {
      await this.player.wake();
      const file = await load();
      const samples = await decodeFile(file);
      if (!isLast()) return { input: null };
      const hush = this.player.beside(samples);
      const sending = pace(samples, { onBlock: (block) => this.send(block), onEnd: () => this.stopInput() });
      const close = () => {
        hush();
        sending.close();
      };
      return { input: { close }, shown: { kind: "file", name: file.name } };
    }, (error) => error.message);
  }

  /** `open` gives {input, shown}; what another beginning (or the end) has overtaken is closed again, unheard. */
  async beginInput(open, troubleOf) {
    await this.stopInput();
    this.ready();
    const mine = this.nInputs;
    const isLast = () => mine === this.nInputs;
    try {
      const { input, shown } = await open(isLast);
      if (isLast()) {
        this.input = input;
        this.note(shown);
      } else {
        await input?.close();
      }
    } catch (error) {
      if (!isLast()) return;
      this.note({ kind: null, level: 0 });
      this.trouble(troubleOf(error));
    }
  }

  async stopInput() {
    const { input } = this;
    this.nInputs += 1;
    this.input = null;
    this.note({ kind: null, level: 0, name: "" });
    await input?.close();
  }

  send(block) {
    this.note({ level: loudness(block) });
    this.wire.sendSound(requests.append(encode(block), { translating: Boolean(this.settings.language) }));
  }

  correct(turn, said) {
    this.wire.send(requests.correct(turn, said));
  }

  history(action, session) {
    const ask = { list: requests.listHistory, export: requests.exportHistory, delete: requests.deleteHistory };
    this.nAsked += 1;
    this.wire?.send({ ...ask[action](session), event_id: `${HISTORY}${this.nAsked}` });
  }

  note(values) {
    this.store.dispatch({ type: "page.input", values });
  }

  trouble(message) {
    this.store.dispatch({ type: "page.trouble", message });
  }
}

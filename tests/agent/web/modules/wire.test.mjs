// The connection against a world of our own: sockets, clock and chance are moved on by hand.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Wire, numberOf } from "../../../../agent/web/js/wire.js";

function aWorld({ isThere = true } = {}) {
  const world = {
    sockets: [],
    timers: [],
    socket(path, protocols) {
      const socket = {
        path,
        protocols,
        sent: [],
        bufferedAmount: 0,
        send: (text) => socket.sent.push(JSON.parse(text)),
        close() {},
      };
      world.sockets.push(socket);
      return socket;
    },
    after: (ms, then) => world.timers.push({ ms, then }) && then,
    cancel: (timer) => (world.timers = world.timers.filter(({ then }) => then !== timer)),
    random: () => 0.5,
    isServerThere: async () => isThere,
    get now() {
      return world.sockets.at(-1);
    },
    hear: (event) => world.now.onmessage({ data: JSON.stringify(event) }),
    async lose(code = 1006) {
      world.now.onclose({ code, reason: "" });
      await new Promise(setImmediate);
    },
    wait() {
      const [timer] = world.timers.splice(0);
      timer.then();
      return timer.ms;
    },
  };
  return world;
}

function aWire(world) {
  const heard = { events: [], phases: [], fresh: 0 };
  const wire = new Wire({
    path: "/v1/realtime",
    onEvent: (event) => heard.events.push(event.type),
    onPhase: (phase) => heard.phases.push(phase),
    onFresh: () => (heard.fresh += 1),
    world,
  });
  wire.open();
  return { wire, heard };
}

const opens = (world) => {
  world.now.onopen();
  world.hear({ type: "session.created", event_id: "event_s_000001" });
  world.hear({ type: "attune.session.info", event_id: "event_s_000002", resume_token: "secret" });
};

test("the number of an event is at the end of its id", () => {
  assert.equal(numberOf("event_live-7_000017"), 17);
  assert.equal(numberOf(undefined), 0);
});

test("what is said before the connection stands is said then, and the newest two seconds of sound", () => {
  const world = aWorld();
  const { wire, heard } = aWire(world);
  wire.send({ type: "response.create" });
  for (let n = 0; n < 30; n += 1) wire.sendSound({ n });
  assert.deepEqual(world.now.sent, []);
  opens(world);
  assert.equal(heard.fresh, 1);
  assert.deepEqual(world.now.sent[0], { type: "response.create" });
  assert.deepEqual(
    world.now.sent.slice(1).map(({ n }) => n),
    Array.from({ length: 20 }, (_, i) => i + 10),
  );
});

test("pauses between attempts grow up to ten seconds, and shrink again after one that worked", async () => {
  const world = aWorld({ isThere: false });
  aWire(world);
  opens(world);
  const pauses = [];
  for (let n = 0; n < 7; n += 1) {
    await world.lose(1012);
    pauses.push(world.wait());
  }
  assert.deepEqual(pauses, [400, 800, 1600, 3200, 6400, 10000, 10000]);
  world.now.onopen();
  world.hear({ type: "attune.session.resumed", event_id: "event_s_000003" });
  await world.lose(1012);
  assert.equal(world.wait(), 400);
});

test("who comes back says after which event, and sets nothing anew", async () => {
  const world = aWorld();
  const { heard } = aWire(world);
  opens(world);
  world.hear({ type: "attune.metrics", event_id: "event_s_000009" });
  await world.lose();
  world.wait();
  assert.deepEqual(world.now.protocols, ["realtime", "attune-resume.secret.9"]);
  world.now.onopen();
  world.hear({ type: "attune.session.resumed", event_id: "event_s_000010" });
  assert.equal(heard.fresh, 1);
});

test("a server that is there but refuses twice gets a new session", async () => {
  const world = aWorld();
  const { heard } = aWire(world);
  opens(world);
  await world.lose();
  world.wait();
  await world.lose();
  world.wait();
  assert.equal(world.now.protocols.length, 2);
  await world.lose();
  assert.deepEqual(world.now.protocols, ["realtime"]);
  assert.ok(heard.events.includes("page.session.lost"));
  opens(world);
  assert.equal(heard.fresh, 2);
});

test("while the network is away the conversation is not given up", async () => {
  const world = aWorld({ isThere: false });
  aWire(world);
  opens(world);
  for (let n = 0; n < 6; n += 1) {
    await world.lose();
    world.wait();
  }
  assert.equal(world.now.protocols.length, 2);
});

test("what the server ends for good is not tried again", async () => {
  for (const code of [1000, 1008, 4001, 4030, 4031, 4033]) {
    const world = aWorld();
    const { heard } = aWire(world);
    opens(world);
    await world.lose(code);
    assert.equal(world.timers.length, 0);
    assert.equal(heard.phases.at(-1).name, "closed");
  }
});

test("a network that is slow gets less sound, and every message", () => {
  const world = aWorld();
  const { wire } = aWire(world);
  opens(world);
  world.now.bufferedAmount = 1024 * 1024;
  wire.sendSound({ type: "sound" });
  wire.send({ type: "message" });
  assert.deepEqual(world.now.sent, [{ type: "message" }]);
});

test("after closing nothing comes back", async () => {
  const world = aWorld();
  const { wire, heard } = aWire(world);
  opens(world);
  await world.lose(1012);
  wire.close();
  wire.hurry();
  assert.equal(world.timers.length, 0);
  assert.equal(world.sockets.length, 1);
  assert.equal(heard.phases.at(-1).name, "closed");
});

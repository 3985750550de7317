// Why a connection closed, in one line each, and whether it is worth coming back. Pure. The codes are the server's.

export const SAID = {
  1000: "",
  1001: "the server is restarting",
  1003: "the server takes no binary messages",
  1008: "the server refused what this page sent",
  1009: "a message was too large",
  1011: "the server had a fault",
  1012: "the server is restarting",
  1013: "the server is busy",
  4000: "the server cannot use this sound",
  4001: "the server asks for an access key, or this one is wrong: enter it under Settings",
  4008: "the access key has expired: enter a new one under Settings",
  4029: "sound came faster than it can be heard",
  4030: "this conversation goes on in another window",
  4031: "nothing was said for a long time, so the conversation was ended",
  4033: "the conversation reached its longest time",
  4044: "the earlier conversation is over",
  4101: "the server did not understand this page: reload it",
  4102: "there are too many conversations from here",
  4501: "this server has no translator: it needs a profile with a language model",
  4503: "the server is full",
};

/** Why a conversation is about to end, by the reason the server gives. */
export const ENDS = {
  draining: "the server stops",
  idle: "nothing was said for a long time",
  too_long: "it reaches its longest time",
};

/** Code of a conversation that the server does not know any more. */
export const REFUSED = 4044;

const FINAL = new Set([1000, 1003, 1008, 1009, 4000, 4001, 4008, 4030, 4031, 4033, 4101, 4501]);

/** Code of a translation asked for where nothing translates. */
export const NO_TRANSLATOR = 4501;

export const isFinal = (code) => FINAL.has(code);

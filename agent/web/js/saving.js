// Puts an exported conversation into a file of the person's own.

/** The lines of an `attune.history.turns` event: one turn as JSON on each. */
export function lines(event) {
  return event.turns.map((turn) => `${JSON.stringify(turn)}\n`).join("");
}

export function save(event) {
  const url = URL.createObjectURL(new Blob([lines(event)], { type: "application/jsonl" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `${event.session ?? "attune"}.jsonl`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

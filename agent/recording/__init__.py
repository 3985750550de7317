"""Recordings of conversations: what came into the line and when things happened, so that all of it can happen again.

A folder for each session, kept only where somebody asks for it (`attune talk --record`, `attune serve --record`):

- `recording.json`: whose engines and which settings; written first.
- `sound.wav`: all that the listener heard, 32-bit floats, sample for sample. In half duplex the silence that stood in
  for the microphone, where sound was lost the silence in its place.
- `log.jsonl`: one entry a line, in order: what stood in the stream beside sound, moments, events.

Live, a session is a function of three things, and a recording holds them and no more:

1. **The stream**: samples, and controls, commands and losses of sound, each at its sample.
2. **When the work beside the stream was done**: the moments of `agent.timing`. Each is noted with its *place*, how far
   the stream was handed to the session (samples and controls) and how many events had been told by then. What is
   *done* there is not noted: readings, words, barge-ins, what becomes of an utterance are all worked out again. A
   loudspeaker is outside: with the moments "over" and "stopped" goes what it said, how much of an answer was heard.
3. **What the line left out because it was late**: partial transcripts that were not there in time, or not asked for
   because the listener was behind.

In a replay the stream runs as fast as it is taken, but waits at each place until the moments noted for it are there,
and whatever is ready before its moment waits for it. Work that live was called off before it was done never reaches its
moment. The events noted are only compared with: none of them goes into a replay.

The same again is: all events, in order, in the form of `agent.jsonl`, but for what tells of clocks and disks
(`eval.replay.recorded` names each field, and why). Engines have to give the same for the same: a server, or a model
that draws its words, may not.

Entries are written behind the conversation, by a thread: a slow disk holds nothing up, but for a few seconds where a
recording begins and ends. After a kill a recording is good up to its last whole entry. Where the disk is full, or what
happened cannot be written, it ends there, whoever runs the program is told, the conversation goes on.
"""

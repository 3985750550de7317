// The microphone: blocks of 100 ms, 24 kHz, mono, the room's echo of our own voice taken out by the browser.

const CONSTRAINTS = {
  audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
};

const REASONS = {
  NotAllowedError: "the microphone is not allowed for this page; allow it in the browser, or play a file",
  NotFoundError: "no microphone was found; plug one in, or play a file",
  NotReadableError: "the microphone is in use by another program",
  OverconstrainedError: "the microphone cannot be used as asked",
};

/** What went wrong, in one line. */
export function microphoneTrouble(error) {
  return REASONS[error.name] ?? `the microphone does not work: ${error.message}`;
}

/** Opens it. `onBlock` takes each block, `onLost` is called when the device goes away. */
export async function openMicrophone({ onBlock, onLost }) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error("browsers give the microphone only to pages from this machine or over https");
  }
  const stream = await navigator.mediaDevices.getUserMedia(CONSTRAINTS);
  const context = new AudioContext();
  try {
    await context.audioWorklet.addModule(new URL("./worklet.js", import.meta.url));
    const capture = new AudioWorkletNode(context, "capture", {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
    });
    capture.port.onmessage = ({ data }) => onBlock(data);
    context.createMediaStreamSource(stream).connect(capture);
    await context.resume();
  } catch (error) {
    await release(stream, context);
    throw error;
  }
  const [track] = stream.getAudioTracks();
  track.addEventListener("ended", onLost);
  return {
    async close() {
      track.removeEventListener("ended", onLost);
      await release(stream, context);
    },
  };
}

async function release(stream, context) {
  for (const track of stream.getTracks()) track.stop();
  await context.close();
}

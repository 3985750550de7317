// Talk to Attune by the stock `openai` package for Node: nothing but the base URL is another.
//
//   npm install openai ws
//   attune serve --tls-cert cert.pem --tls-key key.pem      (in another terminal: this package speaks wss: only)
//   NODE_EXTRA_CA_CERTS=cert.pem node node_openai.mjs https://127.0.0.1:8765/v1 speech.wav reply.wav
//
// `speech.wav` is mono, 16 bit, 24 kHz. It is sent as fast as it was spoken, then silence until the answer is over.
import fs from 'node:fs';
import OpenAI from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';

const [baseURL, speech, reply] = process.argv.slice(2);
const CHUNK = 4800; // bytes: 100 ms
const pcm = fs.readFileSync(speech).subarray(44);
const spokenMs = pcm.length / 48;
const sound = [];

const client = new OpenAI({ baseURL, apiKey: process.env.ATTUNE_TOKEN ?? 'none' });
const connection = new OpenAIRealtimeWS({ model: 'attune' }, client);
let timer, began;

connection.socket.on('open', () => {
  // `attune` asks for emotion events beside those every Realtime server sends.
  connection.send({ type: 'session.update', session: { type: 'realtime', attune: { events: ['emotion'] } } });
  began = performance.now();
  let sent = 0;
  timer = setInterval(() => {
    for (; sent / 48 < performance.now() - began; sent += CHUNK) {
      const chunk = Buffer.alloc(CHUNK);
      pcm.copy(chunk, 0, Math.min(sent, pcm.length), sent + CHUNK);
      connection.send({ type: 'input_audio_buffer.append', audio: chunk.toString('base64') });
    }
  }, 20);
});
connection.on('conversation.item.input_audio_transcription.completed', (event) => console.log('you:', event.transcript));
connection.on('response.output_audio.delta', (event) => sound.push(Buffer.from(event.delta, 'base64')));
connection.on('response.output_audio_transcript.done', (event) => console.log('attune:', event.transcript));
connection.on('event', (event) => {
  // Only because it was asked for.
  if (event.type === 'attune.emotion.final') console.log('expressed:', event.top, JSON.stringify(event.distribution));
});
connection.on('response.done', ({ response }) => {
  console.log('answer', response.status, response.status_details?.reason ?? '');
  if (response.status === 'completed' && performance.now() - began > spokenMs) connection.close();
});
connection.on('error', (error) => {
  console.error('the server says:', error.message);
  process.exit(1);
});
connection.socket.on('close', () => {
  clearInterval(timer);
  const bytes = Buffer.concat(sound), head = Buffer.alloc(44);
  head.write('RIFF'), head.writeUInt32LE(36 + bytes.length, 4), head.write('WAVEfmt ', 8), head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20), head.writeUInt16LE(1, 22), head.writeUInt32LE(24000, 24), head.writeUInt32LE(48000, 28);
  head.writeUInt16LE(2, 32), head.writeUInt16LE(16, 34), head.write('data', 36), head.writeUInt32LE(bytes.length, 40);
  fs.writeFileSync(reply, Buffer.concat([head, bytes]));
});

"""Talk to Attune by the stock `openai` package: nothing but the base URL is another.

pip install 'openai[realtime]'; attune serve (in another terminal)
python python_openai.py http://127.0.0.1:8765/v1 speech.wav reply.wav

`speech.wav` is mono, 16 bit, 24 kHz. It is sent as fast as it was spoken, then silence until the answer is over.
"""
# ruff: noqa: ANN401, D103, T201

import asyncio
import base64
import os
import sys
import wave
from typing import Any

from openai import AsyncOpenAI

CHUNK = 4800  # bytes: 100 ms


async def speak(connection: Any, pcm: bytes) -> None:
    began, sent = asyncio.get_running_loop().time(), 0
    while True:
        chunk = pcm[sent : sent + CHUNK].ljust(CHUNK, b"\0")
        await connection.input_audio_buffer.append(audio=base64.b64encode(chunk).decode())
        sent += CHUNK
        await asyncio.sleep(began + sent / 48_000 - asyncio.get_running_loop().time())


def show(event: Any) -> None:
    if event.type == "conversation.item.input_audio_transcription.completed":
        print("you:", event.transcript)
    elif event.type == "response.output_audio_transcript.done":
        print("attune:", event.transcript)
    elif event.type == "response.done":
        print("answer", event.response.status)
    elif event.type == "attune.emotion.final":  # comes only because it was asked for
        print("expressed:", event.top, event.distribution)
    elif event.type == "error":
        sys.exit(f"the server says: {event.error.message}")


async def main(base_url: str, speech: str, reply: str) -> None:
    client = AsyncOpenAI(base_url=base_url, api_key=os.environ.get("ATTUNE_TOKEN", "none"))
    with wave.open(speech) as file, wave.open(reply, "wb") as sound:
        pcm, now = file.readframes(file.getnframes()), asyncio.get_running_loop().time
        sound.setparams((1, 2, 24_000, 0, "NONE", ""))
        async with client.realtime.connect(model="attune", extra_query={"attune": "emotion"}) as connection:
            speaking, over_s = asyncio.create_task(speak(connection, pcm)), now() + len(pcm) / 48_000
            async for event in connection:
                show(event)
                if event.type == "response.output_audio.delta":
                    sound.writeframes(base64.b64decode(event.delta))
                elif event.type == "response.done" and now() > over_s:
                    break
            speaking.cancel()


asyncio.run(main(*sys.argv[1:4]))

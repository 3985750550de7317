"""What is written of a conversation, what is read back, and what becomes of disks that are full, slow or not there."""

from __future__ import annotations

import errno
import json
import stat
import threading
from typing import TYPE_CHECKING, Any

import anyio
import numpy as np
import pytest

import agent.recording.recorder as recording
import agent.recording.writer as writing
from agent.behaviour import Behaviour, Tool, Write
from agent.recording.reader import read_recording
from agent.recording.recorder import Recorder, Recordings
from agent.recording.witness import Nobody
from agent.recording.writer import HEADER, LOG, SOUND, WAV_HEADER, RecordingWriter
from streaming.audio import FRAME, SAMPLE_RATE
from streaming.controls import Commit, Mark
from streaming.errors import AudioUnreadable
from streaming.events import AudioDropped
from streaming.files import read_audio
from tests.agent.server.hosted import client_of, scripted_host

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from typing import BinaryIO

    from streaming.events import Samples
    from streaming.sources import Sound

NOISE = np.random.default_rng(7).uniform(-1, 1, 5 * FRAME + 123).astype(np.float32)


async def stream(*sounds: Sound) -> AsyncIterator[Sound]:
    for sound in sounds:
        yield sound


async def recorded(folder: Path, *sounds: Sound, **source: Any) -> list[Sound]:
    """Record a stream; return what the line was given."""
    async with Recordings(folder=folder).witness("s") as witness:
        return [sound async for sound in witness.source(stream(*sounds), **source)]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def joined(sounds: list[Sound]) -> Samples:
    return np.concatenate([sound for sound in sounds if isinstance(sound, np.ndarray)])


@pytest.mark.anyio
@pytest.mark.parametrize("step", [1, 37, FRAME, 100_000])
async def test_the_stream_comes_back_sample_for_sample_whatever_the_chunks(tmp_path: Path, step: int):
    chunks: list[Sound] = [NOISE[at : at + step] for at in range(0, NOISE.size, step)]
    lost = AudioDropped(at_s=NOISE.size / SAMPLE_RATE, seconds=0.5, total_s=0.5)
    given = await recorded(tmp_path, *chunks, Commit(), lost, NOISE[:9])
    again = list(read_recording(tmp_path / "s").stream(step=FRAME))
    for sounds in (given, again):
        assert joined(sounds).tobytes() == np.concatenate((NOISE, NOISE[:9])).tobytes()
        assert [sound for sound in sounds if not isinstance(sound, np.ndarray)] == [Commit(), lost]
    at = next(index for index, sound in enumerate(again) if isinstance(sound, Commit))
    assert joined(again[:at]).size == NOISE.size


@pytest.mark.anyio
async def test_in_half_duplex_what_was_heard_is_recorded_not_what_was_said(tmp_path: Path):
    n_blocks = 0

    def gate(samples: Samples) -> Samples:
        nonlocal n_blocks
        n_blocks += 1
        return np.zeros_like(samples) if n_blocks > 2 else samples

    given = joined(await recorded(tmp_path, NOISE, gate=gate))
    assert not given[2 * FRAME :].any()
    assert given[: 2 * FRAME].tobytes() == NOISE[: 2 * FRAME].tobytes()
    assert read_recording(tmp_path / "s").sound.tobytes() == given.tobytes()


@pytest.mark.anyio
async def test_what_was_recorded_can_be_listened_to_and_is_its_owners_alone(tmp_path: Path):
    await recorded(tmp_path, NOISE)
    assert np.array_equal(read_audio(tmp_path / "s" / SOUND), NOISE)
    for name in (HEADER, LOG, SOUND):
        assert stat.S_IMODE((tmp_path / "s" / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o700


@pytest.mark.anyio
async def test_the_same_session_twice_is_two_recordings_and_no_name_leaves_the_folder(tmp_path: Path):
    for name in ("s", "s", "../up/s"):
        async with Recordings(folder=tmp_path / "held").witness(name):
            pass
    assert names_in(tmp_path / "held") == ["___up_s", "s", "s-2"]
    assert names_in(tmp_path) == ["held"]


@pytest.mark.anyio
async def test_a_recording_that_breaks_off_is_read_up_to_its_last_whole_entry(tmp_path: Path):
    await recorded(tmp_path, NOISE, Commit(), NOISE)
    log, sound = tmp_path / "s" / LOG, tmp_path / "s" / SOUND
    log.write_bytes(log.read_bytes() + b'{"moment": "read", "utt')
    sound.write_bytes(sound.read_bytes()[:-3])
    recording = read_recording(tmp_path / "s")
    assert not recording.has_ended
    assert recording.sound.size == 2 * NOISE.size - 1
    assert [control for _, control in recording.controls] == [Commit()]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        (HEADER, None, "holds no recording"),
        (SOUND, None, "holds no recording"),
        (HEADER, b"{", "damaged"),
        (HEADER, b"\xff\xfe", "damaged"),
        (HEADER, b"[]", "version"),
        (HEADER, b'{"version": 99}', "version 1"),
        (HEADER, b'{"version": 1}', "no session"),
        (LOG, b'{"moment": "read"}\n', "damaged"),
        (LOG, b'{"control": {"a": "Path", "with": {}}, "at": 0}\n', "damaged"),
        (LOG, b"\x00\n{}\n", "damaged"),
        (LOG, b"7\n", "damaged"),
    ],
)
def test_what_is_no_recording_is_refused_in_one_line(tmp_path: Path, name: str, content: bytes | None, why: str):
    anyio.run(lambda: recorded(tmp_path, NOISE))
    file = tmp_path / "s" / name
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    with pytest.raises(AudioUnreadable, match=why) as raised:
        read_recording(tmp_path / "s")
    assert "\n" not in str(raised.value)


class FullDisk:
    """Files that take so many bytes, then no more."""

    def __init__(self, room: int) -> None:
        self.room = room

    def __call__(self, file: BinaryIO, data: bytes) -> None:
        if len(data) > self.room:
            file.write(data[: self.room])
            self.room = 0
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= len(data)
        file.write(data)


@pytest.mark.anyio
@pytest.mark.parametrize("room", [400, 60_000])
async def test_on_a_full_disk_the_conversation_goes_on_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
):
    notes: list[str] = []
    monkeypatch.setattr(writing, "whole", FullDisk(room))
    recordings = Recordings(folder=tmp_path, note=notes.append)
    async with scripted_host() as host, client_of(host, recordings=recordings) as client:
        client.says(3.0)
        done = await client.until("response.done")
        client.says(4.0)
        await client.until("response.done", n=2)
    assert done["response"]["status"] == "completed"
    (note,) = notes
    assert note.startswith("this conversation is not recorded any more, it goes on: No space left on device")
    if room > 10_000:
        assert read_recording(tmp_path / "s1").events


@pytest.mark.anyio
async def test_where_nothing_can_be_written_the_conversation_is_held_all_the_same(tmp_path: Path):
    (tmp_path / "file").write_text("")
    notes: list[str] = []
    recordings = Recordings(folder=tmp_path / "file" / "below", note=notes.append)
    async with scripted_host() as host, client_of(host, recordings=recordings) as client:
        client.says(3.0)
        await client.until("response.done")
    assert len(notes) == 1
    assert "not recorded" in notes[0]


def test_a_disk_that_stands_still_ends_the_recording_not_the_conversation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    goes_on, notes = threading.Event(), list[str]()

    def slow(file: BinaryIO, data: bytes) -> None:
        goes_on.wait(10)
        file.write(data)

    writer = RecordingWriter(tmp_path / "s", {"version": 1}, trouble=notes.append)
    monkeypatch.setattr(writing, "whole", slow)
    monkeypatch.setattr(writing, "MOST_WAITING", 3 * NOISE.nbytes)
    for _ in range(10):
        writer.sound(NOISE)
    assert notes == [f"the disk is too slow: {tmp_path / 's'}"]
    goes_on.set()
    writer.close()
    writer.close()
    writer.entry({"end": True})  # too late, and no matter


def test_the_end_of_a_conversation_does_not_wait_for_a_disk_that_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    goes_on, notes = threading.Event(), list[str]()

    def stuck(file: BinaryIO, data: bytes) -> None:
        goes_on.wait(30)
        file.write(data)

    writer = RecordingWriter(tmp_path / "s", {"version": 1}, trouble=notes.append)
    monkeypatch.setattr(writing, "whole", stuck)
    writer.sound(NOISE)
    writer.entry({"end": True})
    closing = threading.Thread(target=lambda: writer.close(within_s=0.05), daemon=True)
    closing.start()
    closing.join(10)
    try:
        assert not closing.is_alive()
        assert notes == [f"the disk is too slow: {tmp_path / 's'}"]
    finally:
        goes_on.set()


@pytest.mark.anyio
async def test_a_conversation_begins_though_the_folder_of_its_recording_does_not_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    goes_on, left = threading.Event(), threading.Event()
    notes: list[str] = []
    recordings = Recordings(folder=tmp_path / "held", note=notes.append)
    begin = Recordings._begin

    def stuck(self: Recordings, session: str, about: dict[str, Any]) -> Recorder | None:
        goes_on.wait(30)
        return begin(self, session, about)

    def closed(self: Recorder) -> None:
        self._writer.close()
        left.set()

    monkeypatch.setattr(Recordings, "_begin", stuck)
    monkeypatch.setattr(Recorder, "close_now", closed)
    monkeypatch.setattr(recording, "BEGIN_S", 0.05)
    with anyio.fail_after(10):
        async with recordings.witness("s") as witness:
            assert isinstance(witness, Nobody)
    assert notes == [
        f"this conversation is not recorded any more, it goes on: the disk is too slow: {tmp_path / 'held'}"
    ]
    goes_on.set()
    assert left.wait(10)  # what came too late is closed again


@pytest.mark.anyio
@pytest.mark.parametrize(
    "strange",
    [
        Mark(value=object()),
        Mark(value=Behaviour(tools=(Tool(name="t", parameters={"least": float("nan")}),))),
        Mark(value=Behaviour(tools=(Tool(name="t", parameters={"one": {1}}),))),
    ],
)
async def test_what_cannot_be_written_ends_the_recording_not_the_conversation(tmp_path: Path, strange: Mark):
    notes: list[str] = []
    async with Recordings(folder=tmp_path, note=notes.append).witness("s") as witness:
        given = [sound async for sound in witness.source(stream(NOISE, strange, NOISE))]
    assert any(sound is strange for sound in given)
    assert joined(given).size == 2 * NOISE.size
    assert len(notes) == 1
    assert "it goes on" in notes[0]
    assert read_recording(tmp_path / "s").sound.size == NOISE.size


@pytest.mark.anyio
async def test_half_a_surrogate_pair_is_recorded_as_it_came(tmp_path: Path):
    notes: list[str] = []
    written = Mark(value=Write(utterance=1, text="half \ud83d of it"))
    async with Recordings(folder=tmp_path, about={"told": "\ud83d"}, note=notes.append).witness("s") as witness:
        assert [sound async for sound in witness.source(stream(written, NOISE))]
    held = read_recording(tmp_path / "s")
    assert [control for _, control in held.controls] == [written]
    assert (held.sound.size, held.about["told"], notes) == (NOISE.size, "\ud83d", [])


@pytest.mark.anyio
async def test_nothing_is_recorded_unless_somebody_asks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    async with scripted_host() as host, client_of(host, query={"attune": "all"}) as client:
        client.says(3.0)
        await client.until("response.done")
        (info,) = client.of("attune.session.info")
    assert "recorded" not in info["notice"]
    assert not names_in(tmp_path)


@pytest.mark.anyio
async def test_who_is_recorded_is_told_so_first(tmp_path: Path):
    recordings = Recordings(folder=tmp_path)
    async with scripted_host() as host, client_of(host, query={"attune": "all"}, recordings=recordings) as client:
        (info,) = client.of("attune.session.info")
    assert "This conversation is recorded" in info["notice"]
    assert json.loads((tmp_path / "s1" / HEADER).read_text())["endpoint"] == "realtime"


def test_the_header_of_a_recording_that_was_never_closed_leaves_the_length_open(tmp_path: Path):
    header = writing.wav_header(None)
    assert len(header) == WAV_HEADER.size == 58
    assert header.endswith(b"\xff\xff\xff\xff")


def test_nobody_and_the_recorder_have_the_same_methods():
    names = {name for name in vars(Nobody) if not name.startswith("_")}
    assert names <= {name for name in dir(Recorder) if not name.startswith("_")}

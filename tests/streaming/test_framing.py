from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.backends.framing import Channel, Unpacker, load_json, pack, pack_json

MESSAGES = st.lists(st.tuples(st.sampled_from([b"A", b"P", b"F"]), st.binary(max_size=50)), max_size=8)


@given(MESSAGES, st.integers(1, 20))
def test_messages_survive_any_cut_of_the_stream(messages: list[tuple[bytes, bytes]], size: int):
    stream = b"".join(pack(kind, payload) for kind, payload in messages)
    unpacker = Unpacker()
    found = [message for i in range(0, len(stream), size) for message in unpacker.feed(stream[i : i + size])]
    assert found == messages


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_json_keeps_floats_to_the_last_bit(value: float):
    ((kind, payload),) = Unpacker().feed(pack_json(b"F", {"value": value}))
    assert (kind, load_json(payload)) == (b"F", {"value": value})


def test_sending_does_not_wait_for_a_reader():
    near, far = socket.socketpair()
    with far:
        channel = Channel(near)
        for _ in range(100):
            channel.send(pack(b"A", bytes(50_000)))
        far.setblocking(False)
        unpacker, n_received = Unpacker(), 0
        while n_received < 100:
            n_received += len(unpacker.feed(far.recv(1 << 20)))
            channel.receive(0.0)
        channel.close()


def test_nothing_sent_means_nothing_received():
    near, far = socket.socketpair()
    with far:
        channel = Channel(near)
        assert channel.receive(0.0) is None
        channel.close()


def test_closing_wakes_a_thread_that_waits():
    near, far = socket.socketpair()
    channel = Channel(near)
    with far, ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(channel.receive, 60.0)
        channel.close()
        with pytest.raises(OSError, match=r"closed|descriptor"):
            waiting.result(30)
    with pytest.raises(OSError, match="closed"):
        channel.receive(0.0)
    channel.close()


def test_other_side_gone_is_an_error():
    near, far = socket.socketpair()
    far.close()
    channel = Channel(near)
    with pytest.raises(OSError, match="closed"):
        channel.receive(1.0)
    channel.close()

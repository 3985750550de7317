"""A server on loopback that holds scripted conversations, with or without TLS, and loses connections on command.

with ScriptedServer() as server:
    ... server.url                 # "http://127.0.0.1:PORT/v1", what clients take as their base URL
    server.lose_after(5)           # the connection breaks after five more messages of the client
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from tests.clients.scripted_dialogue import ScriptedDialogue

if TYPE_CHECKING:
    import ssl

    from websockets.http11 import Request, Response
    from websockets.sync.server import ServerConnection

    from tests.clients.scripted_dialogue import Event


class ScriptedServer:
    """See the module. `told` is every event of every session, `requests` the handshakes, `received` the messages."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, token: str | None = None) -> None:
        self.told: list[Event] = []
        self.requests: list[Request] = []
        self.received: list[Event] = []
        self.closed: list[int] = []
        self.dialogues: dict[str, tuple[ScriptedDialogue, list[Event]]] = {}
        self.closes_with: tuple[int, str] | None = None
        """What a connection that is lost is closed with; None: not a word."""
        self.forgets = False
        """Sessions do not outlive their connections."""
        self.refuses_again: int | None = None
        self.forgets_at_once = False
        """HTTP status for whoever comes back."""
        self._token = token
        self._left: int | None = None
        self._changed = threading.Condition()
        self._server = serve(
            self._hold, "127.0.0.1", 0, ssl=tls, compression=None, process_request=self._admit, subprotocols=None
        )
        self.port: int = self._server.socket.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, name="scripted server", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(5)

    def lose_after(self, n_messages: int) -> None:
        """The connection breaks, without a word, after so many more messages of the client."""
        self._left = n_messages

    def goodbyes(self, n: int) -> list[int]:
        """Wait until `n` connections are over; return the codes they were closed with."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.closed) >= n, timeout=10)
        return self.closed

    def types(self) -> list[str]:
        """Return the types of all events told so far."""
        return [event["type"] for event in self.told]

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        if self._token is not None and request.headers.get("Authorization") != f"Bearer {self._token}":
            return connection.respond(401, "a token is needed\n")
        if self.refuses_again is not None and len(self.requests) > 1:
            refusal = connection.respond(self.refuses_again, json.dumps({"error": {"message": "it is full"}}))
            refusal.headers["Retry-After"] = "7"
            return refusal
        if self.forgets_at_once and "Attune-Resume" in request.headers:
            return connection.respond(404, "there is no such session to resume\n")
        if urlsplit(request.path).path != "/v1/realtime":
            return connection.respond(404, "there is nothing here\n")
        return None

    def _hold(self, connection: ServerConnection) -> None:
        try:
            dialogue, log = self._greet(connection)
            for message in connection:
                text = message if isinstance(message, str) else message.decode()
                self.received.append(json.loads(text))
                self._tell(connection, dialogue.receive(text), log)
                if self._is_lost(connection):
                    return
        except ConnectionClosed:
            pass
        finally:
            with self._changed:
                self.closed.append(connection.close_code or 1006)
                self._changed.notify_all()

    def _greet(self, connection: ServerConnection) -> tuple[ScriptedDialogue, list[Event]]:
        assert connection.request is not None
        headers = connection.request.headers
        if (token := headers.get("Attune-Resume")) is not None:
            if self.forgets or token not in self.dialogues:
                connection.close(4044, "there is no such session to resume")
                raise ConnectionClosed(None, None)
            dialogue, log = self.dialogues[token]
            seen = int(headers.get("Attune-Last-Event", "0"))
            missed = [event for event in log if int(event["event_id"][-6:]) > seen]
            for event in missed:
                connection.send(json.dumps(event))
            self._tell(connection, dialogue.resumed(len(missed)), log)
            return dialogue, log
        query = parse_qs(urlsplit(connection.request.path).query)
        asked = ",".join(query.get("attune", [""])).split(",")
        options = {"emotion", "turns", "session"} if "all" in asked else set(asked) - {""}
        dialogue = ScriptedDialogue(f"s{len(self.dialogues) + 1}", attune=options)
        dialogue.resume_token = f"scripted-resume-token-{len(self.dialogues):04}"
        log: list[Event] = []
        self.dialogues[dialogue.resume_token] = dialogue, log
        self._tell(connection, dialogue.open(), log)
        return dialogue, log

    def _tell(self, connection: ServerConnection, events: list[Event], log: list[Event]) -> None:
        for event in events:
            log.append(event)
            self.told.append(event)
        for event in events:
            connection.send(json.dumps(event))

    def _is_lost(self, connection: ServerConnection) -> bool:
        if self._left is None:
            return False
        self._left -= 1
        if self._left > 0:
            return False
        self._left = None
        if self.closes_with is not None:
            connection.close(*self.closes_with)
        else:
            connection.socket.close()
        return True

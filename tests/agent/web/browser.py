"""A real browser without a window, driven over the DevTools protocol.

with Browser(microphone=wav) as browser, browser.page(url) as page:
    page.click("#agree")
    page.wait("document.querySelector('#turns').textContent.includes('hello')")
"""

from __future__ import annotations

import base64
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

if TYPE_CHECKING:
    from collections.abc import Generator

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM: Final = next((found for found in map(shutil.which, PROGRAMS) if found), None)

FLAGS: Final = """
    --headless=new --no-sandbox --disable-gpu --no-first-run --no-default-browser-check --disable-extensions
    --disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage
    --disable-features=Translate,OptimizationHints,MediaRouter --mute-audio
    --autoplay-policy=no-user-gesture-required --use-fake-ui-for-media-stream --use-fake-device-for-media-stream
    --remote-debugging-port=0 --window-size=1280,860
"""

PATIENCE_S: Final = 20.0


class Browser:
    """One process of the browser with a profile of its own. Pages are apart from each other."""

    def __init__(self, *, microphone: Path | str | None = None) -> None:
        """Start it; its fake microphone plays the WAV file again and again, or once with "%noloop" after its name."""
        assert CHROMIUM is not None
        self._profile = tempfile.mkdtemp(prefix="attune-browser-")
        flags = [*FLAGS.split(), f"--user-data-dir={self._profile}"]
        if microphone is not None:
            flags.append(f"--use-file-for-fake-audio-capture={microphone}")
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        self._process = subprocess.Popen(
            [CHROMIUM, *flags, "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        try:
            self._port = self._wait_for_port()
            with httpx.Client(trust_env=False) as client:
                version = client.get(f"http://127.0.0.1:{self._port}/json/version").json()
            self._tools = Tools(version["webSocketDebuggerUrl"])
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process and delete its profile."""
        with suppress(RuntimeError, ConnectionClosed):
            self._tools.call("Browser.close")
        self._tools.close()
        self._end()

    @contextmanager
    def page(
        self, url: str, *, width: int = 1280, height: int = 860, media: dict[str, str] | None = None
    ) -> Generator[Page]:
        """Open a page with storage of its own; `media` are features such as `prefers-color-scheme`."""
        context = self._tools.call("Target.createBrowserContext")["browserContextId"]
        target = self._tools.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self._tools.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self._tools, session=session, context=context)
        try:
            page.prepare(width=width, height=height, media=media or {})
            page.open(url)
            yield page
        finally:
            self._tools.call("Target.disposeBrowserContext", browserContextId=context)

    def _wait_for_port(self) -> int:
        told = Path(self._profile, "DevToolsActivePort")
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            assert self._process.poll() is None, "the browser ended at once"
            if told.exists() and (lines := told.read_text("utf-8").split()):
                return int(lines[0])
            time.sleep(0.02)
        raise AssertionError("the browser did not start")

    def _end(self) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)


class Page:
    """One page; what it does wrong is in `complaints`."""

    def __init__(self, tools: Tools, *, session: str, context: str) -> None:
        """Made by `Browser.page`."""
        self._tools = tools
        self._session = session
        self._context = context

    @property
    def complaints(self) -> list[str]:
        """Errors of the console, exceptions nobody caught, files that were refused."""
        return [complaint for session, complaint in list(self._tools.complaints) if session == self._session]

    def forget_complaints(self) -> None:
        """Begin a new list."""
        self._tools.complaints.clear()

    def prepare(self, *, width: int, height: int, media: dict[str, str]) -> None:
        """Listen for trouble, set the size of the window and what the person prefers."""
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")
        is_phone = width < 600
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=is_phone
        )
        features = [{"name": name, "value": value} for name, value in media.items()]
        self._call("Emulation.setEmulatedMedia", features=features)

    def open(self, url: str) -> None:
        """Go to an address; returns when it is loaded."""
        self._call("Page.navigate", url=url)
        there = json.dumps(url.partition("#")[0])
        self.wait(f"location.href.startsWith({there}) && document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """Return what an expression gives, awaited; plain values only."""
        answer = self._call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, condition: str) -> None:
        """Return when an expression is true."""
        until = time.monotonic() + PATIENCE_S
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < until, f"never: {condition}\n{self.complaints}\n{self.text('body')}"
            time.sleep(0.02)

    def text(self, selector: str) -> str:
        """Return the text that is shown of an element."""
        return self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def wait_text(self, selector: str, part: str) -> None:
        """Return when an element shows a text."""
        self.wait(f"document.querySelector({json.dumps(selector)})?.innerText.includes({json.dumps(part)})")

    def click(self, selector: str) -> None:
        """Press the mouse on an element, as a person would: what covers it gets the click."""
        where = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center'});"
            "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=where[0], y=where[1], button="left", clickCount=1)

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press a key: "Tab", "Enter", " ", "Escape", "ArrowRight"."""
        codes = {"Tab": 9, "Enter": 13, " ": 32, "Escape": 27, "ArrowLeft": 37, "ArrowRight": 39}
        text = {"Enter": "\r", " ": " "}.get(key, "")
        values = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": codes[key]}
        self._call("Input.dispatchKeyEvent", type="keyDown", text=text, modifiers=8 if shift else 0, **values)
        self._call("Input.dispatchKeyEvent", type="keyUp", modifiers=8 if shift else 0, **values)

    def type(self, text: str) -> None:
        """Write where the focus is."""
        self._call("Input.insertText", text=text)

    def choose_file(self, selector: str, path: Path) -> None:
        """Put a file into a file field."""
        root = self._call("DOM.getDocument")["root"]["nodeId"]
        node = self._call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self._call("DOM.setFileInputFiles", files=[str(path)], nodeId=node)

    def save_downloads_to(self, folder: Path) -> None:
        """Where files go that the page hands to the person."""
        self._tools.call(
            "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder), browserContextId=self._context
        )

    def wait_for_file(self, path: Path) -> None:
        """Return when a download is there, whole."""
        until = time.monotonic() + PATIENCE_S
        while not path.exists():
            assert time.monotonic() < until, f"never: {path.name}"
            time.sleep(0.02)

    def screenshot(self, path: Path) -> None:
        """Write what is seen as PNG."""
        shot = self._call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._tools.call(method, session=self._session, **params)


class Tools:
    """The connection to the browser's DevTools; a thread sorts answers from what is told unasked."""

    def __init__(self, url: str) -> None:
        """Connect."""
        self.complaints: list[tuple[str, str]] = []
        self._stack = ExitStack()
        self._socket = self._stack.enter_context(connect(url, max_size=None, compression=None, proxy=None))
        self._answers: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._n_calls = 0
        self._reader = threading.Thread(target=self._read, name="devtools", daemon=True)
        self._reader.start()

    def call(self, method: str, *, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Return the answer to a command.

        Raises:
            RuntimeError: the browser refuses it.
        """
        self._n_calls += 1
        number = self._n_calls
        self._answers[number] = queue.SimpleQueue()
        said = {"id": number, "method": method, "params": params}
        self._socket.send(json.dumps(said | ({"sessionId": session} if session else {})))
        answer = self._answers[number].get(timeout=PATIENCE_S)
        del self._answers[number]
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def close(self) -> None:
        """End the connection and its thread."""
        self._stack.close()
        self._reader.join()

    def _read(self) -> None:
        with suppress(ConnectionClosed):
            for text in self._socket:
                told = json.loads(text)
                if "id" in told:
                    self._answers[told["id"]].put(told)
                elif complaint := _complaint(told):
                    self.complaints.append((told.get("sessionId", ""), complaint))


def _complaint(told: dict[str, Any]) -> str | None:
    params = told.get("params", {})
    match told["method"]:
        case "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            return details.get("exception", {}).get("description", details["text"])
        case "Runtime.consoleAPICalled" if params["type"] in {"error", "warning", "assert"}:
            return " ".join(str(arg.get("value", arg.get("description"))) for arg in params["args"])
        case "Log.entryAdded" if params["entry"]["level"] in {"error", "warning"}:
            return f"{params['entry']['text']} {params['entry'].get('url', '')}"
        case _:
            return None

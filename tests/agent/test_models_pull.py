"""Fetching models from a hub, good and bad: resuming, checksums, disks, locks, refusals."""

from __future__ import annotations

import errno
import shutil
import socket
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from agent.models import ModelsFailed, ModelStore
from agent.models.hub import ask
from agent.models.pull import TRIES, Told, pull
from agent.models.registry import Model
from tests.fake_hub import Repository

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fake_hub import FakeHub

WEIGHTS = bytes(range(256)) * 40
FILES = {"model.bin": WEIGHTS, "config.json": b"{}", "README.md": b"hello", "empty.json": b""}
MODEL = Model(
    name="tiny",
    kind="whisper",
    repository="people/tiny",
    files=("*.bin", "*.json"),
    megabytes=1,
    licence="as they say",
    about="a test",
)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


@pytest.fixture
def repository(hub: FakeHub) -> Repository:
    hub.repositories["people/tiny"] = Repository(dict(FILES))
    return hub.repositories["people/tiny"]


def quick() -> Told:
    return Told(sleep=lambda _: None)


def assert_whole(path: Path) -> None:
    found = {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}
    assert {name for name in found if not name.startswith(".")} == {"model.bin", "config.json", "empty.json"}
    assert all(found[name] == FILES[name] for name in ("model.bin", "config.json", "empty.json"))


@pytest.mark.usefixtures("repository")
def test_the_hub_tells_true_sizes_and_the_licence():
    offer = ask(MODEL)
    assert [(file.path, file.n_bytes, file.is_large) for file in offer.files] == [
        ("config.json", 2, False),
        ("empty.json", 0, False),
        ("model.bin", len(WEIGHTS), True),
    ]
    assert (offer.licence, offer.n_bytes) == ("mit", len(WEIGHTS) + 2)


def test_of_weights_in_two_forms_only_the_safe_one_is_fetched(hub: FakeHub):
    files = {"pytorch_model.bin": WEIGHTS, "model.safetensors": WEIGHTS, "config.json": b"{}"}
    hub.repositories["people/tiny"] = Repository(files)
    model = replace(MODEL, files=("*.bin", "*.safetensors", "*.json"))
    assert [file.path for file in ask(model).files] == ["config.json", "model.safetensors"]
    del files["model.safetensors"]
    assert [file.path for file in ask(model).files] == ["config.json", "pytorch_model.bin"]


@pytest.mark.usefixtures("repository")
def test_a_model_is_whole_when_it_is_there(store: ModelStore):
    assert store.installed("tiny") is None
    path = pull(ask(MODEL), store=store)
    assert path == store.path("tiny") == store.require("tiny")
    assert_whole(path)
    found = store.installed("tiny")
    assert found is not None
    assert (found.licence, found.n_bytes, found.repository) == ("mit", len(WEIGHTS) + 2, "people/tiny")
    assert not store.part("tiny").exists()


@pytest.mark.usefixtures("repository")
def test_what_is_here_is_not_fetched_again(store: ModelStore, hub: FakeHub):
    offer = ask(MODEL)
    pull(offer, store=store)
    n_asked = len(hub.asked)
    assert pull(offer, store=store) == store.path("tiny")
    assert len(hub.asked) == n_asked


@pytest.mark.usefixtures("repository")
def test_progress_adds_up_to_the_size(store: ModelStore, hub: FakeHub):
    hub.cuts = [1, 0, 3000]
    told: list[int] = []
    offer = ask(MODEL)
    pull(offer, store=store, told=Told(progress=lambda _, n: told.append(n), sleep=lambda _: None))
    assert sum(told) == offer.n_bytes


@pytest.mark.usefixtures("repository")
def test_a_transfer_that_breaks_off_goes_on_where_it_was(store: ModelStore, hub: FakeHub):
    hub.cuts = [0, 2, 0, 3000, 500, 1]
    assert_whole(pull(ask(MODEL), store=store, told=quick()))
    starts = [int(asked.removeprefix("bytes=").removesuffix("-")) for asked in hub.sent if asked]
    assert starts == [3000, 3500, 3501]


@pytest.mark.usefixtures("repository")
def test_a_hub_that_does_not_do_ranges_sends_it_all_again(store: ModelStore, hub: FakeHub):
    hub.cuts, hub.ignores_ranges = [1, 2, 3000], True
    told: list[int] = []
    offer = ask(MODEL)
    assert_whole(pull(offer, store=store, told=Told(progress=lambda _, n: told.append(n), sleep=lambda _: None)))
    assert sum(told) == offer.n_bytes


@pytest.mark.usefixtures("repository")
def test_ctrl_c_loses_nothing(store: ModelStore, hub: FakeHub):
    def interrupt(path: str, n_bytes: int) -> None:
        if path == "model.bin" and n_bytes:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(ask(MODEL), store=store, told=Told(progress=interrupt))
    assert store.installed("tiny") is None
    hub.asked.clear()
    assert_whole(pull(ask(MODEL), store=store))
    assert not [path for path, _ in hub.asked if path.endswith("config.json")]


@pytest.mark.usefixtures("repository")
def test_an_interrupted_pull_goes_on_the_next_time(store: ModelStore, hub: FakeHub):
    hub.cuts = [2, 3000] + [0] * TRIES
    waited: list[float] = []
    with pytest.raises(ModelsFailed, match="what is here so far is kept"):
        pull(ask(MODEL), store=store, told=Told(sleep=waited.append))
    assert waited == sorted(waited)
    assert len(waited) == TRIES - 1
    hub.cuts.clear()
    hub.asked.clear()
    assert_whole(pull(ask(MODEL), store=store))
    assert [asked for asked in hub.sent if asked] == ["bytes=3000-"]


@pytest.mark.usefixtures("repository")
def test_content_that_is_not_the_hubs_is_thrown_away_and_told(store: ModelStore, hub: FakeHub):
    hub.damages = True
    with pytest.raises(ModelsFailed, match="came damaged: its checksum is not the hub's"):
        pull(ask(MODEL), store=store)
    assert store.installed("tiny") is None
    hub.damages = False
    assert_whole(pull(ask(MODEL), store=store))


def test_large_files_are_checked_too(store: ModelStore, hub: FakeHub, repository: Repository):
    offer = ask(MODEL)
    repository.files["model.bin"] = WEIGHTS[:-1] + b"x"
    with pytest.raises(ModelsFailed, match=r"model.bin of tiny came damaged"):
        pull(offer, store=store)
    repository.files["model.bin"] = WEIGHTS + b"more than was offered"
    with pytest.raises(ModelsFailed, match=r"model.bin of tiny came damaged"):
        pull(offer, store=store)
    assert len(hub.asked) > 4


def test_a_newer_commit_takes_nothing_from_an_older_one(store: ModelStore, hub: FakeHub, repository: Repository):
    hub.cuts = [2, 3000] + [0] * TRIES
    with pytest.raises(ModelsFailed):
        pull(ask(MODEL), store=store, told=quick())
    hub.cuts.clear()
    repository.files["model.bin"] = WEIGHTS[::-1]
    path = pull(ask(MODEL), store=store)
    assert (path / "model.bin").read_bytes() == WEIGHTS[::-1]
    assert sorted(file.name for file in path.iterdir()) == [".attune.json", "config.json", "empty.json", "model.bin"]


@pytest.mark.usefixtures("repository")
def test_two_pulls_at_once_are_told_apart(store: ModelStore):
    offer = ask(MODEL)
    with store.locked("tiny"), pytest.raises(ModelsFailed, match="another program is fetching or removing tiny"):
        pull(offer, store=store)
    pull(offer, store=store)


@pytest.mark.usefixtures("repository")
def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(
    store: ModelStore, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
):
    def small(_: object) -> SimpleNamespace:
        return SimpleNamespace(total=10, used=5, free=5)

    monkeypatch.setattr(shutil, "disk_usage", small)
    offer = ask(MODEL)
    n_asked = len(hub.asked)
    with pytest.raises(ModelsFailed, match=r"tiny needs 0\.0 GB more, .* make room"):
        pull(offer, store=store)
    assert len(hub.asked) == n_asked


@pytest.mark.usefixtures("repository")
def test_a_disk_that_fills_up_is_one_line_and_loses_nothing(store: ModelStore):
    def full(path: str, n_bytes: int) -> None:
        if path == "model.bin" and n_bytes:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ModelsFailed, match="no space left on device; what is here so far is kept"):
        pull(ask(MODEL), store=store, told=Told(progress=full))
    assert_whole(pull(ask(MODEL), store=store))


@pytest.mark.usefixtures("repository")
def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path):
    (tmp_path / "models").write_text("a file where a folder should be")
    with pytest.raises(ModelsFailed, match=r"cannot write .*file exists"):
        pull(ask(MODEL), store=ModelStore(tmp_path / "models"))


def test_a_path_that_leaves_the_folder_is_refused(store: ModelStore, repository: Repository):
    repository.files["../escape.json"] = b"{}"
    with pytest.raises(ModelsFailed, match="outside its folder"):
        pull(ask(MODEL), store=store)
    assert not (store.root / "escape.json").exists()


# Hubs that refuse


@pytest.mark.parametrize(
    ("status", "code", "plain", "told"),
    [
        (404, "RepoNotFound", True, "does not have people/tiny"),
        (404, "RevisionNotFound", True, "revision main"),
        (401, "RepoNotFound", True, "does not give people/tiny without a login"),
        (401, "", False, "accept its licence"),
        (403, "GatedRepo", True, "accept its licence"),
        (429, "", True, "come back later"),
        (500, "", True, "answered 500"),
    ],
)
def test_a_hub_that_refuses_is_told_with_what_to_do(
    repository: Repository, status: int, code: str, plain: bool, told: str
):
    repository.status, repository.error_code = status, code
    with pytest.raises(ModelsFailed, match=told) as caught:
        ask(replace(MODEL, plain=plain))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("status", "told"), [(401, "accept its licence"), (403, "accept its licence")])
def test_a_hub_that_tells_but_does_not_give_is_told_too(
    store: ModelStore, repository: Repository, status: int, told: str
):
    repository.file_status, repository.error_code = status, "GatedRepo"
    with pytest.raises(ModelsFailed, match=told):
        pull(ask(MODEL), store=store)


def test_a_hub_that_is_down_for_a_moment_is_asked_again(store: ModelStore, repository: Repository):
    repository.file_status = 503
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        repository.file_status = 200

    assert_whole(pull(ask(MODEL), store=store, told=Told(sleep=wait)))
    assert len(waited) == 1


@pytest.mark.usefixtures("hub")
def test_a_repository_that_is_gone_is_told():
    with pytest.raises(ModelsFailed, match="does not have people/tiny"):
        ask(MODEL)


def test_a_repository_without_the_files_is_told(repository: Repository):
    del repository.files["model.bin"], repository.files["config.json"], repository.files["empty.json"]
    with pytest.raises(ModelsFailed, match=r"holds no \*\.bin, \*\.json any more"):
        ask(MODEL)


def test_a_page_to_log_in_is_no_hub(hub: FakeHub):
    hub.answers_html = True
    with pytest.raises(ModelsFailed, match="not what a hub says: check HF_ENDPOINT"):
        ask(MODEL)


def test_without_a_network_it_is_one_line(monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        with pytest.raises(ModelsFailed, match="cannot be reached") as caught:
            ask(MODEL)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("repository")
def test_the_users_token_is_sent_to_the_hub_and_to_no_other_host(
    store: ModelStore, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    pull(ask(MODEL), store=store)
    tokens = {path.split("/")[1]: headers.get("authorization") for path, headers in hub.asked}
    assert tokens == {"api": "Bearer hf_secret", "people": "Bearer hf_secret", "cdn": None}


@pytest.mark.usefixtures("repository")
def test_a_hub_that_says_nothing_is_given_up(hub: FakeHub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("agent.models.hub.TIMEOUT_S", 0.05)
    hub.mutes = 1
    with pytest.raises(ModelsFailed, match="cannot be reached"):
        ask(MODEL)


@pytest.mark.usefixtures("repository")
def test_a_transfer_that_says_nothing_is_begun_again(store: ModelStore, hub: FakeHub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("agent.models.pull.READ_S", 0.3)
    offer = ask(MODEL)
    hub.mutes = 2
    assert_whole(pull(offer, store=store, told=quick()))
    assert hub.mutes == 0

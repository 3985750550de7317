"""The certificate of a server."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest

from agent.errors import ConfigInvalid
from agent.server.tls import tls_context

if TYPE_CHECKING:
    from pathlib import Path


def make(
    folder: Path, name: str, *options: str, days: int = 2, extra: tuple[str, ...] = ("-nodes",)
) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not on PATH: certificates cannot be made on the spot")
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", *extra, "-days",
         str(days), "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(certificate), *options],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    return certificate, key


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make(tmp_path_factory.mktemp("tls"), "localhost", "-addext", "subjectAltName=DNS:localhost")


def test_a_certificate_with_its_key_is_taken_and_old_versions_are_not_spoken(good: tuple[Path, Path]):
    context = tls_context(*good)

    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert shakes_hands(context, ca=good[0])


def test_both_may_stand_in_one_file_behind_words(good: tuple[Path, Path], tmp_path: Path):
    both = tmp_path / "both.pem"
    both.write_text("issued by nobody\n" + good[0].read_text("ascii") + good[1].read_text("ascii"), "ascii")

    assert shakes_hands(tls_context(both), ca=good[0])


def shakes_hands(context: ssl.SSLContext, *, ca: Path) -> bool:
    """Whether a client that trusts the authority gets through, all in memory."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context(cafile=str(ca)).wrap_bio(down, up, server_hostname="localhost")
    server = context.wrap_bio(up, down, server_side=True)
    open_sides = [client, server]
    for _ in range(6):
        for side in tuple(open_sides):
            try:
                side.do_handshake()
                open_sides.remove(side)
            except ssl.SSLWantReadError:
                pass
    return not open_sides


def test_a_certificate_whose_time_is_over_is_refused_with_the_day(good: tuple[Path, Path]):
    with pytest.raises(ConfigInvalid, match=r"is over since \d{4}-\d\d-\d\d: get a new one"):
        tls_context(*good, now=10_000_000_000)


def test_times_after_2049_are_read_as_well(tmp_path: Path):
    late = make(tmp_path, "late", days=20_000)

    tls_context(*late, now=2_600_000_000)
    with pytest.raises(ConfigInvalid, match="is over since 20"):
        tls_context(*late, now=4_500_000_000)


def test_files_that_cannot_work_are_refused_in_one_line(good: tuple[Path, Path], tmp_path: Path):
    other = make(tmp_path, "other")
    secret = make(tmp_path, "secret", extra=("-passout", "pass:geheim"))
    junk = tmp_path / "junk.pem"
    junk.write_bytes(b"\xff\x00 not a certificate")
    table = [
        (tmp_path / "none.pem", good[1], "certificate .*none.pem cannot be read: No such file"),
        (good[0], tmp_path / "none.key", "key .*none.key cannot be read"),
        (good[0], tmp_path, "cannot be read: Is a directory"),
        (good[0], other[1], "does not belong to certificate"),
        (good[0], None, "holds no private key"),
        (good[0], junk, "holds no private key"),
        (junk, good[1], "holds no certificate"),
        (*secret, "has a password"),
    ]
    for certificate, key, message in table:
        with pytest.raises(ConfigInvalid, match=message) as told:
            tls_context(certificate, key)
        assert "\n" not in str(told.value)

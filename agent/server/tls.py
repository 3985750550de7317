"""The certificate with which a server proves who it is: read, checked, and refused in one line where it cannot work."""

from __future__ import annotations

import calendar
import ssl
import time
from typing import TYPE_CHECKING, Final

from ..errors import ConfigInvalid

if TYPE_CHECKING:
    from pathlib import Path

_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17


def tls_context(certificate: Path, key: Path | None = None, *, now: float | None = None) -> ssl.SSLContext:
    """Return what a server needs for wss: and https:, TLS 1.2 or newer.

    Args:
        certificate: PEM file: the server's certificate, then those that lead to its authority.
        key: PEM file of the private key, without a password; None: it stands in the same file.
        now: POSIX time, for the certificate's end; None: the present.

    Raises:
        ConfigInvalid: a file is missing, is none of these, does not fit the other, or the certificate's time is over.
    """
    for path, what in ((certificate, "certificate"), (key or certificate, "key")):
        try:
            path.read_bytes()
        except OSError as trouble:
            raise ConfigInvalid(f"TLS {what} {path} cannot be read: {trouble.strerror}") from None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as trouble:
        raise ConfigInvalid(_why(trouble, certificate=certificate, key=key or certificate)) from None
    ends = _end_of(certificate)
    if ends <= (time.time() if now is None else now):
        raise ConfigInvalid(f"TLS certificate {certificate} is over since {_day(ends)}: get a new one")
    return context


def _why(trouble: ssl.SSLError, *, certificate: Path, key: Path) -> str:
    reason = trouble.reason or ""
    if "MISMATCH" in reason:
        return f"TLS key {key} does not belong to certificate {certificate}: give the two that were made together"
    if "PRIVATE KEY-----" not in key.read_text("latin-1"):
        return f"TLS key {key} holds no private key in PEM form: give the file that was made with the certificate"
    if _BEGIN not in certificate.read_text("latin-1"):
        return f"TLS certificate {certificate} holds no certificate in PEM form"
    if "ENCRYPTED" in key.read_text("latin-1"):
        return f"TLS key {key} has a password: take it off (openssl pkey) and keep the file readable to you alone"
    return f"TLS certificate {certificate} with key {key} cannot be used: {reason or 'damaged'}"


def _no_password() -> str:
    """Answer for a key with a password instead of asking a terminal that a server does not have."""
    return ""


def _end_of(certificate: Path) -> float:
    """Return when the first certificate of a file ends, POSIX time (RFC 5280, 4.1: `validity.notAfter`)."""
    text = certificate.read_text("latin-1")
    pem = text[text.index(_BEGIN) : text.index(_END) + len(_END)]
    _, certified, _ = _parts(ssl.PEM_cert_to_DER_cert(pem))
    _, fields, _ = _parts(certified)
    tag, content, rest = _parts(fields)
    if tag == _VERSION:
        _, _, rest = _parts(rest)
    _, _, rest = _parts(rest)  # how it is signed; before that the number
    _, _, rest = _parts(rest)  # by whom
    _, validity, _ = _parts(rest)
    _, _, rest = _parts(validity)
    tag, content, _ = _parts(rest)
    # Two figures for the year stand for 1950 to 2049 (4.1.2.5.1), as in strptime but for 1950 to 1968.
    style = "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return float(calendar.timegm(time.strptime(content.decode("ascii"), style)))


def _parts(der: bytes) -> tuple[int, bytes, bytes]:
    """Return the first value in DER: its tag, its content, and what follows it."""
    length, begin = der[1], 2
    if length & 0x80:
        begin += length & 0x7F
        length = int.from_bytes(der[2:begin], "big")
    return der[0], der[begin : begin + length], der[begin + length :]


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))

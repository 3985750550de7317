"""Knocks at the servers of a profile, for `attune doctor`: do they answer, and do they have the model."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ..profiles import Choice, Profile

PATIENCE_S = 2.0
_N_NAMED = 5


def trouble_with(profile: Profile) -> list[str]:
    """Return a line for each server of the profile that does not answer or does not have what is asked of it."""
    lines = [_knock(choice) for _, choice in profile.parts() if choice.url is not None]
    return [line for line in dict.fromkeys(lines) if line]


def _knock(choice: Choice) -> str:
    """Return what is wrong with a server, nothing when all is well. Only its list of models is asked for."""
    import httpx  # noqa: PLC0415 - only where there is a server to ask

    url = choice.url or ""
    key = os.environ.get(choice.key_env or "")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.get(f"{url.rstrip('/')}/models", headers=headers, timeout=PATIENCE_S)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as trouble:
        reason = " ".join(str(trouble).split())[:120] or type(trouble).__name__
        return f"{url} does not answer ({reason}): start it, or correct the url"
    if answer.status_code in {401, 403}:
        return f"{url} wants {'another' if key else 'a'} key: name its environment variable as key_env"
    names = _offered(answer)
    if names and not any(name == choice.model or name.startswith(f"{choice.model}:") for name in names):
        return f"{url} does not have {choice.model}: it offers {', '.join(names[:_N_NAMED])}"
    return ""


def _offered(answer: Any) -> list[str]:  # noqa: ANN401 - httpx is imported only where it is used
    """Return the names of a server's models; a server that does not tell them has, as far as we know, all."""
    try:
        rows = cast("list[dict[str, Any]]", answer.json()["data"])
        return [str(row["id"]) for row in rows]
    except (ValueError, KeyError, TypeError):
        return []

"""Takes secrets, and what the user names, out of what a cassette keeps.

The same is done to a request before it is looked up in a cassette: it must be found again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

Scrub: TypeAlias = str | Callable[[Any], Any] | Iterable[str | Callable[[Any], Any]]
"""What else to scrub: keys ("iban", "supplier.name"), or callables that take a body and give it
back as it may be kept; one of these or several."""

SCRUBBED = "scrubbed"
SHORTEST_KEY = 6

_SECRET_KEYS = frozenset(
    {"apikey", "authorization", "accesstoken", "refreshtoken", "secret", "clientsecret",
     "webhooksecret", "password"}
)  # fmt: skip
# In a text that is a part of JSON slashes and ampersands may be escaped.
_SCHEME = r"\bhttps?:(?:\\?/){2}"
_SIGNED_URL = re.compile(
    rf"({_SCHEME}(?:[^\s\"'<>?#\\]|\\/)*)\?(?:[^\s\"'<>\\]|\\/|\\u[0-9a-fA-F]{{4}})*"
)
_LOGIN = re.compile(rf"({_SCHEME})[^\s\"'<>/?#@\\]*@")
_TOKENS = re.compile(r"\bE_AI_K_[\w.~+/=-]+|\bBearer\s+[\w.~+/=-]{16,}")


class Scrubber:
    """Scrubs bodies and texts.

    Args:
        scrub: what the user wants scrubbed beside secrets.

    Raises:
        TypeError: it is neither a key nor a callable, nor some of these.
    """

    def __init__(self, scrub: Scrub) -> None:
        given = [scrub] if isinstance(scrub, str) or callable(scrub) else list(scrub)
        self._paths: list[tuple[str, ...]] = []
        self._callables: list[Callable[[Any], Any]] = []
        for one in given:
            if isinstance(one, str):
                self._paths.append(tuple(one.split(".")))
            elif callable(one):
                self._callables.append(one)
            else:
                raise TypeError(f"scrub: a key or a callable, not {type(one).__name__}")
        self._keys: set[str] = set()

    def learn(self, api_key: str) -> None:
        """Remember a key that was sent; where it is repeated, it is scrubbed too."""
        if len(api_key) >= SHORTEST_KEY:
            self._keys.add(api_key)

    def body(self, body: Any) -> Any:
        """Return JSON without secrets, and as the user's callables have it.

        Raises:
            TypeError: a callable gave nothing back.
        """
        for scrub in self._callables:
            scrubbed = scrub(body)
            if scrubbed is None and body is not None:
                raise TypeError("scrub: the callable must return the body")
            body = scrubbed
        return self._value(body, ())

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        for key in self._keys:
            text = text.replace(key, SCRUBBED)
        text = _LOGIN.sub(r"\1", text)
        text = _SIGNED_URL.sub(rf"\1?{SCRUBBED}", text)
        return _TOKENS.sub(SCRUBBED, text)

    def bytes(self, body: bytes) -> bytes:
        """Return bytes without secrets, which are ASCII."""
        return self.text(body.decode("latin-1")).encode("latin-1")

    def _value(self, value: Any, path: tuple[str, ...]) -> Any:
        if path and value is not None and self._is_secret(path):
            return SCRUBBED
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            named = ((str(key), inner) for key, inner in value.items())
            return {self.text(key): self._value(inner, (*path, key)) for key, inner in named}
        if isinstance(value, list):
            return [self._value(inner, path) for inner in value]
        return value

    def _is_secret(self, path: tuple[str, ...]) -> bool:
        if path[-1].lower().replace("_", "").replace("-", "") in _SECRET_KEYS:
            return True
        return any(path[-len(named) :] == named for named in self._paths)

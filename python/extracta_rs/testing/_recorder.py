"""Records: passes each request on to the service, and remembers what was sent and what came back.

Nothing is taken out here but the API key's header, which is not kept: `scrub` is the user's code
and runs when the cassette is written, on the user's thread.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._format import Exchange, pack, unpack
from ._multipart import MultipartError
from ._upstream import OWN_HEADERS, EndedError, Upstream, UpstreamAnswer, UpstreamError
from ._wire import BodyReader, CassetteHandler, CassetteServer, GoneError, WireError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._scrub import Scrubber

KEPT_HEADERS = ("content-type", "retry-after", "location")


@dataclass(slots=True)
class _Heard:
    """A request, and what came of it."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    answer: UpstreamAnswer | None = None
    failure: str | None = None


class Recorder(CassetteServer):
    """Passes requests on to the service.

    Args:
        upstream: the service.

    Raises:
        OSError: no port can be had.
    """

    def __init__(self, upstream: Upstream) -> None:
        super().__init__(_Handler)
        self.upstream = upstream
        self.errors: list[str] = []
        self._heard: list[_Heard] = []
        self._keys: set[str] = set()
        self._guard = threading.Lock()

    def heard(self, method: str, path: str, authorization: str) -> _Heard:
        """Remember a request, in the order in which they come."""
        heard = _Heard(method, path)
        with self._guard:
            self._heard.append(heard)
            self._keys.add(authorization.removeprefix("Bearer "))
        return heard

    def __exit__(self, *error: Any) -> None:
        self.upstream.close()
        super().__exit__(*error)

    def exchanges(self, scrubber: Scrubber) -> list[Exchange]:
        """Return what was recorded, scrubbed. What was still under way is left out."""
        for key in self._keys:
            scrubber.learn(key)
        return [
            _scrubbed(heard, heard.body, scrubber)
            for heard in self._heard
            if heard.body is not None and (heard.answer or heard.failure)
        ]


def _scrubbed(heard: _Heard, body: dict[str, Any], scrubber: Scrubber) -> Exchange:
    request = {"method": heard.method, "path": scrubber.text(heard.path)}
    request |= scrub_body(body, scrubber)
    if heard.answer is None:
        return Exchange(request, None, scrubber.text(heard.failure or ""))
    answer: dict[str, Any] = {"status": heard.answer.status}
    headers = heard.answer.headers
    answer["headers"] = {
        name: scrubber.text(headers[name])
        for name in KEPT_HEADERS
        if name in headers and headers[name].isascii()
    }
    answer |= scrub_body(pack(heard.answer.body), scrubber)
    return Exchange(request, answer)


def scrub_body(packed: dict[str, Any], scrubber: Scrubber) -> dict[str, Any]:
    """Scrub a body as a cassette has it."""
    if "json" in packed:
        return {"json": scrubber.body(packed["json"])}
    if "text" in packed:
        return {"text": scrubber.text(packed["text"])}
    if "base64" in packed:
        return pack(scrubber.bytes(unpack(packed)))
    if "form" in packed:
        scrubbed = scrubber.body(packed)
        if not isinstance(scrubbed, dict) or scrubbed.keys() != packed.keys():
            raise TypeError("scrub: of an upload a dict of `form` and `files` must come back")
        return scrubbed
    return packed


class _Handler(CassetteHandler):
    server: Recorder

    def answer_it(self) -> None:
        heard = self.server.heard(
            self.command, self.below_base, self.headers.get("authorization", "")
        )
        body = BodyReader(self.headers.get("content-type", ""))
        try:
            answer = self._pass_on(heard.path, body)
            heard.body = body.finish(pack)
            heard.answer = answer
        except UpstreamError as error:
            heard.body = self._read_rest(body)
            heard.failure = str(error)
            return self.cut()
        except (GoneError, EndedError):
            return self.cut()
        except (WireError, MultipartError) as error:
            # It could not be found again.
            self.server.errors.append(f"{heard.method} {heard.path}: {error}")
            return self.cut()
        headers = {name: value for name, value in answer.headers.items() if name not in OWN_HEADERS}
        return self.send_answer(answer.status, headers, answer.body)

    def _pass_on(self, path: str, body: BodyReader) -> UpstreamAnswer:
        length = self.headers.get("content-length", "")
        chunked = "transfer-encoding" in self.headers
        self._chunks = self._watched(body)
        return self.server.upstream.exchange(
            self.command, path, self.headers.items(), None if chunked else length, self._chunks
        )

    def _watched(self, body: BodyReader) -> Iterator[bytes]:
        for chunk in self.chunks():
            body.feed(chunk)
            yield chunk

    def _read_rest(self, body: BodyReader) -> dict[str, Any] | None:
        """Return the body of a request that the service did not take to its end."""
        try:
            for _ in self._chunks:
                pass
            return body.finish(pack)
        except (GoneError, WireError, MultipartError):
            return None

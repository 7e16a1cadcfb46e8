"""Replays: answers from a cassette, by method, path and body."""

from __future__ import annotations

import difflib
import json
import threading
from typing import TYPE_CHECKING, Any, Literal

from ._format import Exchange, pack, unpack
from ._multipart import MultipartError
from ._recorder import scrub_body
from ._wire import BodyReader, CassetteHandler, CassetteServer, GoneError, WireError

if TYPE_CHECKING:
    from ._scrub import Scrubber

MOST_SHOWN = 60
MOST_DIFFERENCES = 4
VIEWS = ("/viewExtraction", "/documentClassification/viewClassification")
POLLS = ("/getBatchResults", "/documentClassification/getResults")


class Player(CassetteServer):
    """Answers from what was recorded: equal requests in the recorded order, the last one again.

    Args:
        exchanges: what was recorded.
        scrubber: what was taken out of it.
        polls: "last" leaves out all but the last of equal requests for results.

    Raises:
        OSError: no port can be had.
    """

    def __init__(
        self, exchanges: list[Exchange], scrubber: Scrubber, polls: Literal["all", "last"]
    ) -> None:
        super().__init__(_Handler)
        self.scrubber = scrubber
        self.unexpected: list[str] = []
        self.errors: list[Exception] = []
        self._known: dict[str, list[Exchange]] = {}
        self._next: dict[str, int] = {}
        self._guard = threading.Lock()
        for exchange in exchanges:
            self._known.setdefault(_key(exchange.request), []).append(exchange)
        if polls == "last":
            for same in self._known.values():
                if same[0].request["path"] in POLLS:
                    del same[:-1]

    def find(self, request: dict[str, Any]) -> Exchange | str:
        """Return what came back of a request, or what is wrong with it."""
        key = _key(request)
        with self._guard:
            same = self._known.get(key)
            if same is None:
                told = _unknown(request, list(self._known.values()))
                if not self._is_hint(request):
                    self.unexpected.append(told)
                return told
            turn = self._next.get(key, 0)
            self._next[key] = turn + 1
            return same[min(turn, len(same) - 1)]

    def _is_hint(self, request: dict[str, Any]) -> bool:
        """Tell whether a wait for several batches asks this, which does well without an answer.

        Whether and when it asks depends on how many are waited for at a time, which the quicker
        replay need not repeat.
        """
        if request["path"] not in VIEWS:
            return False
        named = _ids(request)
        return bool(named) and any(
            _ids(same[0].request) >= named
            for same in self._known.values()
            if same[0].request["path"] in POLLS
        )


def _ids(request: dict[str, Any]) -> set[tuple[str, str]]:
    body = request.get("json")
    pairs = body.items() if isinstance(body, dict) else ()
    return {(key, value) for key, value in pairs if isinstance(value, str)}


class _Handler(CassetteHandler):
    server: Player

    def answer_it(self) -> None:
        body = BodyReader(self.headers.get("content-type", ""))
        try:
            for chunk in self.chunks():
                body.feed(chunk)
            request = {"method": self.command, "path": self.server.scrubber.text(self.below_base)}
            request |= scrub_body(body.finish(pack), self.server.scrubber)
        except GoneError:
            return self.cut()
        except (WireError, MultipartError) as error:
            return self._refuse(str(error))
        except Exception as error:  # noqa: BLE001  of `scrub`; raised where the replay ends
            self.server.errors.append(error)
            return self._refuse(f"scrub raised {type(error).__name__}")
        found = self.server.find(request)
        if isinstance(found, str):
            return self._refuse(found)
        if found.answer is None:
            return self.cut()
        answer = found.answer
        return self.send_answer(answer["status"], answer.get("headers", {}), unpack(answer))

    def _refuse(self, why: str) -> None:
        # A status at which neither a call nor a wait goes on.
        text = json.dumps({"status": "error", "message": f"cassette: {why}"}).encode()
        self.send_answer(400, {"content-type": "application/json"}, text)


def _key(request: dict[str, Any]) -> str:
    return json.dumps(request, sort_keys=True)


def _title(request: dict[str, Any]) -> str:
    return f"{request['method']} {request['path']}"


def _unknown(request: dict[str, Any], known: list[list[Exchange]]) -> str:
    title = _title(request)
    if not known:
        return f"{title} is not recorded: the cassette is empty"
    requests = [same[0].request for same in known]
    alike = [other for other in requests if _title(other) == title]
    if not alike:
        titles = {_title(other) for other in requests}
        [nearest, *_] = difflib.get_close_matches(title, titles, n=1, cutoff=0.0)
        return f"{title} is not recorded; the nearest is {nearest}"
    differences = min((_differences(request, other, "") for other in alike), key=len)
    shown = "; ".join(differences[:MOST_DIFFERENCES])
    more = len(differences) - MOST_DIFFERENCES
    rest = f"; and {more} more" if more > 0 else ""
    return f"{title} is not recorded with this body; in the nearest one {shown}{rest}"


def _differences(own: Any, other: Any, path: str) -> list[str]:
    """Say where two bodies differ."""
    if isinstance(own, dict) and isinstance(other, dict):
        pairs = [(f"{path}.{key}" if path else key, own.get(key, _NONE), other.get(key, _NONE))
                 for key in {**own, **other}]  # fmt: skip
    elif isinstance(own, list) and isinstance(other, list) and len(own) == len(other):
        pairs = [(f"{path}[{n}]", a, b) for n, (a, b) in enumerate(zip(own, other, strict=True))]
    else:
        return [] if own == other else [f"{path} is {_short(other)}, not {_short(own)}"]
    return [text for where, a, b in pairs for text in _differences(a, b, where)]


_NONE = object()


def _short(value: Any) -> str:
    if value is _NONE:
        return "missing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 1]}…"

"""A limiter in Redis, for processes on several machines: `pip install "extracta_rs[redis]"`.

```python
from extracta_rs import Client
from extracta_rs.redis import RedisLimiter

client = Client(limiter=RedisLimiter("redis://localhost:6379/0"))
```
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .exceptions import ConfigurationError

if TYPE_CHECKING:
    import redis

    from ._limiter import Load

__all__ = ["RedisLimiter"]

# What `Line` in src/core/line.rs does, with the clock of Redis. Times are whole milliseconds.
_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local least = tonumber(ARGV[2])
local kept = redis.call('HMGET', KEYS[1], 'reached', 'held', 'refused', 'spacing', 'first')
local function number(place) return tonumber(kept[place]) or 0 end
local reached, refused = number(1), math.min(number(3), now)
local held, first = number(2), number(5)
if held > now + 60000 then held = 0 end
if first > now then first = 0 end
local spacing = math.min(math.max(number(4), least), least * 8)
if reached > now + spacing then reached = now end
local wait = 0

if ARGV[1] == 'take' then
    local free = math.max(reached + spacing, held)
    local grace = math.min(math.floor(spacing / 10), 200)
    local since = now - tonumber(ARGV[3])
    local second = first ~= 0 and first + grace < since
    if now >= free + (second and grace or 0) then
        reached, first = now + spacing, 0
    else
        if first == 0 or since < first then first = since end
        local late = second and math.floor(grace / 2) or 0
        if now < free then
            wait = math.max(math.min(reached, now) + spacing, held) - now + late
        else
            wait = math.min(math.max(late, 1), free + grace - now)
        end
    end
else
    reached = now
    local tells = now - tonumber(ARGV[3]) >= refused
    if ARGV[4] == 'refused' then
        held = math.max(held, now + math.min(tonumber(ARGV[5]), 60000))
        if tells then
            spacing = math.min(2 * spacing, least * 8)
            refused = now
        end
    elseif ARGV[4] == 'borne' and tells then
        spacing = math.max(spacing - math.floor(least / 8), least)
    end
end

local function whole(value) return string.format('%.0f', value) end
redis.call('HSET', KEYS[1], 'reached', whole(reached), 'held', whole(held),
    'refused', whole(refused), 'spacing', whole(spacing), 'first', whole(first))
redis.call('PEXPIRE', KEYS[1], whole(math.max(600000, 20 * spacing)))
return {wait, spacing}
"""
_LONGEST = 10**12  # milliseconds; what is more than that is the same to the script


class RedisLimiter:
    """Keeps the line of all processes that use one Redis; a `Limiter`.

    Times are those of Redis' own clock, so the clocks of the machines may differ. What it keeps is
    one small hash for each API key, named by a digest that does not show the key; it expires ten
    minutes after its last use. A Redis without persistence will do.

    It pickles, with the client that has it, where it was made of a URL without a password. In all
    other cases pickling raises TypeError: make it in each process.

    Args:
        url_or_client: the URL of a Redis, "redis://host:6379/0", or a `redis.Redis` of yours. A
            connection that is made of a URL waits 2 seconds at most, unless the URL says otherwise
            (`?socket_timeout=...`).
        prefix: what the names of its keys begin with.

    Raises:
        ConfigurationError: the package `redis` is missing, or the URL is none.
        TypeError: neither a URL nor a blocking client.

    Example:
        >>> client = Client(limiter=RedisLimiter("redis://localhost:6379/0"))
    """

    def __init__(
        self, url_or_client: str | redis.Redis, *, prefix: str = "extracta_rs:line:"
    ) -> None:
        self._url = url_or_client if isinstance(url_or_client, str) else None
        self._prefix = prefix
        self._client = _client(url_or_client)
        self._script = self._client.register_script(_SCRIPT)

    def take(self, line: str, spacing: float, waited: float, /) -> tuple[float, float]:
        """Ask for leave to send one request now; see `Limiter`."""
        return self._run(line, "take", _millis(spacing), _millis(waited))

    def answered(self, line: str, spacing: float, age: float, load: Load, hold: float, /) -> None:
        """Take in what became of a request; see `Limiter`."""
        self._run(line, "answered", _millis(spacing), _millis(age), load, _millis(hold))

    def _run(self, line: str, *arguments: str | int) -> tuple[float, float]:
        told: Any = self._script(keys=[self._prefix + line], args=arguments)
        wait, spacing = told
        return wait / 1000, spacing / 1000

    def __repr__(self) -> str:
        if self._url is None:
            return f"RedisLimiter({type(self._client).__name__})"
        return f"RedisLimiter({_without_password(self._url)!r})"

    def __reduce__(self) -> tuple[object, ...]:
        if self._url is None:
            raise TypeError("a RedisLimiter of a client cannot be pickled: make one of a URL")
        if self._url != _without_password(self._url):
            raise TypeError(
                "a RedisLimiter whose URL has a password is not pickled: make it in each process"
            )
        return (_reopen, (self._url, self._prefix))


def _reopen(url: str, prefix: str) -> RedisLimiter:
    return RedisLimiter(url, prefix=prefix)


def _client(url_or_client: object) -> redis.Redis:
    try:
        import redis
    except ImportError as error:
        raise ConfigurationError(
            'limiter: there is no package redis; pip install "extracta_rs[redis]"'
        ) from error
    if isinstance(url_or_client, redis.Redis):
        return url_or_client
    if not isinstance(url_or_client, str):
        kind = type(url_or_client)
        raise TypeError(
            "RedisLimiter takes a URL or a blocking redis.Redis, "
            f"not a {kind.__module__}.{kind.__qualname__}"
        )
    try:
        client: redis.Redis = redis.Redis.from_url(
            url_or_client, socket_timeout=2, socket_connect_timeout=2
        )
    except ValueError:
        # Its text may show the URL.
        shown = _without_password(url_or_client)
        raise ConfigurationError(f"limiter: {shown!r} is no URL of a Redis") from None
    return client


def _without_password(url: str) -> str:
    """Hide what stands before the host, and what a query may say."""
    url = re.sub(r"//[^/?#]*@", "//***@", url)
    return re.sub(r"((?:username|password)=)[^&#]*", r"\1***", url, flags=re.IGNORECASE)


def _millis(seconds: float) -> int:
    return min(round(seconds * 1000), _LONGEST)

"""Reads numbers, dates, times and booleans as documents print them, or says why it cannot.

Pure functions. What two readers could read as two values is an error, unless an argument or the
other values of the same document decide. Each raises `UnreadableError` with the reason.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Literal, TypeAlias

DecimalMark: TypeAlias = Literal[".", ","]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


LONGEST = 100
GROUPERS = " '"
CURRENCIES = _words(
    "AED ARS AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR ISK JPY KES "
    "KRW MAD MDL MXN MYR NGN NOK NZD PEN PHP PKR PLN QAR RON RSD RUB SAR SEK SGD THB TRY TWD UAH "
    "USD UYU VND ZAR KR KR. ZŁ KČ FR. SFR. LEI LEU FT RM R$ US$ C$ A$"
)
TRUE = _words(
    "true yes y 1 x ✓ ✔ ☑ ☒ [x] (x) checked ticked selected on ja oui si sim da vrai wahr vero"
)
FALSE = _words(
    "false no n 0 ☐ □ [] () unchecked unticked unselected off nein non nao nu nee faux falsch falso"
) | {"not checked", "not selected"}
MONTHS = (
    "january januar janvier enero gennaio ianuarie janeiro januari",
    "february februar fevrier febrero febbraio februarie fevereiro februari",
    "march marz mars marzo martie marco maart mrt maerz",
    "april avril abril aprile aprilie",
    "may mai mayo maggio maio mei",
    "june juni juin junio giugno iunie junho",
    "july juli juillet julio luglio iulie julho",
    "august aout agosto augustus",
    "september septembre septiembre settembre septembrie setembro sept",
    "october oktober octobre octubre ottobre octombrie outubro",
    "november novembre noviembre noiembrie novembro",
    "december dezember decembre diciembre dicembre decembrie dezembro",
)
WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[,.]?\s+)?"
CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?\s*([ap]\.?m\.?)?(?:\s*uhr)?", re.I)


class UnreadableError(ValueError):
    """A value that cannot be read, with the rule that it breaks."""


@dataclass(slots=True)
class Habits:
    """How a document writes: what is not None decides what would be ambiguous."""

    decimal: DecimalMark | None = None
    day_first: bool | None = None


def _plain(text: str) -> str:
    """Return text with one kind of space, minus and apostrophe."""
    if len(text) > LONGEST:
        raise UnreadableError(f"is longer than {LONGEST} characters")
    for char in "\u00a0\u202f\u2009\u2007\t\n\r":
        text = text.replace(char, " ")
    for char in "\u2019\u02bc\u00b4`":
        text = text.replace(char, "'")
    for char in "\u2212\u2013\uff0d":
        text = text.replace(char, "-")
    return text.strip()


def _without_currency(text: str) -> str:
    text = text.strip()
    for word in (text.split(" ")[0], text.split(" ")[-1]):
        if word.upper() in CURRENCIES and word != text:
            text = (text[len(word) :] if text.startswith(word) else text[: -len(word)]).strip()
    found = re.fullmatch(r"([A-Za-z]{3}|[A-Z]{1,2}\$)?(.*?)([A-Za-z]{3})?", text)
    if found:
        before, middle, after = found[1] or "", found[2], found[3] or ""
        text = ("" if before.upper() in CURRENCIES else before) + middle
        text += "" if after.upper() in CURRENCIES else after
    return "".join(c for c in text if unicodedata.category(c) != "Sc").strip()


def _signed(text: str) -> tuple[bool, str]:
    """Return whether a number is negative, and the rest of it, without currency and per cent."""
    text = _without_currency(_plain(text))
    negative = False
    if text.startswith("(") and text.endswith(")"):
        negative, text = True, text[1:-1]
    text = _without_currency(text.strip().removesuffix("%"))
    if text[:1] in ("-", "+") and text[-1:] != "-":
        negative, text = negative != (text[0] == "-"), text[1:]
    elif text[-1:] == "-" and text[:1] not in ("-", "+"):
        negative, text = not negative, text[:-1]
    return negative, _without_currency(text)


def _groups(text: str) -> str | None:
    """Return the digits of a whole number with or without separators; None where they are off."""
    if re.fullmatch(r"[0-9]+", text):
        return text
    for mark in (*GROUPERS, ".", ","):
        three = rf"[1-9][0-9]{{0,2}}(?:{re.escape(mark)}[0-9]{{3}})+"
        indian = r"[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}"
        if re.fullmatch(three, text) or (mark == "," and re.fullmatch(indian, text)):
            return text.replace(mark, "")
    return None


def mark_of(text: str) -> DecimalMark | None:
    """Return the decimal mark that a number surely has; None where it tells none."""
    try:
        _, digits = _signed(text)
    except UnreadableError:
        return None
    if not re.fullmatch(r"[0-9][0-9., ']*", digits):
        return None
    return _mark(digits)


def _mark(digits: str) -> DecimalMark | None:
    points, commas = digits.count("."), digits.count(",")
    if points and commas:
        return "." if digits.rfind(".") > digits.rfind(",") else ","
    if points + commas == 0:
        return None
    own: DecimalMark = "." if points else ","
    other: DecimalMark = "," if points else "."
    if points + commas > 1:
        return other
    whole, _, decimals = digits.partition(own)
    grouped = any(grouper in whole for grouper in GROUPERS)
    ambiguous = len(decimals) == 3 and 1 <= len(whole) <= 3 and whole != "0"
    return own if grouped or not ambiguous else None


def read_decimal(text: str, habits: Habits, *, whole: bool = False) -> Decimal:
    """Read a number.

    Args:
        text: the number with or without currency, separators and sign; "12 %" is 12.
        habits: its `decimal` decides "1,234" and "1.234".
        whole: whether it must be a whole number, which makes "1,234" clear.
    """
    negative, digits = _signed(text)
    if not re.fullmatch(r"[.,]?[0-9][0-9., ']*", digits):
        raise UnreadableError("is not a number")
    mark = _mark(digits)
    if mark is None and re.search(r"[.,]", digits):
        mark = habits.decimal
        if mark is None and whole:
            mark = "," if "." in digits else "."
        if mark is None:
            raise UnreadableError(
                'is ambiguous: thousands or decimals? Pass decimal="." or decimal=","'
            )
    head, found, tail = digits.partition(mark) if mark else (digits, "", "")
    plain = _groups(head) if head else "0"
    if plain is None or (found and not re.fullmatch(r"[0-9]+", tail)):
        raise UnreadableError("is not a number: its separators are in odd places")
    value = Decimal(f"{plain}.{tail or 0}" if found else plain)
    if whole and value != value.to_integral_value():
        raise UnreadableError("is not a whole number")
    return -value if negative else value


def read_boolean(text: str) -> bool:
    """Read yes or no in a few languages, or the mark of a box."""
    word = _fold(_plain(text)).replace("[ ]", "[]").replace("( )", "()")
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise UnreadableError('is neither yes nor no (such as "true", "no", "x", "unchecked")')


def _fold(text: str) -> str:
    """Return text in small letters without accents."""
    decomposed = unicodedata.normalize("NFD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char)).strip()


def _month(word: str) -> int | None:
    if len(word) < 3:
        return None
    found = {
        number
        for number, names in enumerate(MONTHS, 1)
        if any(name.startswith(word) for name in names.split())
    }
    return found.pop() if len(found) == 1 else None


def _year(text: str) -> int:
    """Return a year; of two digits as POSIX has it: 69 to 99 are the 1900s."""
    number = int(text)
    return number if len(text) == 4 else number + (1900 if number >= 69 else 2000)


NUMERIC = re.compile(r"([0-9]{1,2})([./-])\s*([0-9]{1,2})\2\s*([0-9]{4}|[0-9]{2})")


def order_of(text: str) -> bool | None:
    """Return whether a date surely has its day first; None where it does not tell."""
    found = NUMERIC.match(text.strip()[:LONGEST])
    if found is None or found[2] == ".":
        return None
    first, second = int(found[1]), int(found[3])
    if first > 12 and len(found[4]) == 2:
        return None  # The year may be first.
    return None if (first > 12) == (second > 12) else first > 12


def read_date(text: str, habits: Habits) -> date:
    """Read a date: ISO, numbers with `/`, `.` or `-`, or with the name of the month.

    Args:
        text: the date.
        habits: its `day_first` decides "01/02/2025"; dates with points have their day first.
    """
    read, rest = _date(_plain(text), habits)
    if rest and _clock(rest) is None:
        raise UnreadableError("has something after the date")
    return read


def _date(text: str, habits: Habits) -> tuple[date, str]:
    """Return the date that a text begins with, and what comes after it."""
    if found := re.match(r"([0-9]{4})([./-])([0-9]{1,2})\2([0-9]{1,2})(?![0-9])", text):
        parts = int(found[1]), int(found[3]), int(found[4])
    elif found := re.match(NUMERIC.pattern + r"(?![0-9])", text):
        first, second, year = int(found[1]), int(found[3]), _year(found[4])
        if first > 12 and len(found[4]) == 2 and found[2] != "." and habits.day_first is None:
            raise UnreadableError(
                "is ambiguous: is the day or the year first? Pass day_first=True for the day"
            )
        day_first = _day_first(first, second, found[2], habits)
        parts = (year, second, first) if day_first else (year, first, second)
    else:
        found, parts = _named(_fold(text))
    try:
        made = date(*parts)
    except ValueError:
        raise UnreadableError("is not a day of the calendar") from None
    rest = (found.string[found.end() :]).strip()
    return made, re.sub(r"^[tT,]\s*", "", rest)


def _day_first(first: int, second: int, mark: str, habits: Habits) -> bool:
    if first > 12 or second > 12:
        return first > 12
    if first == second:
        return True
    if habits.day_first is not None:
        return habits.day_first
    if mark == ".":
        return True
    raise UnreadableError(
        "is ambiguous: is the day or the month first? Pass day_first=True or False"
    )


def _named(text: str) -> tuple[re.Match[str], tuple[int, int, int]]:
    """Read a date with the name of its month."""
    day = r"([0-9]{1,2})(?:st|nd|rd|th|\.|er|º|°)?"
    between = r"(?:\s+|-|/|,\s*|\s*\bde\b\s*|\s*\bof\b\s*)*"
    name, year = r"([a-z]{3,})\.?", r"([0-9]{4})(?![0-9])"
    for pattern, order in (
        (rf"{WEEKDAY}{day}{between}{name}{between}{year}", (3, 2, 1)),
        (rf"{WEEKDAY}{name}{between}{day}{between}{year}", (3, 1, 2)),
        (rf"{year}{between}{name}{between}([0-9]{{1,2}})(?![0-9])", (1, 2, 3)),
    ):
        if found := re.match(pattern, text):
            month = _month(found[order[1]])
            if month is not None:
                return found, (int(found[order[0]]), month, int(found[order[2]]))
    raise UnreadableError("is not a date (such as 2025-12-31, 31.12.2025 or 31 Dec 2025)")


def _clock(text: str) -> time | None:
    found = CLOCK.fullmatch(text.strip())
    if found is None:
        try:
            return time.fromisoformat(text.strip().upper())
        except ValueError:
            return None
    hour, half = int(found[1]), (found[4] or "").lower()[:1]
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    try:
        return time(hour, int(found[2]), int(found[3] or 0))
    except ValueError:
        return None


def read_time(text: str) -> time:
    """Read a time of the day, with or without seconds, of 24 hours or with am and pm."""
    read = _clock(_plain(text))
    if read is None:
        raise UnreadableError("is not a time (such as 14:30 or 2:30 pm)")
    return read


def read_datetime(text: str, habits: Habits) -> datetime:
    """Read a date with a time; without one it is midnight."""
    plain = _plain(text)
    try:
        if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]", plain):
            return datetime.fromisoformat(plain)
    except ValueError:
        pass
    day, rest = _date(plain, habits)
    clock = _clock(rest) if rest else time()
    if clock is None:
        raise UnreadableError("has something after the date that is not a time")
    return datetime.combine(day, clock)

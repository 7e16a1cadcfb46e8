"""Results become types: what documents print is read, and never read wrongly."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
from dataclasses import dataclass, make_dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from extracta_rs import AsyncClient, BatchRef, BatchResults, Client, FileResult, ParseError
from extracta_rs.testing import Emulator


class Color(Enum):
    RED = "r"
    BLUE = "b"


def holding(annotation: object) -> Any:
    return make_dataclass("Doc", [("x", annotation)])


def file(status: str = "processed", name: str = "a.pdf", **result: Any) -> FileResult:
    return FileResult({"fileName": name, "status": status, "result": result})


def read(annotation: object, value: object, **how: Any) -> Any:
    return file(x=value).parse(holding(annotation), **how).x


@pytest.mark.parametrize(
    ("printed", "number"),
    [
        ("1.234,56", "1234.56"),
        ("1,234.56", "1234.56"),
        ("1 234,56", "1234.56"),
        ("1\u202f234,56 €", "1234.56"),
        ("1'234.50", "1234.50"),
        ("1’234.50 CHF", "1234.50"),
        ("CHF 1'234'567.50", "1234567.50"),
        ("12,34,567.80", "1234567.80"),
        ("1.234.567", "1234567"),
        ("1,234,567", "1234567"),
        ("0,125", "0.125"),
        ("0.125", "0.125"),
        ("1234.567", "1234.567"),
        ("1 234,567", "1234.567"),
        ("12,5", "12.5"),
        (".5", "0.5"),
        ("$12", "12"),
        ("US$12.00", "12.00"),
        ("12.00USD", "12.00"),
        ("12,00 zł", "12.00"),
        ("-12.00", "-12.00"),
        ("\u221212.00", "-12.00"),
        ("12.00-", "-12.00"),
        ("-€12.00", "-12.00"),
        ("€-12.00", "-12.00"),
        ("(12.00)", "-12.00"),
        ("($12.00)", "-12.00"),
        ("$(12.00)", "-12.00"),
        ("+7", "7"),
        ("19 %", "19"),
        ("19%", "19"),
        (12, "12"),
        (12.1, "12.1"),
        ("0012", "12"),
    ],
)
def test_numbers(printed: object, number: str) -> None:
    assert read(Decimal, printed) == Decimal(number)
    assert read(float, printed) == float(number)


@pytest.mark.parametrize(
    "printed",
    ["", "12 kg", "1,23,4.5", "1.23.45", "0.123.456", "1,2,3", "12 34", "1.234,567.8", "12.", "--5",
     "-(5)-",
     "١٢", "1e5", "nan", "9" * 101, True, float("inf"), [], {"a": 1}, "twelve", "€", "5 -- 6"],
)  # fmt: skip
def test_what_is_no_number_is_an_error(printed: object) -> None:
    with pytest.raises(ParseError, match=r"a\.pdf: x: "):
        read(Decimal, printed)


@pytest.mark.parametrize("printed", ["1,234", "1.234", "-12.345 €", "999,999"])
def test_ambiguous_numbers_need_to_be_decided(printed: str) -> None:
    with pytest.raises(ParseError, match="ambiguous"):
        read(float, printed)
    digits = float(printed.strip("-€ ").replace(",", "").replace(".", ""))
    sign = -1 if printed.startswith("-") else 1
    own = "," if "," in printed else "."
    assert read(float, printed, decimal=own) == sign * digits / 1000
    assert read(float, printed, decimal="." if own == "," else ",") == sign * digits
    assert read(int, printed) == sign * digits


def test_other_numbers_of_the_file_decide_unless_they_differ() -> None:
    model = make_dataclass("Doc", [("x", float), ("rest", list[float])])
    assert file(x="1.234", rest=["12,50"]).parse(model).x == 1234
    assert file(x="1.234", rest=["12.50"]).parse(model).x == 1.234
    assert file(x="1.234", rest=["12.50"]).parse(model, decimal=",").x == 1234
    with pytest.raises(ParseError, match="ambiguous"):
        file(x="1.234", rest=["12.50", "12,50"]).parse(model)


@pytest.mark.parametrize("printed", ["12.5", "0,125", 1.5])
def test_whole_numbers_are_whole(printed: object) -> None:
    with pytest.raises(ParseError, match="not a whole number"):
        read(int, printed)
    assert read(int, "12.00") == 12
    assert read(int, 3.0) == 3


@pytest.mark.parametrize(
    "printed",
    ["2025-12-31", "2025/12/31", "2025-12-31T10:00:00Z", "31.12.2025", "31. 12. 2025",
     "12/31/2025", "31/12/2025", "31-12-2025", "31.12.25", "31 Dec 2025", "31. Dezember 2025",
     "Dec 31, 2025", "December 31st, 2025", "Wed, 31 Dec 2025", "31-Dec-2025",
     "31 de dezembro de 2025",
     "31 décembre 2025", "2025 Dec 31", "31.12.2025 14:30"],
)  # fmt: skip
def test_dates(printed: str) -> None:
    assert read(date, printed) == date(2025, 12, 31)


def test_ambiguous_dates_need_to_be_decided() -> None:
    with pytest.raises(ParseError, match=r"'01/02/2025' is ambiguous.*day_first"):
        read(date, "01/02/2025")
    assert read(date, "01/02/2025", day_first=True) == date(2025, 2, 1)
    assert read(date, "01/02/2025", day_first=False) == date(2025, 1, 2)
    assert read(date, "01.02.2025") == date(2025, 2, 1)
    assert read(date, "02/02/2025") == date(2025, 2, 2)
    model = make_dataclass("Doc", [("x", date), ("y", date)])
    assert file(x="01/02/2025", y="12/31/2025").parse(model).x == date(2025, 1, 2)


@pytest.mark.parametrize(
    "printed",
    ["2025-02-30", "31.11.2025", "32/01/2025", "13/13/2025", "2025", "soon", "jui 3 2025",
     "3 ma 2025", "2025-12-31 or later", 45000, "1/2", "20251231", "12/2025"],
)  # fmt: skip
def test_what_is_no_date_is_an_error(printed: object) -> None:
    with pytest.raises(ParseError, match=r"a\.pdf: x: "):
        read(date, printed)


def test_years_of_two_digits() -> None:
    with pytest.raises(ParseError, match="the day or the year first"):
        read(date, "24/12/31")
    assert read(date, "31/12/25", day_first=True) == date(2025, 12, 31)
    assert read(date, "12/31/25") == read(date, "31.12.25") == date(2025, 12, 31)


def test_times() -> None:
    assert read(datetime, "31.12.2025 2:30 pm") == datetime(2025, 12, 31, 14, 30)
    assert read(datetime, "2025-12-31T10:00:00+02:00").isoformat() == "2025-12-31T10:00:00+02:00"
    assert read(datetime, "31 Dec 2025") == datetime(2025, 12, 31)
    assert read(time, "14:30") == read(time, "2:30 PM") == time(14, 30)
    assert read(time, "12:05 am") == time(0, 5)
    for printed in ("25:00", "13:00 pm", "noon"):
        with pytest.raises(ParseError, match="not a time"):
            read(time, printed)


def test_booleans() -> None:
    for yes in (True, "yes", "Ja", "x", "checked", "TRUE", "Sí", "☒", "[x]", 1, "1"):
        assert read(bool, yes) is True, yes
    for no in (False, "no", "Nein", "unchecked", "☐", "[ ]", "não", 0, "not checked"):
        assert read(bool, no) is False, no
    for neither in ("", "maybe", "-", 2, "✗"):
        with pytest.raises(ParseError):
            read(bool, neither)


@pytest.mark.parametrize("blank", ["", " ", "N/A", "-", "—", "null", None])
def test_blank_is_none_where_none_is_allowed(blank: str | None) -> None:
    for kind in (int, date, bool, str, Color):
        assert read(kind | None, blank) is None
    for kind in (int, date, bool, Color):
        with pytest.raises(ParseError, match=r"is empty|is missing|is none of"):
            read(kind, blank)
    assert read(list[str], blank) == []
    assert blank is None or read(str, blank) == blank


def test_choices() -> None:
    assert read(Color, "r") is Color.RED
    assert read(Color, " Blue ") is Color.BLUE
    assert read(Literal["Paid", "open"], "PAID") == "Paid"
    assert read(Literal[1, 2], "2") == 2
    with pytest.raises(ParseError, match="'green' is none of 'r', 'b'"):
        read(Color, "green")


class Line(BaseModel):
    qty: int = 1
    price: Annotated[Decimal, Field(gt=0)]


class Invoice(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    number: str = Field(alias="no")
    lines: list[Line] = []


def test_pydantic_validates_what_was_read() -> None:
    read = file(no=4711, lines=[{"qty": "", "price": "12,50 €"}]).parse(Invoice)
    assert read == Invoice(no="4711", lines=[Line(price=Decimal("12.50"))])
    with pytest.raises(ParseError) as caught:
        file(no="1", lines=[{"price": "5"}, {"price": "-5"}], more="x").parse(Invoice)
    found = [(p.file_name, p.path, p.value) for p in caught.value.problems]
    assert found == [
        ("a.pdf", "lines[1].price", "Decimal('-5')"),
        ("a.pdf", "more", "'x'"),
    ]


class Dicted(TypedDict):
    a: int
    b: NotRequired[int]


@dataclass
class Checked:
    a: int

    def __post_init__(self) -> None:
        if self.a < 0:
            raise ValueError("a is negative")


class Tagged(BaseModel):
    sub: Checked
    rows: list[Checked]


def test_kinds_of_types_may_be_mixed() -> None:
    found = file(x=[{"sub": {"a": "1"}, "rows": [{"a": "2"}]}]).parse(holding(list[Tagged]))
    assert found.x == [Tagged(sub=Checked(1), rows=[Checked(2)])]
    assert isinstance(found.x[0], Tagged)
    with pytest.raises(ParseError, match=r"a\.pdf: x\[1\]\.price: Decimal\('-2'\) is refused by"):
        file(x=[{"price": "1"}, {"price": "-2"}]).parse(holding(list[Line]))


def test_dataclasses_and_typeddicts() -> None:
    assert file(a="1", more=2).parse(Dicted) == {"a": 1}
    assert file(a="1").parse(Checked) == Checked(1)
    with pytest.raises(ParseError, match=r"refused by Checked: a is negative"):
        file(a="-1").parse(Checked)
    with pytest.raises(ParseError, match=r"a\.pdf: a: is missing"):
        file(b="1").parse(Dicted)
    with pytest.raises(ParseError, match=r"x: 'q' is not a list"):
        file(x="q").parse(holding(list[str]))


def batch(*files: FileResult) -> BatchResults:
    return BatchResults._load({"files": [f.to_dict() for f in files]}, True, "-e", None, "-b")


def test_one_error_holds_all_problems_of_a_batch_and_loses_nothing() -> None:
    results = batch(
        file(a="1"), file(a="x" * 500, name="b.pdf"), file("failed", "c.pdf"), file(name="d.pdf")
    )
    with pytest.raises(ParseError) as caught:
        results.parse(Checked)
    error = pickle.loads(pickle.dumps(caught.value))
    assert [(p.file_name, p.path) for p in error.problems] == [("b.pdf", "a"), ("d.pdf", "a")]
    assert "b.pdf: a: 'xxx" in str(error)
    assert max(len(p.value) for p in error.problems) <= 60
    assert error.parsed.data == [Checked(1)]
    assert [bool(each.error) for each in error.parsed] == [False, True, True, True]
    assert error.parsed.results == results


def test_failed_and_unfinished_files_have_an_error_instead_of_data() -> None:
    failed = FileResult({"fileName": "c.pdf", "status": "failed", "error": "blurred"})
    parsed = batch(file(a="1"), failed, file("waiting", "w.pdf")).parse(Checked)
    assert [each.data for each in parsed] == [Checked(1), None, None]
    assert parsed[1].error == "the service failed on it: blurred"
    assert "'waiting'" in (parsed[2].error or "")
    with pytest.raises(ParseError, match=r"c\.pdf: the service failed on it: blurred"):
        failed.parse(Checked)
    assert parsed.results.batch == BatchRef(extraction_id="-e", batch_id="-b")


def test_arguments_are_checked() -> None:
    for wrong in ({"decimal": "x"}, {"day_first": "yes"}):
        with pytest.raises(ValueError, match="must be"):
            read(int, "1", **wrong)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=30), st.text("0123456789.,-/' :()€%xTJan", max_size=20)))
def test_no_text_raises_anything_else(text: str) -> None:
    for kind in (int, float, Decimal, date, datetime, time, bool):
        with contextlib.suppress(ParseError):
            read(kind, text)


@given(
    st.decimals(min_value=-(10**12), max_value=10**12, places=2),
    st.sampled_from([",.", ".,", " ,", "'.", " .", "\u202f,", "’."]),
    st.sampled_from(["{}", "{} €", "EUR {}", "${}"]),
)
def test_amounts_are_read_back_however_they_are_written(
    number: Decimal, marks: str, around: str
) -> None:
    written = f"{number:,.2f}".translate(str.maketrans(",.", marks))
    assert read(Decimal, around.format(written)) == number


def test_run_parses_on_both_faces_and_looks_at_the_type_before_it_uploads() -> None:
    results = {"a.pdf": {"no": "1", "lines": [{"price": "1.234,50"}]}}
    with Emulator(results=results) as emulator:
        with Client(emulator.api_key, base_url=emulator.base_url, min_poll_spacing=0) as client:
            made = client.extractions.create("n", fields=Invoice).extraction_id
            how: Any = {"poll_interval": 0.01}
            with pytest.raises(TypeError, match="cannot"):
                client.extractions.run(made, ("a.pdf", b"a"), parse=holding(bytes), **how)
            assert not [r for r in emulator.requests() if r.path == "/uploadFiles"]
            parsed = client.extractions.run(made, ("a.pdf", b"a"), parse=Invoice, **how)
            with pytest.raises(ParseError) as caught:
                client.extractions.run(made, ("a.pdf", b"a"), parse=Checked, **how)
        assert parsed.data[0].lines[0].price == Decimal("1234.50")
        assert caught.value.parsed is not None
        assert caught.value.parsed.results.files[0].result["no"] == "1"

        async def on_loop() -> Any:
            async with AsyncClient(
                emulator.api_key, base_url=emulator.base_url, min_poll_spacing=0
            ) as client:
                return await client.extractions.run(made, ("a.pdf", b"a"), parse=Invoice, **how)

        assert asyncio.run(on_loop()).data == parsed.data

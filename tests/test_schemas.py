"""Types become the vendor's fields, or an error that names where they cannot."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, make_dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NotRequired, TypedDict
from uuid import UUID

import pytest
from pydantic import AliasPath, BaseModel, Field, RootModel

from extracta_rs import Client, fields_from
from extracta_rs.testing import Emulator


class Kind(Enum):
    GOODS = "goods"
    WORK = "work"


class ModelLine(BaseModel):
    """A line of the table."""

    text: str
    amount: Decimal = Field(description="The amount", examples=["12.50"])


class ModelInvoice(BaseModel):
    number: str = Field(alias="invoice_number", description="As printed.", examples=["A-1"])
    issued: date | None = Field(default=None, examples=[date(2024, 4, 17)])
    paid: bool
    kind: Kind = Kind.GOODS
    size: Annotated[Literal["s", "m"], "How big"]
    first: ModelLine
    lines: list[ModelLine] = Field(description="All lines.")
    tags: list[str] = []
    id: UUID | None = None


@dataclass
class DataLine:
    """A line of the table.

    Attributes:
        text: what was sold,
            as printed
        amount: unused, since the metadata say it
    """

    text: str
    amount: Decimal = field(metadata={"description": "The amount", "example": Decimal("12.50")})


@dataclass
class DataInvoice:
    number: Annotated[str, "As printed."] = field(metadata={"alias": "invoice_number"})
    lines: list[DataLine]
    count: int | None = None
    made_here: str = field(init=False, default="x")


class DictInvoice(TypedDict):
    number: Annotated[str, "As printed."]
    lines: NotRequired[list[DataLine]]


AMOUNT = {
    "key": "amount",
    "description": "The amount. As digits with a point before the decimals, without thousands "
    "separators or units.",
    "example": "12.50",
    "type": "string",
}


def test_a_pydantic_model() -> None:
    line = [{"key": "text", "type": "string"}, AMOUNT]
    assert fields_from(ModelInvoice) == [
        {
            "key": "invoice_number",
            "description": "As printed.",
            "example": "A-1",
            "type": "string",
        },
        {
            "key": "issued",
            "description": "As YYYY-MM-DD.",
            "example": "2024-04-17",
            "type": "string",
        },
        {"key": "paid", "description": 'Either "true" or "false".', "type": "string"},
        {"key": "kind", "description": 'One of "goods", "work".', "type": "string"},
        {"key": "size", "description": 'How big. One of "s", "m".', "type": "string"},
        {
            "key": "first",
            "description": "A line of the table.",
            "type": "object",
            "properties": line,
        },
        {
            "key": "lines",
            "description": "All lines.",
            "type": "array",
            "items": {"type": "object", "properties": line},
        },
        {"key": "tags", "type": "array", "items": {"type": "string"}},
        {"key": "id", "type": "string"},
    ]


def test_a_dataclass_and_a_typeddict() -> None:
    text = {"key": "text", "description": "what was sold, as printed", "type": "string"}
    lines = {
        "key": "lines",
        "type": "array",
        "items": {"type": "object", "properties": [text, AMOUNT]},
    }
    number = {"key": "number", "description": "As printed.", "type": "string"}
    assert fields_from(DataInvoice) == [
        {**number, "key": "invoice_number"},
        lines,
        {"key": "count", "description": "A whole number, as digits only.", "type": "string"},
    ]
    assert fields_from(DictInvoice) == [number, lines]


class Tree(BaseModel):
    children: list[Tree]


class Rows(BaseModel):
    lines: list[make_dataclass("Row", [("tax", dict[str, str])])]  # type: ignore[misc]


class Twice(BaseModel):
    a: str = Field(alias="b")
    b: str


class Deep(BaseModel):
    a: str = Field(validation_alias=AliasPath("x", 0))


class Names(RootModel[list[str]]):
    pass


def holding(annotation: object) -> type[Any]:
    return make_dataclass("Doc", [("x", annotation)])


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (Rows, r"^Rows\.lines\[\]\.tax: dict\[str, str\] cannot"),
        (Tree, r"^Tree\.children\[\]: Tree contains itself"),
        (Twice, "two fields have the key 'b'"),
        (Deep, r"^Deep\.a: an AliasPath"),
        (Names, "RootModel"),
        (holding(int | str), r"^Doc\.x: the vendor has no unions, so int \| str"),
        (holding(ModelLine | DataLine | None), "ModelLine | DataLine"),
        (holding(tuple[int, int]), r"^Doc\.x: tuple\[int, int\] cannot"),
        (holding(Any), r"^Doc\.x: Any cannot"),
        (holding(list), r"^Doc\.x: say what the list holds"),
        (holding(list[list[str]]), r"^Doc\.x\[\]: the vendor has no lists of lists"),
        (holding(list[str | None]), r"^Doc\.x\[\]: the items"),
        (holding(bytes), r"^Doc\.x: bytes cannot"),
        (holding(UUID), r"^Doc\.x: UUID cannot"),
        (holding("Nowhere"), "'Nowhere' is not defined"),
        (make_dataclass("Empty", []), "has no fields"),
        (dict, "expected a pydantic v2 model, a dataclass or a TypedDict"),
        (int, "expected a pydantic"),
        (3, "expected a pydantic"),
    ],
)
def test_what_cannot_be_said_is_named(model: Any, told: str) -> None:
    with pytest.raises(TypeError, match=told):
        fields_from(model)


def test_dataclasses_need_no_pydantic() -> None:
    program = (
        "import sys, dataclasses, extracta_rs as e\n"
        "D = dataclasses.make_dataclass('D', [('n', int)])\n"
        "f = e.FileResult({'status': 'processed', 'result': {'n': '1 234'}})\n"
        "print(e.fields_from(D)[0]['key'], f.parse(D).n, 'pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("n 1234 False\n", "")


@pytest.mark.parametrize("model", [ModelInvoice, DataInvoice, DictInvoice])
def test_create_and_update_take_a_type(model: type[Any], make_client: Any) -> None:
    with Emulator() as emulator, make_client(emulator) as client:
        made = client.extractions.create("Invoices", fields=model)
        assert client.extractions.view(made.extraction_id).fields == fields_from(model)
        client.extractions.update(made.extraction_id, fields=DataLine)
        assert client.extractions.view(made.extraction_id).fields == fields_from(DataLine)


@pytest.fixture
def make_client() -> Callable[[Emulator], Client]:
    return lambda emulator: Client(
        emulator.api_key, base_url=emulator.base_url, min_poll_spacing=0.01
    )

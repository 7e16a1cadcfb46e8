"""Make the sample documents of `extracta-rs demo`, and the JSON of what each of them says.

Standard library only; the same bytes on every run with the same zlib. The outputs are committed:

    python examples/make_samples.py
"""

from __future__ import annotations

import io
import json
import random
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

SAMPLES = Path(__file__).parent.parent / "python" / "extracta_rs" / "_cli" / "samples"


@dataclass(frozen=True)
class Party:
    name: str
    address: str
    tax_id: str


@dataclass(frozen=True)
class Line:
    description: str
    quantity: int
    cents: int


@dataclass(frozen=True)
class Words:
    """The words printed on a document, in its language."""

    title: str = "Invoice"
    number: str = "Invoice number"
    issued: str = "Date"
    due: str = "Due"
    customer: str = "Bill to"
    description: str = "Description"
    quantity: str = "Qty"
    price: str = "Price"
    amount: str = "Amount"
    subtotal: str = "Subtotal"
    tax: str = "Tax"
    total: str = "Total"
    tax_id: str = "Tax ID"
    thousands: str = ","
    decimal: str = "."


@dataclass(frozen=True)
class Invoice:
    file_name: str
    number: str
    issued: str
    due: str
    supplier: Party
    customer: Party
    iban: str
    terms: str
    currency: str
    tax_percent: int
    lines: tuple[Line, ...]
    words: Words
    shown_dates: tuple[str, str]

    @property
    def subtotal(self) -> int:
        return sum(line.quantity * line.cents for line in self.lines)

    @property
    def tax(self) -> int:
        return self.subtotal * self.tax_percent // 100

    def shown(self, cents: int) -> str:
        """Write an amount as it is printed in the document's country."""
        whole, rest = divmod(cents, 100)
        grouped = f"{whole:,}".replace(",", self.words.thousands)
        return f"{grouped}{self.words.decimal}{rest:02d}"

    def rows(self) -> list[tuple[str, str, str, str]]:
        return [
            (
                line.description,
                str(line.quantity),
                self.shown(line.cents),
                self.shown(line.quantity * line.cents),
            )
            for line in self.lines
        ]

    def sums(self) -> list[tuple[str, str]]:
        return [
            (self.words.subtotal, self.shown(self.subtotal)),
            (f"{self.words.tax} {self.tax_percent}%", self.shown(self.tax)),
            (f"{self.words.total} {self.currency}", self.shown(self.subtotal + self.tax)),
        ]

    def head(self) -> list[tuple[str, str]]:
        return [
            (self.words.number, self.number),
            (self.words.issued, self.shown_dates[0]),
            (self.words.due, self.shown_dates[1]),
        ]

    def result(self) -> dict[str, Any]:
        """Return what an extraction with the invoice template finds in the document."""
        return {
            "invoice_number": self.number,
            "issue_date": self.issued,
            "due_date": self.due,
            "supplier": {**vars(self.supplier), "iban": self.iban},
            "customer": dict(vars(self.customer)),
            "line_items": [
                {
                    "description": line.description,
                    "quantity": str(line.quantity),
                    "unit_price": plain(line.cents),
                    "amount": plain(line.quantity * line.cents),
                }
                for line in self.lines
            ],
            "subtotal": plain(self.subtotal),
            "tax_rate": str(self.tax_percent),
            "tax_amount": plain(self.tax),
            "total": plain(self.subtotal + self.tax),
            "currency": self.currency,
            "payment_terms": self.terms,
        }


def plain(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


INVOICES = (
    Invoice(
        file_name="invoice-4711.pdf",
        number="INV-4711",
        issued="2024-04-17",
        due="2024-05-17",
        supplier=Party("Blue Heron Paper Co.", "12 Mill St, Brattleboro, VT 05301", "82-4471906"),
        customer=Party("Kestrel Books LLC", "400 Harbor Road, Burlington, VT 05401", "47-1180325"),
        iban="",
        terms="Net 30",
        currency="USD",
        tax_percent=6,
        lines=(
            Line("Laid paper A4, 100 g, ream", 40, 1250),
            Line("Bookbinding linen, 10 m roll", 6, 3875),
            Line("Delivery", 1, 2400),
        ),
        words=Words(),
        shown_dates=("April 17, 2024", "May 17, 2024"),
    ),
    Invoice(
        file_name="scan-0092.png",
        number="NF-0092",
        issued="2024-03-08",
        due="2024-03-22",
        supplier=Party("NORTHERN FERRY PARTS", "7 PIER LANE, HALIFAX NS", "81234 5678 RT0001"),
        customer=Party("SABLE ISLAND TOURS INC.", "19 WATER ST, LUNENBURG NS", "83911 2204 RT0001"),
        iban="",
        terms="NET 14",
        currency="CAD",
        tax_percent=15,
        lines=(
            Line("PROPELLER SHAFT SEAL", 4, 8620),
            Line("IMPELLER KIT", 2, 5995),
            Line("LABOUR, HOURS", 3, 9510),
        ),
        words=Words("INVOICE", "NO.", "DATE", "DUE", "SOLD TO", "ITEM", "QTY", "PRICE", "AMOUNT",
                    "SUBTOTAL", "HST", "TOTAL", "TAX NO."),
        shown_dates=("2024-03-08", "2024-03-22"),
    ),
    Invoice(
        file_name="Harbour Lights May.docx",
        number="HL/2024/058",
        issued="2024-05-31",
        due="2024-06-30",
        supplier=Party("Harbour Lights Ltd", "3 Quay Row, Whitby YO21 3PU", "GB 912 3344 07"),
        customer=Party("The Anchor Inn", "88 Cliff Street, Scarborough YO11 2HD", "GB 771 0925 63"),
        iban="GB33BUKB20201555555555",
        terms="30 days from the date of invoice",
        currency="GBP",
        tax_percent=20,
        lines=(Line("Lantern glass, amber", 12, 1840), Line("Brass fitting, 22 mm", 24, 455)),
        words=Words(tax="VAT", tax_id="VAT no."),
        shown_dates=("31 May 2024", "30 June 2024"),
    ),
    Invoice(
        file_name="Rechnung Müller & Söhne №7.pdf",
        number="2024-R-0007",
        issued="2024-02-05",
        due="2024-02-19",
        supplier=Party("Müller & Söhne GmbH", "Gießereistraße 21, 70435 Stuttgart", "DE811907432"),
        customer=Party("Kranbau Übersee AG", "Hafenweg 4, 20457 Hamburg", "DE264100958"),
        iban="DE89370400440532013000",
        terms="14 Tage netto",
        currency="EUR",
        tax_percent=19,
        lines=(Line("Fräsarbeiten, Stunden", 14, 7800), Line("Messingwelle Ø 30 mm", 5, 4160)),
        words=Words("Rechnung", "Rechnungsnummer", "Datum", "Fällig", "Rechnung an", "Beschreibung",
                    "Menge", "Preis", "Betrag", "Zwischensumme", "MwSt.", "Gesamt", "USt-IdNr.",
                    ".", ","),
        shown_dates=("05.02.2024", "19.02.2024"),
    ),
    Invoice(
        file_name="Factură Brașov.docx",
        number="BV 001934",
        issued="2024-06-12",
        due="2024-07-12",
        supplier=Party("Stupina Țâmpa SRL", "Str. Lungă 45, Brașov", "RO18420377"),
        customer=Party("Cămara Veche SRL", "Bd. Eroilor 8, Făgăraș", "RO30117254"),
        iban="RO49AAAA1B31007593840000",
        terms="30 de zile",
        currency="RON",
        tax_percent=9,
        lines=(Line("Miere de salcâm, borcan 400 g", 60, 2750), Line("Transport", 1, 15000)),
        words=Words("Factură", "Număr", "Data", "Scadență", "Client", "Denumire", "Cant.", "Preț",
                    "Valoare", "Subtotal", "TVA", "Total", "CIF", ".", ","),
        shown_dates=("12.06.2024", "12.07.2024"),
    ),
)  # fmt: skip


# PDF: one page, two of the fonts that every reader has, text and rules.

REGULAR, BOLD = "F1", "F2"
DIGIT_WIDTHS = {".": 278, ",": 278}  # of Helvetica, in thousandths; a digit is 556


def text(x: float, y: float, content: str, font: str = REGULAR, size: int = 10) -> bytes:
    raw = re.sub(rb"[()\\]", rb"\\\g<0>", content.encode("cp1252"))
    return b"BT /%s %d Tf %.1f %.1f Td (%s) Tj ET\n" % (font.encode(), size, x, y, raw)


def number(x: float, y: float, content: str, font: str = REGULAR, size: int = 10) -> bytes:
    """Write an amount that ends at `x`."""
    width = sum(DIGIT_WIDTHS.get(char, 556) for char in content) * size / 1000
    return text(x - width, y, content, font, size)


def rule(y: float, left: float = 60, right: float = 535) -> bytes:
    return b"%.1f %.1f m %.1f %.1f l S\n" % (left, y, right, y)


def page(invoice: Invoice) -> bytes:
    words, out = invoice.words, [b"0.6 w\n"]
    out += [text(60, 770, invoice.supplier.name, BOLD, 16), text(60, 752, invoice.supplier.address)]
    out.append(text(60, 738, f"{words.tax_id} {invoice.supplier.tax_id}"))
    out += [text(60, 690, words.title, BOLD, 22), rule(680)]
    for index, (label, value) in enumerate(invoice.head()):
        out += [text(340, 660 - 15 * index, label), text(440, 660 - 15 * index, value, BOLD)]
    customer = invoice.customer
    out += [text(60, 660, words.customer), text(60, 645, customer.name, BOLD)]
    out += [text(60, 630, customer.address), text(60, 615, f"{words.tax_id} {customer.tax_id}")]
    y = 570.0
    for x, label in ((60, words.description), (336, words.quantity), (410, words.price)):
        out.append(text(x, y, label, BOLD))
    out += [text(494, y, words.amount, BOLD), rule(y - 6)]
    for description, quantity, price, amount in invoice.rows():
        y -= 22
        out += [text(60, y, description), number(360, y, quantity)]
        out += [number(440, y, price), number(535, y, amount)]
    out.append(rule(y - 10))
    y -= 30
    for label, amount in invoice.sums():
        font = BOLD if amount == invoice.sums()[-1][1] else REGULAR
        out += [text(340, y, label, font), number(535, y, amount, font)]
        y -= 18
    out.append(text(60, 120, invoice.terms + (f"   IBAN {invoice.iban}" if invoice.iban else "")))
    return b"".join(out)


def pdf(invoice: Invoice) -> bytes:
    content = page(invoice)
    fonts = [
        b"<< /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding /WinAnsiEncoding >>" % name
        for name in (b"Helvetica", b"Helvetica-Bold")
    ]
    title = b"\xfe\xff" + f"{invoice.words.title} {invoice.number}".encode("utf-16-be")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R /F2 6 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%sendstream" % (len(content), content),
        *fonts,
        b"<< /Title <%s> >>" % title.hex().encode(),
    ]
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for index, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (index, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info 7 0 R >>\n" % (len(objects) + 1)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)


# DOCX: the three parts that a reader asks for, with one table.

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
CONTENT_TYPES = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">\
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>\
<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument\
.wordprocessingml.document.main+xml"/></Types>"""
RELATIONSHIPS = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">\
<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships\
/officeDocument" Target="word/document.xml"/></Relationships>"""


def paragraph(content: str, *, bold: bool = False, size: int = 20, right: bool = False) -> str:
    align = '<w:pPr><w:jc w:val="right"/></w:pPr>' if right else ""
    look = f'<w:rPr>{"<w:b/>" * bold}<w:sz w:val="{size}"/></w:rPr>'
    words = f'<w:t xml:space="preserve">{escape(content)}</w:t>'
    return f"<w:p>{align}<w:r>{look}{words}</w:r></w:p>"


def table(rows: list[tuple[str, ...]], bold_rows: set[int]) -> str:
    widths = (4600, 1100, 1600, 1800)
    lines = "".join(
        f'<w:{side} w:val="single" w:sz="4" w:space="0" w:color="999999"/>'
        for side in ("top", "bottom", "insideH")
    )
    body = "".join(
        "<w:tr>"
        + "".join(
            f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/></w:tcPr>'
            + paragraph(cell, bold=index in bold_rows, right=column > 0)
            + "</w:tc>"
            for column, (width, cell) in enumerate(zip(widths, row, strict=True))
        )
        + "</w:tr>"
        for index, row in enumerate(rows)
    )
    grid = "".join(f'<w:gridCol w:w="{width}"/>' for width in widths)
    return (
        f'<w:tbl><w:tblPr><w:tblW w:w="{sum(widths)}" w:type="dxa"/>'
        f"<w:tblBorders>{lines}</w:tblBorders></w:tblPr><w:tblGrid>{grid}</w:tblGrid>{body}</w:tbl>"
    )


def docx(invoice: Invoice) -> bytes:
    words = invoice.words
    heading = (words.description, words.quantity, words.price, words.amount)
    sums = [("", "", label, amount) for label, amount in invoice.sums()]
    rows: list[tuple[str, ...]] = [heading, *invoice.rows(), *sums]
    body = [
        paragraph(invoice.supplier.name, bold=True, size=32),
        paragraph(f"{invoice.supplier.address}, {words.tax_id} {invoice.supplier.tax_id}"),
        paragraph(words.title, bold=True, size=44),
        *(paragraph(f"{label}: {value}") for label, value in invoice.head()),
        paragraph(f"{words.customer}: {invoice.customer.name}", bold=True),
        paragraph(f"{invoice.customer.address}, {words.tax_id} {invoice.customer.tax_id}"),
        table(rows, {0, len(rows) - 1}),
        paragraph(f"{invoice.terms}. IBAN {invoice.iban}"),
        '<w:sectPr><w:pgSz w:w="11906" w:h="16838"/>'
        '<w:pgMar w:top="1134" w:right="1134" w:bottom="1134" w:left="1134" w:header="0"'
        ' w:footer="0" w:gutter="0"/></w:sectPr>',
    ]
    document = (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
        f'<w:document xmlns:w="{WORD}"><w:body>{"".join(body)}</w:body></w:document>'
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, part in (
            ("[Content_Types].xml", CONTENT_TYPES),
            ("_rels/.rels", RELATIONSHIPS),
            ("word/document.xml", document),
        ):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, part)
    return out.getvalue()


# PNG: a dot-matrix print, turned a little and spotted as a scanner leaves it.

GLYPHS = dict(
    line.split(" ")
    for line in """\
A 0E11111F111111
B 1E11111E11111E
C 0E11101010110E
D 1E11111111111E
E 1F10101E10101F
F 1F10101E101010
G 0E11101713110F
H 1111111F111111
I 0E04040404040E
J 0702020202120C
K 11121418141211
L 1010101010101F
M 111B1515111111
N 11191513111111
O 0E11111111110E
P 1E11111E101010
Q 0E11111115120D
R 1E11111E141211
S 0F10100E01011E
T 1F040404040404
U 1111111111110E
V 11111111110A04
W 11111115151B11
X 11110A040A1111
Y 11110A04040404
Z 1F01020408101F
0 0E11131519110E
1 040C040404040E
2 0E11010608101F
3 1F02040201110E
4 02060A121F0202
5 1F101E0101110E
6 0608101E11110E
7 1F010204080808
8 0E11110E11110E
9 0E11110F01020C
. 00000000000C0C
, 00000000060408
: 000C0C000C0C00
- 0000001F000000
/ 01010204081010
% 18190204081303
# 0A0A1F0A1F0A0A""".splitlines()
)
WIDTH, HEIGHT, SCALE = 780, 1010, 3
COLUMN, ROW = 6 * SCALE, 11 * SCALE
LEVELS = 16


def printed_lines(invoice: Invoice) -> list[str]:
    words, gap = invoice.words, ""
    return [
        invoice.supplier.name,
        invoice.supplier.address,
        f"{words.tax_id} {invoice.supplier.tax_id}",
        gap,
        words.title,
        *(f"{label:<8}{value}" for label, value in invoice.head()),
        gap,
        f"{words.customer}: {invoice.customer.name}",
        invoice.customer.address,
        f"{words.tax_id} {invoice.customer.tax_id}",
        gap,
        f"{words.description:<20}{words.quantity:>4}{words.price:>7}{words.amount:>8}",
        "-" * 39,
        *(f"{row[0]:<20}{row[1]:>4}{row[2]:>7}{row[3]:>8}" for row in invoice.rows()),
        "-" * 39,
        *(f"{label:>31}{amount:>8}" for label, amount in invoice.sums()),
        gap,
        f"TERMS: {invoice.terms}",
    ]


def dots(lines: list[str]) -> list[bytearray]:
    """Draw the text, black (0) on white (255), each dot `SCALE` pixels wide."""
    sheet = [bytearray(b"\xff" * WIDTH) for _ in range(HEIGHT)]
    for line_number, line in enumerate(lines):
        for char_number, char in enumerate(line):
            rows = bytes.fromhex(GLYPHS[char]) if char != " " else bytes(7)
            left, top = 38 + char_number * COLUMN, 70 + line_number * ROW
            for y in range(7 * SCALE):
                for x in range(5 * SCALE):
                    if rows[y // SCALE] >> (4 - x // SCALE) & 1:
                        sheet[top + y][left + x] = 0
    return sheet


def scanned(sheet: list[bytearray]) -> list[list[int]]:
    """Turn the sheet by half a degree, soften it, and leave some dust."""
    chance = random.Random(92)
    slope = 0.009
    out = []
    for y in range(HEIGHT):
        row = []
        for x in range(WIDTH):
            from_x, from_y = x + slope * (y - HEIGHT / 2), y - slope * (x - WIDTH / 2)
            left, top = int(from_x), int(from_y)
            part_x, part_y = from_x - left, from_y - top
            if 0 <= left < WIDTH - 1 and 0 <= top < HEIGHT - 1:
                above = sheet[top][left] * (1 - part_x) + sheet[top][left + 1] * part_x
                below = sheet[top + 1][left] * (1 - part_x) + sheet[top + 1][left + 1] * part_x
                level = above * (1 - part_y) + below * part_y
            else:
                level = 255.0
            row.append(int(2 + level / 255 * (LEVELS - 3)))
        out.append(row)
    for _ in range(500):
        out[chance.randrange(HEIGHT)][chance.randrange(WIDTH)] = chance.randrange(3, 12)
    return out


def png(invoice: Invoice) -> bytes:
    """Write the picture with 16 levels of grey, two pixels to a byte."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    pixels = scanned(dots(printed_lines(invoice)))
    packed = b"".join(
        b"\x00" + bytes(row[x] << 4 | row[x + 1] for x in range(0, WIDTH, 2)) for row in pixels
    )
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 4, 0, 0, 0, 0))
        + chunk(b"pHYs", struct.pack(">IIB", 3937, 3937, 1))
        + chunk(b"IDAT", zlib.compress(packed, 9))
        + chunk(b"IEND", b"")
    )


def main() -> None:
    SAMPLES.mkdir(parents=True, exist_ok=True)
    writers = {".pdf": pdf, ".docx": docx, ".png": png}
    for invoice in INVOICES:
        path = SAMPLES / invoice.file_name
        path.write_bytes(writers[path.suffix](invoice))
        print(f"{path.stat().st_size:>7}  {path.name}")
    results = {invoice.file_name: invoice.result() for invoice in INVOICES}
    text_of_results = json.dumps(results, ensure_ascii=False, indent=2) + "\n"
    (SAMPLES / "documents.json").write_text(text_of_results, encoding="utf-8")


if __name__ == "__main__":
    main()

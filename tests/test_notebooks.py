"""In notebooks: what is shown is safe and bounded, and a real kernel runs both clients."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import textwrap
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import nbclient
import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extracta_rs import (
    BatchRef,
    BatchResults,
    Classification,
    Client,
    Extraction,
    FileResult,
    _html,
    templates,
)
from extracta_rs.testing import Emulator

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 200_000
TAGS = {"div", "b", "span", "code", "table", "thead", "tbody", "tr", "th", "td"}
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;\x1b[2J\u202e\ud83d.pdf"


class Page(HTMLParser):
    """Reads HTML with every doubt."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.cells: list[str] = []
        self._open: list[str] = []
        page.encode()
        assert len(page) <= LARGEST
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        for name, value in attrs:
            assert name in ("style", "dir")
            assert value is not None
            assert not re.search(r"url|expression|position|@|\\|http", value)
        self._open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        assert all(char.isprintable() or char in "\n\t" for char in data)
        self.text += data
        if self.cells:
            self.cells[-1] += data


def results(*files: dict[str, Any], status: str | None = None) -> BatchResults:
    data = {"files": list(files), "status": status}
    return BatchResults._load(data, True, "-e", None, "-b")


def shown(value: Any) -> Page:
    return Page(value._repr_html_())


def test_results_are_a_table() -> None:
    page = shown(
        results(
            {"fileName": "a.pdf", "status": "processed", "result": {"total": 9.5, "paid": True}},
            {"fileName": "b.pdf", "status": "failed", "error": "unreadable"},
            {"fileId": "-f", "status": "strange", "result": {"items": [{"a": 1}, {"a": None}]}},
        )
    )
    assert "Batch -b of extraction -e: 3 files: 1 processed, 1 failed, 1 strange" in page.text
    assert page.cells == [
        "file", "status", "total", "paid", "items",
        "a.pdf", "processed", "9.5", "yes", "",
        "b.pdf", "failed unreadable", "", "", "",
        "-f", "strange", "", "", "a: 1 | a: ",
    ]  # fmt: skip
    assert "0 files, waiting" in shown(results(status="waiting")).text


def test_a_file_shows_its_fields_and_their_rows() -> None:
    result = {"total": "9.50", "items": [{"sku": "x", "n": 1}, {"sku": "y"}], "who": {"name": "Z"}}
    page = shown(FileResult({"fileName": "a.pdf", "status": "processed", "result": result}))
    assert "a.pdf: processed" in page.text
    cells = [cell for cell in page.cells if cell]
    assert cells == ["total", "9.50", "items", "sku", "n", "x", "1", "y", "who", "name", "Z"]


def test_templates_and_batches(extracta_client: Client) -> None:
    created = extracta_client.extractions.create(**templates.load("invoice"))
    page = shown(created)
    assert created.extraction_id in page.text
    assert {"line_items[].quantity", "supplier.name", "array"} <= set(page.cells)
    batch = extracta_client.extractions.upload(created.extraction_id, ("a.pdf", b"%PDF"))
    page = shown(batch)
    assert batch.batch_id in page.text
    assert page.cells == ["file", "id", "a.pdf", batch.files[0].file_id]
    kinds = [{"name": "invoice", "description": "bills", "uniqueWords": ["total", "due"]}]
    classification = extracta_client.classifications.create("Kinds", document_types=kinds)
    assert "total, due" in shown(classification).cells
    assert "of classification -c" in shown(BatchRef(batch_id="-b", classification_id="-c")).text


def test_what_documents_say_is_harmless_and_urls_are_not_shown() -> None:
    file = {
        "fileName": EVIL, "fileId": EVIL, "status": EVIL, "error": EVIL,
        "url": "https://files.example/a?X-Signature=1", "result": {EVIL: EVIL, "b": [{EVIL: EVIL}]},
    }  # fmt: skip
    fields = [{"key": EVIL, "type": EVIL, "description": EVIL, "example": {EVIL: [EVIL]}}]
    shown_all: list[Any] = [
        results(file, status=EVIL),
        FileResult(file),
        BatchRef(batch_id=EVIL, extraction_id=EVIL),
        Extraction._load({}, EVIL, {"name": EVIL, "language": EVIL, "fields": fields,
                                    "description": EVIL, "options": {EVIL: EVIL}}),
        Classification._load({}, EVIL, {"name": EVIL, "documentTypes": [{"name": EVIL}]}),
    ]  # fmt: skip
    for value in shown_all:
        page = shown(value)
        assert "<script>alert(1)</script>" in page.text
        assert "Signature" not in page.text


def test_much_is_cut_short() -> None:
    deep: Any = "bottom"
    for _ in range(100_000):
        deep = [deep]
    wide = {f"key {n}": n for n in range(100_000)}
    files = [
        {"fileName": "x" * 1_000_000, "status": "processed",
         "result": {"deep": deep, "wide": wide, "rows": [wide] * 100, "number": 10**5000}}
    ] * 1000  # fmt: skip
    page = shown(results(*files))
    assert page.text.count("processed") == _html.MOST_ROWS + 1
    assert "and 980 more files" in page.text
    assert "x" * _html.MOST_TEXT not in page.text
    page = shown(FileResult(files[0]))
    assert "and 80 more rows" in page.text
    page = shown(FileResult({"result": wide}))
    assert "and 99,960 more fields" in page.text
    # The test's own list would overflow the stack where it is freed in one go.
    while isinstance(deep, list):
        deep = deep.pop()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["fileName", "status", "error", "result", "x"]), JSON))
def test_whatever_the_service_sends_can_be_shown(file: dict[str, Any]) -> None:
    shown(results(file, file))
    shown(FileResult(file))


@given(st.dictionaries(st.sampled_from(["name", "fields", "options", "documentTypes"]), JSON))
def test_whatever_a_template_says_can_be_shown(details: dict[str, Any]) -> None:
    shown(Extraction._load({"extractionDetails": details}, "-e", {}))
    shown(Classification._load({"classificationDetails": details}, "-c", {}))


def contrast(colour: str, ground: str) -> float:
    def luminance(text: str) -> float:
        parts = [int(text[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    dark, light = sorted((luminance(colour), luminance(ground)))
    return (light + 0.05) / (dark + 0.05)


def test_statuses_are_read_in_dark_and_light_themes() -> None:
    for colour in (*_html._COLOURS.values(), _html._PENDING):
        for ground in ("#ffffff", "#111111"):
            assert contrast(colour, ground) > 4.2


def test_nothing_of_it_is_imported_before_it_is_shown() -> None:
    program = (
        "import sys; from extracta_rs import BatchResults, Client;"
        "print([name for name in ('extracta_rs._html', 'IPython') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"[]\n"
    for model in (BatchRef, BatchResults, Extraction, Classification):
        assert dataclasses.is_dataclass(model)


SETTINGS = """
    import asyncio
    from extracta_rs import AsyncClient, Client, progress_bar
    settings = {{"api_key": "{key}", "base_url": "{url}", "min_poll_spacing": 0}}
    client = Client(**settings)
    extraction = client.extractions.create("Invoices", fields=[{{"key": "total"}}])
    files = [("<script>alert(1)</script>.pdf", b"%PDF"), ("b.pdf", b"%PDF" * 100_000)]
"""
LOOP = "assert asyncio.get_running_loop().is_running()\n"


class Executed:
    """A notebook that a real kernel has run."""

    def __init__(self, emulator: Emulator, folder: Path, *cells: str, **options: Any) -> None:
        first = SETTINGS.format(key=emulator.api_key, url=emulator.base_url)
        sources = [textwrap.dedent(cell) for cell in (first, *cells)]
        new: Any = nbformat.v4  # It has no types.
        notebook = new.new_notebook(cells=[new.new_code_cell(source) for source in sources])
        self.messages: list[tuple[str, Any]] = []
        heard = self.messages

        class Client(nbclient.NotebookClient):
            def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
                heard.append((msg["msg_type"], msg["content"]))
                return super().process_message(msg, cell, cell_index)

        options = {"timeout": 60, "kernel_name": "python3", **options}
        Client(notebook, resources={"metadata": {"path": str(folder)}}, **options).execute()
        nbformat.validate(notebook)
        self.outputs = [cell.outputs for cell in notebook.cells[1:]]

    def frames(self) -> list[str]:
        """Return the states that a bar was shown in."""
        return [
            content["data"]["text/html"]
            for kind, content in self.messages
            if kind in ("display_data", "update_display_data")
        ]


@pytest.fixture(autouse=True)
def quiet_jupyter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Neither the developer's settings nor a home of theirs.
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")


def test_the_blocking_client_in_a_kernel(tmp_path: Path) -> None:
    with Emulator(processing_time=0.3) as emulator:
        executed = Executed(
            emulator,
            tmp_path,
            LOOP + "batch = client.extractions.upload(extraction.extraction_id, files)\nbatch",
            LOOP + "results = batch.wait(poll_interval=0.05, on_progress=progress_bar())",
            "results",
            "results.files[0]",
            "extraction",
            "uploaded = client.extractions.upload("
            "extraction.extraction_id, files[1], on_progress=progress_bar())",
        )
    batch, wait, results, file, extraction, upload = executed.outputs
    for [output], said in ((batch, "2 files"), (results, "2 processed"), (file, "processed"),
                           (extraction, "Invoices")):  # fmt: skip
        assert said in Page(output.data["text/html"]).text
        assert output.data["text/plain"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.pdf" in results[0].data["text/html"]
    [bar] = wait
    assert 'value="1.0000"' in bar.data["text/html"]
    assert bar.data["text/plain"].startswith("Waiting 2 of 2 files, 0:0")
    assert "400.3 kB of 400.3 kB" in upload[0].data["text/html"]
    waiting = [frame for frame in executed.frames() if "Waiting" in frame]
    assert len(waiting) >= 3
    assert 'value="1.0000"' not in waiting[0]


def test_the_asyncio_client_in_a_kernel(tmp_path: Path) -> None:
    with Emulator(polls_until_finished=2) as emulator:
        executed = Executed(
            emulator,
            tmp_path,
            """
            aclient = AsyncClient(**settings)
            await aclient.credits()
            """,
            """
            batch = await aclient.extractions.upload(extraction.extraction_id, files)
            results = await batch.wait(poll_interval=0.05, on_progress=progress_bar())
            """,
            """
            one, two = await asyncio.gather(aclient.credits(), asyncio.to_thread(client.credits))
            await aclient.aclose()
            one == two, batch.files
            """,
        )
    balance, wait, both = executed.outputs
    assert int(balance[0].data["text/plain"]) > 0
    assert 'value="1.0000"' in wait[0].data["text/html"]
    assert both[0].data["text/plain"].startswith("(True,")
    assert len(executed.frames()) == 3


def test_interrupting_the_kernel_ends_a_wait(tmp_path: Path) -> None:
    with Emulator(processing_time=600) as emulator:
        executed = Executed(
            emulator,
            tmp_path,
            "batch = client.extractions.upload(extraction.extraction_id, files)",
            """
            try:
                batch.wait(poll_interval=0.05, on_progress=progress_bar())
            except KeyboardInterrupt:
                print("stopped")
            """,
            "client.credits()",
            timeout_func=lambda cell: 3 if "KeyboardInterrupt" in cell.source else 60,
            interrupt_on_timeout=True,
        )
    _, stopped, balance = executed.outputs
    assert stopped[-1].text == "stopped\n"
    assert int(balance[0].data["text/plain"]) > 0


def test_an_error_in_a_cell_shows_no_key(tmp_path: Path) -> None:
    with Emulator(api_key="sk-notebook-0123") as emulator:
        executed = Executed(
            emulator, tmp_path, "client.extractions.view('-none')", "client", allow_errors=True
        )
    [failed], [client] = executed.outputs
    assert failed.ename == "NotFoundError"
    assert "sk-notebook" not in str(failed) + str(client)

"""How a recording reads uploads as they stream by: in any pieces, and without trusting them."""

from __future__ import annotations

import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extracta_rs.testing._multipart import MOST_HEAD, MultipartError, MultipartReader

TYPE = "multipart/form-data; boundary=b0"
PIECES = st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--b", b"\r\n--", b"0", b"x", b"\0"]))
NAMES = st.text(st.characters(exclude_categories=["C"], exclude_characters='"'), min_size=1)


def part(disposition: str, content: bytes) -> bytes:
    head = f"Content-Disposition: form-data; {disposition}\r\nContent-Type: text/plain\r\n\r\n"
    return b"--b0\r\n" + head.encode() + content + b"\r\n"


def read(body: bytes, cuts: list[int], content_type: str = TYPE) -> MultipartReader:
    reader = MultipartReader(content_type)
    places = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    for start, end in itertools.pairwise(places):
        reader.feed(body[start:end])
    return reader


@given(st.lists(st.tuples(NAMES, PIECES.map(b"".join))), st.lists(st.integers(0, 10_000)))
def test_however_it_is_cut(files: list[tuple[str, bytes]], cuts: list[int]) -> None:
    files = [(name, content) for name, content in files if b"\r\n--b0" not in b"\r\n" + content]
    body = b"preamble\r\n" + part('name="extractionId"', b"-e")
    body += b"".join(part(f'name="files"; filename="{name}"', data) for name, data in files)
    found = read(body + b"--b0--\r\nepilogue", cuts).finish()
    assert found["form"] == {"extractionId": "-e"}
    meant = [
        name.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n") for name, _ in files
    ]
    assert [file["name"] for file in found["files"]] == meant
    for file, (_, data) in zip(found["files"], files, strict=True):
        assert (file["size"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('name="files"; filename="a%22b.pdf"', 'a"b.pdf'),
        ('name="files"; filename="x; filename*=y"', "x; filename*=y"),
        ("name=files; filename=plain.pdf", "plain.pdf"),
        ('name="files"; filename="_"; filename*=UTF-8\'\'%C3%A4%20%25.pdf', "ä %.pdf"),
        ('name="files"; filename="_"; filename*=latin-1\'\'%E4.pdf', "_"),
        ('name="files"; filename=""', ""),
    ],
)
def test_names(disposition: str, name: str) -> None:
    [file] = read(part(disposition, b"") + b"--b0--", []).finish()["files"]
    assert file["name"] == name


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "too early"),
        (part('name="a"', b"x"), "too early"),
        (part('name="a"', b"x") + b"--b0", "too early"),
        (b"--b0x\r\n\r\n\r\n--b0--", "end of its line"),
        (b"--b0\r\n" + b"x" * (MOST_HEAD + 10), "too long"),
        (part('name="a"', b"x" * 70_000) + b"--b0--", "too long"),
    ],
)
def test_what_is_no_upload(body: bytes, told: str) -> None:
    with pytest.raises(MultipartError, match=told):
        read(body, []).finish()
    with pytest.raises(MultipartError, match="without a boundary"):
        MultipartReader("multipart/form-data")

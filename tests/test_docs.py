"""The documents tell the truth: links and names are real, commands CI's, docstrings fit."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import subprocess
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

import extracta_rs

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", README, re.M | re.S)
COMMANDS = [
    line for block in re.findall(r"^```sh\n(.*?)^```$", README, re.M | re.S)
    for line in block.splitlines()
]  # fmt: skip


def test_readme_is_short() -> None:
    assert len(README.splitlines()) <= 110


def test_readme_has_the_two_commands_word_for_word_and_ci_runs_them() -> None:
    assert COMMANDS == [
        'python -m venv .venv && .venv/bin/pip install ".[cli]" && .venv/bin/extracta-rs demo',
        'python -m venv .venv && .venv/bin/pip install ".[test]" && .venv/bin/pytest'
        " && cargo test --features emulator,journal",
    ]
    said = subprocess.run(
        ["bash", ROOT / ".ci" / "run", "--commands"], capture_output=True, text=True, check=True
    )
    assert said.stdout.splitlines() == COMMANDS


def test_readme_links_lead_to_files() -> None:
    for document in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert target.startswith("https://") or (ROOT / target).exists(), target


def test_names_in_the_readme_exist() -> None:
    errors = set(re.findall(r"`(\w+Error)`", README))
    assert len(errors) >= 10
    for name in errors | set(re.findall(r"extracta_rs\.(\w+)", README)) - {"testing"}:
        assert hasattr(extracta_rs, name), name


def test_contributing_names_files_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for name in re.findall(r"`((?:src|python|tests|examples)/[\w./]*)`", text):
        assert (ROOT / name).exists(), name


def test_flask_program_takes_good_deliveries_and_refuses_forged_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [program] = [program for program in PROGRAMS if "flask" in program]
    secret = "E_AI_K_readme"
    monkeypatch.setenv("EXTRACTA_WEBHOOK_SECRET", secret)
    module = types.ModuleType("readme")
    exec(compile(program, "README.md", "exec"), vars(module))  # the program under test
    body = (
        b'{"event":"extraction.processed","result":[{"extractionId":"-e","batchId":"-b",'
        b'"fileId":"-f","fileName":"a.pdf","status":"processed","result":{"total":"1"}}]}'
    )
    signature = extracta_rs.sign(body, secret)
    [route] = [r.rule for r in module.app.url_map.iter_rules() if "POST" in (r.methods or ())]
    browser = module.app.test_client()
    for sent, header, status in (
        (body, signature, range(200, 300)),
        (body.replace(b'"total":"1"', b'"total":"9"'), signature, [401]),
        (body, extracta_rs.sign(body, "E_AI_K_other"), [401]),
        (body, None, [401]),
    ):
        headers = {extracta_rs.SIGNATURE_HEADER: header} if header else {}
        answer = browser.post(route, data=sent, headers=headers, content_type="application/json")
        assert answer.status_code in status


def test_flask_program_is_the_example() -> None:
    [program] = [program for program in PROGRAMS if "flask" in program]
    example = (ROOT / "examples" / "flask_app.py").read_text(encoding="utf-8")
    assert ast.dump(ast.parse(program)) == ast.dump(without_docstring(ast.parse(example)))


def without_docstring(tree: ast.Module) -> ast.Module:
    if ast.get_docstring(tree) is not None:
        del tree.body[0]
    return tree


def public_callables() -> Iterator[tuple[str, object]]:
    """Yield each public function, and each public method of each public class."""
    for name in extracta_rs.__all__:
        value = getattr(extracta_rs, name)
        if inspect.isclass(value):
            for attribute in dir(value):
                method = inspect.getattr_static(value, attribute)
                module = getattr(
                    inspect.unwrap(getattr(method, "__func__", method)), "__module__", ""
                )
                if not attribute.startswith("_") and (module or "").startswith("extracta_rs"):
                    yield f"{name}.{attribute}", getattr(value, attribute)
        elif callable(value):
            yield name, value


CALLABLES = dict(public_callables())


def test_every_public_name_has_a_docstring() -> None:
    bare = [
        name
        for name in extracta_rs.__all__
        if callable(value := getattr(extracta_rs, name)) and not inspect.getdoc(value)
    ]
    bare += [name for name, value in CALLABLES.items() if not inspect.getdoc(value)]
    assert not bare


def sections(doc: str) -> dict[str, str]:
    parts = re.split(r"^(Args|Attributes|Returns|Raises|Yields|Example):\n", doc, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def entries(section: str) -> set[str]:
    return {
        name for line in re.findall(r"^    (\S[^:]*):", section, re.M) for name in line.split(", ")
    }


@pytest.mark.parametrize("name", sorted(CALLABLES))
def test_docstrings_fit_what_they_describe(name: str) -> None:
    value = CALLABLES[name]
    if not callable(value):
        return
    doc = inspect.getdoc(value) or ""
    assert doc.splitlines()[0].endswith("."), "the first line is one sentence"
    found = sections(doc)
    parameters = {
        parameter
        for parameter in inspect.signature(value).parameters
        if parameter not in ("self", "cls")
    }
    if "Args" in found:
        assert entries(found["Args"]) == parameters
    for error in entries(found.get("Raises", "")):
        assert hasattr(extracta_rs, error) or hasattr(builtins, error), error
    for elsewhere in re.findall(r"[Ss]ee `([\w.]+)`", doc):
        assert any(known == elsewhere or known.endswith(f".{elsewhere}") for known in CALLABLES), (
            f"see {elsewhere}: there is no such name"
        )
    if "Args" not in found and "ee `" not in doc:
        told = {name for name in parameters if name.endswith(("_id", "_ids"))}
        assert parameters == told, "tell what the arguments are"


def test_programs_in_docstrings_are_python() -> None:
    for path in (ROOT / "python").rglob("*.py"):
        for program in re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.S):
            compile(textwrap.dedent(program), str(path), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_the_reference_has_every_public_name() -> None:
    pages = (ROOT / "docs" / "reference").glob("*.md")
    shown = set(re.findall(r"^::: (\S+)$", "".join(p.read_text("utf-8") for p in pages), re.M))
    shown |= {name.replace(".models.", ".") for name in shown}
    for name in set(extracta_rs.__all__) - {"__version__", "SIGNATURE_HEADER"}:
        home = getattr(extracta_rs, name).__module__
        assert {f"extracta_rs.{name}", home} & shown, f"{name} is not in the reference"

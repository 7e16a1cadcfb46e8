"""What of the site is not in `docs/`: the changes and the examples; read when the site is built."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
PLACES = {
    "../CHANGELOG.md": "changelog.md",
    "../README.md": "index.md",
}
EXAMPLES = ("flask_app.py", "dedupe.py")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made of files elsewhere."""
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "](")
    pages = {"changelog.md": changes, "examples.md": _examples()}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links out of `docs/`, right where the files are read, to pages of the site."""
    del page, config, files
    markdown = re.sub(r"\]\(\.\./examples/(\w+)\.py\)", r"](examples.md#\1)", markdown)
    for file, place in PLACES.items():
        markdown = markdown.replace(f"]({file}", f"]({place}")
    return markdown


def _examples() -> str:
    parts = ["# Examples\n\nWhole programs of the folder `examples`.\n"]
    for name in EXAMPLES:
        text = (ROOT / "examples" / name).read_text(encoding="utf-8")
        first = (ast.get_docstring(ast.parse(text)) or "").splitlines()[0]
        anchor = name.removesuffix(".py")
        parts.append(f"## {name} {{ #{anchor} }}\n\n{first}\n\n```python\n{text}```\n")
    return "\n".join(parts)

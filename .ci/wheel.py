"""Looks into a wheel: the tags, what it asks for, the types, the licence, the bill of materials."""

from __future__ import annotations

import email
import json
import re
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def check(wheel: Path) -> str:
    """Return a line on what was found; raise where something is wrong."""
    with zipfile.ZipFile(wheel) as archive:
        (info,) = {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        metadata = email.message_from_bytes(archive.read(f"{info}/METADATA"))
        tags = email.message_from_bytes(archive.read(f"{info}/WHEEL")).get_all("Tag") or []
        bill = json.loads(archive.read(f"{info}/sboms/extracta_rs.cyclonedx.json"))
        for name in ("extracta_rs/py.typed", "extracta_rs/_core.pyi", f"{info}/licenses/LICENSE"):
            archive.getinfo(name)
    assert all(tag.startswith("cp311-abi3-") for tag in tags), tags
    assert metadata["Requires-Python"] == ">=3.11"
    needed = [line for line in metadata.get_all("Requires-Dist") or [] if "extra ==" not in line]
    assert not needed, f"the base installation has dependencies: {needed}"
    assert bill["bomFormat"] == "CycloneDX"
    listed = {(part["name"], part["version"]) for part in bill["components"]}
    locked = set(
        re.findall(
            r'^name = "([^"]+)"\nversion = "([^"]+)"\nsource',
            (ROOT / "Cargo.lock").read_text(encoding="utf-8"),
            re.M,
        )
    )
    assert listed <= locked, f"not of Cargo.lock: {listed - locked}"
    names = {name for name, _ in listed}
    assert {"pyo3", "reqwest", "ring", "rusqlite", "rustls", "tokio"} <= names
    return f"{wheel.name}: {wheel.stat().st_size:,} bytes, {len(listed)} crates in its SBOM"


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        sys.stdout.write(f"{check(Path(argument))}\n")

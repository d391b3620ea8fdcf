"""The software bill of materials of the image, in CycloneDX 1.6, made of what is installed."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

FIELDS = "${Package} ${Version} ${Architecture}\n"


def document(owners: list[str], packages: Path) -> dict[str, Any]:
    """``owners`` are Debian packages; ``packages`` is the folder of Python's packages."""
    installed = sorted(distributions(path=[str(packages)]), key=lambda each: each.name.lower())
    own = next(each for each in installed if each.name == "mistle-preflight")
    is_debians = any(name.startswith("libpython3") for name in owners)
    python = [] if is_debians else [component("application", "python", sys.version.split()[0], "pkg:generic/python")]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": own.name, "version": own.version}},
        "components": [*python, *debian(owners), *map(of_python, installed)],
    }


def component(kind: str, name: str, version: str, url: str, **more: Any) -> dict[str, Any]:
    """One component; ``url`` is its package URL without the version."""
    head, mark, qualifiers = url.partition("?")
    purl = f"{head}@{quote(version, safe=':')}{mark}{qualifiers}"
    return {"type": kind, "name": name, "version": version, "purl": purl, **more}


def owners(files: Iterable[Path]) -> list[str]:
    """The Debian packages that the files belong to, as dpkg names them."""
    listed = {}
    for each in Path("/var/lib/dpkg/info").glob("*.list"):
        for line in each.read_text(encoding="utf-8").splitlines():
            listed[re.sub(r"^/(lib|lib64|bin|sbin)/", r"/usr/\1/", line)] = each.stem
    return sorted({listed[str(path)] for path in files if str(path) in listed})


def debian(names: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Debian's packages."""
    output = subprocess.run(
        ["dpkg-query", "-W", "-f", FIELDS, *names], capture_output=True, text=True, check=True
    ).stdout
    for name, version, architecture in map(str.split, output.splitlines()):
        yield component("library", name, version, f"pkg:deb/debian/{name}?arch={architecture}")


def of_python(package: Distribution) -> dict[str, Any]:
    """A Python package, and what its wheel contains of others: what its own bill lists, and its shared libraries."""
    kind = "application" if package.name == "mistle-preflight" else "library"
    name = re.sub(r"[-_.]+", "-", package.name).lower()
    license_ = package.metadata.get("License-Expression")
    parts = [*own_bills(package), *shared_libraries(package)]
    more = {"licenses": [{"expression": license_}]} if license_ else {}
    return component(
        kind, package.name, package.version, f"pkg:pypi/{name}", **more, **({"components": parts} if parts else {})
    )


def own_bills(package: Distribution) -> Iterator[dict[str, Any]]:
    """What the bills in the wheel (PEP 770) name besides the package itself."""
    for file in package.files or ():
        if ".dist-info/sboms/" in str(file) and file.suffix == ".json":
            bill = json.loads(file.read_text(encoding="utf-8"))
            for part in bill.get("components", ()):
                if part.get("version") and part["name"].replace("_", "-") != package.name.replace("_", "-"):
                    yield {key: part[key] for key in ("type", "name", "version", "purl") if key in part}


def shared_libraries(package: Distribution) -> Iterator[dict[str, Any]]:
    """The libraries that the wheel's makers have put into it."""
    for file in package.files or ():
        if file.parts[0].endswith(".libs"):
            digest = hashlib.sha256(file.locate().read_bytes()).hexdigest()
            yield {"type": "file", "name": file.name, "hashes": [{"alg": "SHA-256", "content": digest}]}

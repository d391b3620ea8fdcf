"""Puts Python, the command and the libraries that both load into an empty folder: the file system of the image."""

import compileall
import json
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from py_compile import PycInvalidationMode

import sbom

VENV = Path("/opt/mistle-preflight")
PACKAGES = Path(sysconfig.get_path("purelib", "venv", {"base": str(VENV)}))
INTERPRETER = (VENV / "bin/python").resolve()
STANDARD = Path(sysconfig.get_path("stdlib"))
SBOM = "usr/share/sbom/mistle-preflight.cdx.json"
ENDING_THREADS = "*/libgcc_s.so.1"  # glibc opens it at the end of a thread
LIBRARIES = re.compile(r"^\s+(?:\S+ => )?(/\S+) \(0x", re.MULTILINE)
UNUSED = {
    *("__pycache__", "site-packages", "dist-packages", "test", "idlelib", "tkinter", "turtledemo", "ensurepip"),
    *("pydoc_data", "lib2to3", "curses", "_curses", "_curses_panel", "dbm", "_dbm", "_gdbm", "nis", "readline"),
    *("sqlite3", "_sqlite3"),
}
"""Folders and modules of Python's standard library. Those in C would bring libraries with them."""
READ = {
    "botocore/data": {"s3", "_retry.json", "endpoints.json", "partitions.json", "sdk-default-configuration.json"},
    "pygments/lexers": {"__init__.py", "_mapping.py"},
}
"""What is read in these folders of packages. The rest is for Amazon's other services and for programming languages."""
FILES = {
    "etc/passwd": "nonroot:x:65532:65532:nonroot:/nonexistent:/nonexistent\n",
    "etc/group": "nonroot:x:65532:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def fill(root: Path) -> None:
    """Write everything below ``root``."""
    trim()
    shutil.copytree(VENV, root / VENV.relative_to("/"), symlinks=True)
    system = {INTERPRETER, *standard_library(), *Path("/usr/lib").glob(ENDING_THREADS)}
    system |= libraries(system)
    owners = sbom.owners(system)
    notices = (Path("/usr/share/doc", each.partition(":")[0], "copyright") for each in owners)
    for path in (*system, *filter(Path.exists, notices)):
        place(path, root)
    bill = json.dumps(sbom.document(owners, PACKAGES), indent=1)
    for name, text in {**FILES, SBOM: bill}.items():
        write(root / name, text)
    make_folders(root)
    precompile(root)


def make_folders(root: Path) -> None:
    """Make the links to /usr that Debian has, and the folders for the user's files."""
    for name in ("lib", "lib64"):
        if (link := Path("/", name)).is_symlink():
            (root / name).symlink_to(link.readlink())
    for name, mode in {"work": 0o755, "tmp": 0o1777}.items():
        (root / name).mkdir(mode)
        (root / name).chmod(mode)


def trim() -> None:
    """Remove what the command never reads."""
    within = [(path, names) for folder, names in READ.items() for path in (PACKAGES / folder).iterdir()]
    unread = [path for path, names in within if path.name not in names]
    unused = [path for path in (VENV / "bin").iterdir() if not re.fullmatch(r"python.*|mistle-preflight", path.name)]
    for path in (*unread, *unused, VENV / "include", VENV / ".gitignore"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def standard_library() -> Iterator[Path]:
    """The files of Python's own modules."""
    for path in STANDARD.rglob("*"):
        names = {part.partition(".")[0] for part in path.relative_to(STANDARD).parts}
        if path.is_file() and not names & UNUSED and "/config-" not in str(path):
            yield path


def libraries(files: Iterable[Path]) -> set[Path]:
    """The shared libraries of Debian that Python's packages and these files load."""
    binaries = [str(path) for path in [*PACKAGES.rglob("*.so*"), *files] if path.read_bytes()[:4] == b"\x7fELF"]
    output = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=False).stdout
    if "not found" in output:
        sys.exit(f"a shared library is missing:\n{output}")
    found = {Path(name) for name in LIBRARIES.findall(output)}
    return {path.parent.resolve() / path.name for path in found if VENV not in path.parents}


def place(path: Path, root: Path) -> None:
    """Copy a file, or what a link leads to, to the same path below ``root``."""
    target = root / path.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, target)


def write(path: Path, text: str) -> None:
    """Write a new file of UTF-8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def precompile(root: Path) -> None:
    """Compile all modules. Python then reads only the compiled ones, and does not compare them with their sources."""
    for folder in (STANDARD, PACKAGES):
        compileall.compile_dir(
            root / folder.relative_to("/"),
            quiet=1,
            force=True,
            workers=0,
            invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
            stripdir=root,
            prependdir="/",
        )


if __name__ == "__main__":
    fill(Path(sys.argv[1]))

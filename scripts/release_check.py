"""What must be so before a release: built, looked into, installed into fresh environments and used from there.

``make release-check`` runs it. Each step prints a line; the first one that is wrong ends it.
"""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from scripts.pythons import declared, pythons
from taskq.testing.faults import ServerProcess

ROOT = Path(__file__).parents[1]
BUILD_TOOLS = ("build>=1.2", "setuptools>=68")
PYRIGHT = "pyright>=1.1.390"
KUBERNETES = "kubernetes-validate>=1.30"
NOT_WHOLE = {"kustomization.yaml", "keda.yaml", "redis-replicated.yaml", "redis-cluster.yaml", "partitions.yaml"}
# what an sdist has beside the package
SOURCES = {
    "CHANGELOG.md",
    "LICENSE",
    "MANIFEST.in",
    "README.md",
    "SECURITY.md",
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
}
# what nobody needs to try a release, by weight
NOT_TRIED = {"dev", "docs", "streamlit"}
SECONDS = 600


class Wrong(Exception):
    """The release is not ready; the text says why."""


def run(*command: object, cwd: Path = ROOT, **variables: str) -> str:
    """Run a command and return what it prints.

    Raises:
        Wrong: if it fails.
    """
    words = [str(word) for word in command]
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **variables}
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()
        raise Wrong(f"{' '.join(words)[:200]} ended with {done.returncode}:\n" + "\n".join(said[-25:]))
    return done.stdout


def metadata() -> configparser.ConfigParser:
    """Return setup.cfg."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config


def tracked(folder: str) -> set[str]:
    """Return the files of a folder that are under version control."""
    return set(run("git", "ls-files", folder).split())


def version_is_told(version: str) -> str:
    """The newest section of the changes is about this version, and has a date or is marked as to come."""
    heading = re.search(r"^## (\S+) – (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    if heading is None or heading[1] != version:
        raise Wrong(f"setup.cfg says {version}, the newest section of CHANGELOG.md {heading and heading[1]}")
    if not re.fullmatch(r"unreleased|\d{4}-\d\d-\d\d", heading[2]):
        raise Wrong(f"CHANGELOG.md: {heading[2]!r} is neither a date nor 'unreleased'")
    return f"{version}, {heading[2]}"


def build(folder: Path) -> tuple[Path, Path]:
    """Build the sdist, and the wheel out of the sdist as pip would, from what is committed."""
    source = folder / "source"
    source.mkdir()
    archive = folder / "source.tar"
    run("git", "archive", "--output", archive, "HEAD")
    with tarfile.open(archive) as packed:
        packed.extractall(source, filter="data")
    tools = environment(folder / "tools", sys.executable, *BUILD_TOOLS)
    run(tools, "-m", "build", "--outdir", folder / "dist", cwd=source)
    (sdist,), (wheel,) = ((folder / "dist").glob(pattern) for pattern in ("*.tar.gz", "*.whl"))
    return sdist, wheel


def contents_are_whole(sdist: Path, wheel: Path) -> str:
    """Wheel and sdist have each file of the package, and nothing that does not belong there."""
    wanted = tracked("taskq")
    with zipfile.ZipFile(wheel) as packed:
        inside = {name for name in packed.namelist() if not name.endswith("/")}
    info = {name for name in inside if ".dist-info/" in name}
    if inside - info != wanted:
        missing, strange = sorted(wanted - inside)[:5], sorted(inside - info - wanted)[:5]
        raise Wrong(f"{wheel.name}: missing {missing}, does not belong there {strange}")
    if not any(name.endswith("LICENSE") for name in info):
        raise Wrong(f"{wheel.name} has no LICENSE")
    with tarfile.open(sdist) as packed:
        names = {member.name.partition("/")[2] for member in packed.getmembers() if member.isfile()}
    made = {name for name in names if name == "PKG-INFO" or name.startswith("taskq.egg-info/")}
    if names - made != wanted | SOURCES:
        missing, strange = sorted((wanted | SOURCES) - names)[:5], sorted(names - made - wanted - SOURCES)[:5]
        raise Wrong(f"{sdist.name}: missing {missing}, does not belong there {strange}")
    return f"{len(wanted)} files, {wheel.stat().st_size // 1024} KB"


def description_holds_elsewhere(wheel: Path) -> str:
    """What a package index shows has text and no link or picture that only holds beside the README."""
    with zipfile.ZipFile(wheel) as packed:
        (name,) = (name for name in packed.namelist() if name.endswith(".dist-info/METADATA"))
        head, _, text = packed.read(name).decode().partition("\n\n")
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    if relative := [target for target in targets if "://" not in target]:
        raise Wrong(f"the description has links that hold beside the README only: {relative[:5]}")
    if not text.startswith("# taskq\n") or "Description-Content-Type: text/markdown" not in head:
        raise Wrong(f"{wheel.name} has no description in Markdown")
    if not re.search(r"^Project-URL: Source,", head, re.MULTILINE):
        return "no link leads anywhere: project_urls in setup.cfg names no Source, so links are words"
    return f"{len(targets)} links, all with their address"


def environment(folder: Path, python: str, *packages: object) -> Path:
    """Make an environment with packages and return its Python."""
    run(python, "-m", "venv", "--clear", folder)
    made = folder / "bin" / "python"
    if packages:
        run(made, "-m", "pip", "install", "--quiet", *packages)
    return made


def first_example_runs(python: Path, folder: Path, server: ServerProcess) -> str:
    """The programs of the README, typed as they stand there, with nothing but the wheel."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## In Python\n")[2].partition("\n## ")[0]
    files = re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    folder.mkdir()
    for name, text in files:
        (folder / name).write_text(text, encoding="utf-8")
    prefix = folder.name
    variables = {"REDIS_URL": server.url, "TASKQ_PREFIX": prefix, "TASKQ_DATA_DIR": str(folder / "data")}
    worker = subprocess.Popen(
        [python.parent / "taskq", "worker", "--handlers", "shop"],
        cwd=folder,
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        printed = run(python, "buy.py", cwd=folder, **variables).splitlines()
    finally:
        worker.terminate()
        worker.wait(SECONDS)
    expected = re.findall(r"^print\(.*  # (.*)$", "".join(text for _, text in files), re.MULTILINE)
    if printed != expected or len(expected) < 2:
        raise Wrong(f"the README promises {expected}, {python} prints {printed}")
    return run(python, "-c", "import platform; print(platform.python_version())").strip()


def manifests_fit_their_schemas(folder: Path) -> str:
    """What Kubernetes says of its objects; patches are no whole objects, and KEDA's are not Kubernetes's."""
    python = environment(folder / "schemas", sys.executable, KUBERNETES, "pyyaml>=6.0")
    files = sorted(path for path in (ROOT / "deploy" / "kubernetes").rglob("*.yaml") if path.name not in NOT_WHOLE)
    for path in files:
        run(python.parent / "kubernetes-validate", "--strict", path)
    return f"{len(files)} files"


def types_are_seen(python: Path, folder: Path) -> str:
    """mypy and pyright see through the installed wheel what users are promised to see."""
    run(python, "-m", "pip", "install", "--quiet", "mypy>=1.13", PYRIGHT)
    copied = folder / "seen"  # a package called typing would hide that of Python
    shutil.copytree(ROOT / "tests" / "typing", copied)
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    said = run(python, copied / "checker.py", "mypy", cwd=copied)
    return said.strip() + "; " + run(python, copied / "checker.py", "pyright", cwd=copied, PATH=path).strip()


def extras_can_be_had(python: Path, wheel: Path, extras: list[str]) -> str:
    """pip finds a set of versions for all extras at once."""
    names = ",".join(name for name in extras if name not in NOT_TRIED)
    run(python, "-m", "pip", "install", "--quiet", "--dry-run", f"{wheel}[{names}]")
    return names


def main() -> None:
    """Run all steps."""
    config = metadata()
    version = config["metadata"]["version"]
    versions = declared()
    if run("git", "status", "--porcelain", "--untracked-files=no").strip():
        raise Wrong("there are changes that are not committed: what is built is the commit")
    say("version and changes", version_is_told(version))
    with tempfile.TemporaryDirectory(prefix="taskq-release-") as scratch:
        folder = Path(scratch)
        sdist, wheel = build(folder)
        say("sdist and wheel", contents_are_whole(sdist, wheel))
        say("description", description_holds_elsewhere(wheel))
        with ServerProcess(folder / "server") as server:
            for number, (minor, program) in enumerate(pythons(versions)):
                if program is None:
                    say(f"Python {minor}", "not on this machine: NOT TRIED")
                    continue
                python = environment(folder / f"python{minor}", program, wheel)
                say(
                    f"Python {minor}",
                    f"README runs on {first_example_runs(python, folder / f'readme{number}', server)}",
                )
            python = folder / f"python{versions[0]}" / "bin" / "python"
            told = run(python.parent / "taskq", "--version").strip()
            if told != f"taskq {version}":
                raise Wrong(f"taskq --version says {told!r}")
            say("extras", extras_can_be_had(python, wheel, list(config["options.extras_require"])))
            say("types", types_are_seen(python, folder))
        say("manifests of Kubernetes", manifests_fit_their_schemas(folder))
    say("site of the docs", run("make", "docs").strip().splitlines()[-1])
    run(sys.executable, "-m", "pytest", "-q", "tests/test_docs.py", "tests/test_site.py")
    say("links, commands and names in the pages", "as they should be")
    print("ready")


def say(step: str, found: str) -> None:
    """Print that a step is as it has to be."""
    print(f"{step}: {found}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except Wrong as error:
        sys.exit(f"NOT READY: {error}")

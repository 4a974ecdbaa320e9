"""What setup.cfg cannot say: the description on a package index, with links that hold there.

The README links to files beside it, which an index does not have. If ``project_urls`` in setup.cfg names a ``Source``,
they become links to this version there; if not, they become their words.
"""

from __future__ import annotations

import configparser
import re
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def described(readme: str, source: str, version: str) -> str:
    """Return the README as it is shown on a package index.

    Args:
        readme: as it stands in the repository.
        source: address of the repository; empty: it has none.
        version: of the package, tagged ``v`` and the version there.
    """

    def change(found: re.Match[str]) -> str:
        image, words, target = found.groups()
        if "://" in target:
            return found[0]
        if not source:
            return "" if image else words
        if target.startswith("#"):
            target = f"README.md{target}"
        return f"{image}[{words}]({source.rstrip('/')}/{'raw' if image else 'blob'}/v{version}/{target})"

    return re.sub(r"\n{3,}", "\n\n", _LINK.sub(change, readme))


def description() -> str:
    """Return the description of this package."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    metadata = config["metadata"]
    lines = (line.partition("=") for line in metadata.get("project_urls", "").splitlines())
    urls = {name.strip(): address.strip() for name, _, address in lines}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return described(readme, urls.get("Source", ""), metadata["version"])


if __name__ == "__main__":
    setup(long_description=description())

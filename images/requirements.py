"""Prints what the images install besides medseg itself: the dependencies that pyproject.toml names, and its extras.

It runs while an image is built, on the base image's bare Python: python3 requirements.py pyproject.toml EXTRA...
"""

import sys
import tomllib
from pathlib import Path


def main(pyproject: str, *extras: str) -> None:
    project = tomllib.loads(Path(pyproject).read_text(encoding="utf-8"))["project"]
    named = [line for extra in extras for line in project["optional-dependencies"][extra]]
    print(*project["dependencies"], *named, sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

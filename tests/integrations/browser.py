"""A real browser without a window: Debian's, or the one that Playwright has installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

PROGRAMS = ("chromium-headless-shell", "chromium", "google-chrome", "chrome")
FLAGS = ("--no-sandbox", "--enable-unsafe-swiftshader")  # WebGL without a GPU


@contextmanager
def browser() -> Iterator[Any]:
    """Skips the test if there is none."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    with playwright.sync_playwright() as started:
        try:
            found = started.chromium.launch(executable_path=program, args=[*FLAGS])
        except playwright.Error as error:
            if program is not None:
                raise
            pytest.skip(f"no browser: {str(error).splitlines()[0]}")
        yield found
        found.close()

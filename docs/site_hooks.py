"""Hooks of MkDocs: pages from outside of docs/, and a check that the site needs no other host."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
OUTSIDE = ("CHANGELOG.md", "CONTRIBUTING.md")
# what a browser would load by itself: scripts, styles, fonts, pictures
LOADED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^\"'> ]+"
    r"|<link\b(?=[^>]*rel=[\"']?(?:stylesheet|preconnect|preload|icon))[^>]*"
    r"href=[\"']?(?:https?:)?//[^\"'> ]+"
    r"|url\([\"']?(?:https?:)?//[^)]+\)"
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Pages of the repository's root, which GitHub looks for there."""
    for name in OUTSIDE:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links that work on GitHub, from the place that the page has here."""
    if page.file.src_uri in OUTSIDE:
        return re.sub(r"\]\(docs/", "](", markdown)
    return re.sub(r"\]\(\.\./(?=CHANGELOG\.md|CONTRIBUTING\.md)", "](", markdown)


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse a site that would load anything from another host."""
    site = Path(config.site_dir)
    for file in sorted(site.rglob("*")):
        if file.suffix in (".html", ".css", ".svg"):
            found = LOADED.search(file.read_text(encoding="utf-8"))
            if found:
                raise PluginError(f"{file.relative_to(site)} loads {found[0]}")

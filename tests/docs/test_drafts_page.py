"""The page on drafts: it has every row of the table of names, with its range and a source."""

from __future__ import annotations

import re
from pathlib import Path

from tuitune.drafts.names import KNOWN

PAGE = (Path(__file__).parents[2] / "docs" / "drafts.md").read_text(encoding="utf-8")


def test_every_hyperparameter_is_on_the_page_with_its_range_and_source():
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)
    told = {name: (usual, about, source) for name, usual, about, source in rows}
    for row in KNOWN:
        usual, about, source = told[row.name]
        if row.usual:
            assert usual.startswith(f"{row.usual[0]:g} to {row.usual[1]:g}"), row.name
        assert about.endswith(f"in {row.least:g} to {row.most:g}"), row.name
        assert source.strip(), row.name


def test_every_source_is_listed():
    cited = set(re.findall(r"([A-Z][a-z]+)(?: et al\.| and \w+)? \d{4}", PAGE))
    listing = PAGE[PAGE.rindex("\n\n") :]
    assert [name for name in sorted(cited) if name not in listing] == []

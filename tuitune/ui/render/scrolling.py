"""Which part of a text that is longer than its pane is seen?"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.ui.render.lines import Line


def window(content: Sequence[Line], height: int, scrolled: int) -> tuple[list[Line], str]:
    """The lines seen once scrolled down so far, never past the last page, and words of the rest."""
    height = max(0, height)
    top = max(0, min(scrolled, len(content) - height))
    below = len(content) - top - height
    words = [f"{top} above" if top else "", f"{below} below" if below > 0 else ""]
    return list(content[top : top + height]), ", ".join(word for word in words if word)

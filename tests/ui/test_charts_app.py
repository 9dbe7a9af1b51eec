"""The charts' keys on a real study with a real engine."""

from __future__ import annotations

from driving import drive, start

PRUNING = """
[pruning]
method = "asha"
max = 100000
"""


def test_each_views_key_shows_it(workshop):
    folder = start(workshop, more=PRUNING)

    async def scenario(driver):
        await driver.press("3")
        await driver.until(lambda: "3 loss" in driver.screen(), "the curve")
        await driver.until(
            lambda: f"━ #{driver.study.selection.cursor}" in driver.screen(), "the cursor's line"
        )
        await driver.press("right")
        assert driver.study.selection.inspected is not None
        for key, title in (
            ("B", "Best so far"),
            ("I", "Importance by permutation"),
            ("C", "Parallel coordinates"),
            ("D", "loss by x"),
            ("H", "Rungs asha"),
            ("H", "3 loss"),
        ):
            await driver.press(key)
            await driver.until(lambda title=title: title in driver.screen(), title)

    drive(folder, scenario)

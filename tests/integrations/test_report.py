"""The report of a study in one HTML file: opened in a real browser, which has no network."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import browser
from packages import needs
from workshop import Workshop

import tuitune

needs("plotly", "playwright", "PIL")

CODE = """
import math

def train(trial):
    config = trial.config
    if trial.number == 5:
        raise ValueError("</script><b>odd</b>")
    first = 1
    if trial.resume_path:
        first += int((trial.resume_path / "epoch").read_text())
    for epoch in range(first, trial.max_resource + 1):
        loss = (math.log10(config["lr"]) + 2) ** 2 + config["net"]["layers"] / epoch
        accuracy = float("nan") if trial.number == 6 else epoch / 10
        trial.report(epoch=epoch, loss=loss, accuracy=accuracy,
                     save=lambda folder: (folder / "epoch").write_text(str(epoch)))
"""
STUDY = """
[objective]
metric = "loss"
mode = "min"
[space]
lr = { low = 1e-4, high = 1e-1, log = true }
optimizer = ["sgd", "adam"]
momentum = { low = 0.5, high = 0.99, when = { optimizer = "sgd" } }
width = { low = 4, high = 64, powers_of = 2 }
betas = { value = [0.9, 0.99] }
tag = ["<i>", "</script>"]
[space.net]
layers = { low = 1, high = 6 }
[search]
trials = 24
method = "random"
[trial]
target = "train.py:train"
cpus = 0.5
[pruning]
method = "asha"
resource = "epoch"
max = 9
"""
FIGURES = ("best", "curves", "parallel", "importance", "contour", "slices")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    made = Workshop(tmp_path_factory.mktemp("report").resolve())
    try:
        made.write("train.py", CODE)
        made.write("digits.toml", STUDY)
        done = made.run("digits.toml", "--no-ui")
        assert done.returncode == 0, done.stderr
        done = made.run("export", "digits", "--to", "html", "-o", "report.html")
        assert (done.stdout, done.stderr) == ("digits: written to report.html\n", "")
        yield made
    finally:
        made.close()


def data_of(file: Path) -> Any:
    (text,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', file.read_text()
    )
    return json.loads(text)


def test_all_data_of_the_figures_are_in_the_file(shop: Workshop):
    found, study = data_of(shop.path / "report.html"), tuitune.load(shop.folder("digits"))
    assert (found["study"], found["metric"], found["best"]) == ("digits", "loss", study.best.number)
    assert [t["value"] for t in found["trials"]] == [t.value for t in study.trials]
    assert found["trials"][0]["config"]["net.layers"] == study.trials[0].config["net"]["layers"]
    steps, values = found["curves"]["loss"][str(study.best.number)]
    assert (steps[-1], values[-1]) == (9, pytest.approx(study.best.value, rel=1e-5))
    assert set(found["curves"]["accuracy"]["6"][1]) == {None}
    assert found["rungs"] == [1, 3]
    assert {one["name"] for one in found["importance"]} >= {"lr", "net.layers"}
    assert (shop.path / "report.html").stat().st_size < 3_000_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_without_a_network_draws_all_figures_and_acts(
    shop: Workshop, scheme: str, tmp_path: Path
):
    from PIL import Image

    requests: list[str] = []
    errors: list[str] = []
    with browser() as found:
        page = found.new_page(
            viewport={"width": 1400, "height": 900}, color_scheme=scheme, offline=True
        )
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"file://{shop.path}/report.html")
        page.wait_for_selector("body[data-drawn]", timeout=60_000)
        assert page.title() == "digits - tuitune"
        assert not page.is_visible("#loading"), page.inner_text("#loading")
        for figure in FIGURES:
            picture = tmp_path / f"{scheme}-{figure}.png"
            picture.write_bytes(page.locator(f"#section-{figure}").screenshot())
            colours = Image.open(io.BytesIO(picture.read_bytes())).convert("RGB").getcolors(1 << 24)
            assert len(colours) > 40, figure  # more than a card with a title
            assert page.locator(f"#{figure} .main-svg").count() > 0

        best = tuitune.load(shop.folder("digits")).best
        assert page.inner_text("#detail-title") == f"The best trial, #{best.number}"
        assert page.locator("#table tbody tr").count() == 24
        assert "<i>" in page.inner_text("#table")  # a value, and no tag
        page.fill("#filter", "failed")
        assert page.inner_text("#shown") == "1 of 24"
        page.click("#table tbody tr")
        assert page.inner_text("#detail-title") == "Trial #5"
        assert "</script><b>odd</b>" in page.inner_text("#detail-note")
        page.fill("#filter", "")
        header = page.locator("#table th", has_text="lr")
        header.focus()
        page.keyboard.press("Enter")
        own = [float(t) for t in page.locator("#table tbody td:nth-child(5)").all_inner_texts()]
        assert own == sorted(own)
        page.keyboard.press("Tab")
        page.select_option("#curve-metric", "accuracy")
        page.wait_for_function(
            "document.querySelector('#curves .ytitle').textContent === 'accuracy'"
        )
        page.select_option("#contour-x", "width")
        page.wait_for_function("document.querySelector('#contour .xtitle').textContent === 'width'")
        page.screenshot(path=tmp_path / f"{scheme}.png", full_page=True)
    assert errors == []
    assert [url for url in requests if not url.startswith(("file:", "blob:", "data:"))] == []


def test_a_study_without_trials_and_one_of_a_single_trial_are_drawn(shop: Workshop):
    one = STUDY.replace("trials = 24", "trials = 1")
    shop.write("one.toml", one)
    assert shop.run("one.toml", "--no-ui").returncode == 0
    assert shop.run("export", "one", "--to", "html").stdout == "one: written to one.html\n"
    with browser() as found:
        page = found.new_page()
        page.goto(f"file://{shop.path}/one.html")
        page.wait_for_selector("body[data-drawn]", timeout=60_000)
        assert not page.is_visible("#loading"), page.inner_text("#loading")
        assert page.is_visible("#section-curves")
        assert not page.is_visible("#section-contour")
        assert "Too few trials" in page.inner_text("#importance-note")

"""A study that learns from earlier ones: found, mapped into its space, or refused with the mend."""

from __future__ import annotations

import shutil

import pytest
from workshop import Workshop

TRAIN = """
def train(trial):
    for epoch in range(9):
        trial.report(epoch=epoch + 1, loss=(trial.config["x"] - 0.3) ** 2 + 1 / (epoch + 1))
"""
PRUNING = '[pruning]\nmethod = "asha"\nresource = "epoch"\nmax = 9\n'


@pytest.fixture
def earlier(workshop: Workshop) -> Workshop:
    old = workshop.study(TRAIN, PRUNING, trials=12, name="old")
    assert workshop.run(old, "--no-ui").returncode == 0
    return workshop


def later(workshop: Workshop, learn_from: str, *changes: tuple[str, str]) -> str:
    file = workshop.study(TRAIN, PRUNING, trials=4, name="new")
    text = file.read_text().replace(
        'method = "random"', f'method = "tpe"\nlearn_from = {learn_from}'
    )
    for was, now in changes:
        assert was in text
        text = text.replace(was, now)
    file.write_text(text)
    return file.name


@pytest.mark.parametrize("name", ["runs/old", "old"])
def test_its_model_is_asked_from_the_first_trial_on(earlier: Workshop, name: str):
    file = later(earlier, f'["{name}"]')
    checked = earlier.run("check", file)
    assert f"learns from {name}: 12 of 12 trials" in checked.stdout
    done = earlier.run(file, "--no-ui")
    assert done.returncode == 0, done.stderr
    trials = earlier.trials("new")
    assert [trial["origin"] for trial in trials] == ["tpe", "sobol start", "tpe", "tpe"]
    assert trials[0]["why"].startswith(f"among the best of {name}, ")


def test_what_it_has_learned_stays_when_the_earlier_study_goes(earlier: Workshop):
    file = later(earlier, '["runs/old"]')
    assert earlier.run(file, "--no-ui").returncode == 0
    shutil.rmtree(earlier.path / "runs" / "old")
    checked = earlier.run("check", file)
    assert checked.returncode == 0, checked.stderr
    assert "learns from 12 trials of earlier studies, kept in new since it began" in checked.stdout
    assert 'learn_from = "runs/old": there is no such study' in checked.stderr
    assert "what was learned is kept" in checked.stderr
    elsewhere = earlier.run("check", file, "--runs", "elsewhere")
    assert (elsewhere.returncode, elsewhere.stdout) == (2, "")
    more = earlier.run(file, "--no-ui", "--trials", "8")
    assert more.returncode == 0, more.stderr
    origins = [trial["origin"] for trial in earlier.trials("new")]
    assert origins[:4] == ["tpe", "sobol start", "tpe", "tpe"]


def test_trials_are_mapped_or_left_out_in_words(earlier: Workshop):
    file = later(
        earlier,
        '["runs/old"]',
        ("x = { low = 0.0, high = 1.0 }", "x = { low = 0.0, high = 0.5 }\ndepth = [1, 2, 3]"),
    )
    said = earlier.run("check", file).stdout
    assert " left out, as x is from 0.0 to 0.5 here; depth is taken in the middle" in said


@pytest.mark.parametrize(
    ("learn_from", "changes", "words"),
    [
        ('["runs/none"]', (), 'learn_from = "runs/none": there is no such study; name its folder'),
        ('["runs/old"]', (('mode = "min"', 'mode = "max"'),), "seeks the min of loss, and this study the max of loss; leave it out"),
        ('["runs/old"]', (("low = 0.0, high = 1.0", "low = 2.0, high = 3.0"),), "none of its 12 trials can be used (12 left out, as x is from 2.0 to 3.0 here)"),
    ],
)  # fmt: skip
def test_what_can_not_be_learned_from_is_refused(earlier: Workshop, learn_from, changes, words):
    file = later(earlier, learn_from, *changes)
    for command in (["check", file], [file, "--no-ui"]):
        done = earlier.run(*command)
        assert done.returncode == 2
        assert words in done.stderr
    assert not (earlier.path / "runs" / "new").exists()


def sibling(workshop: Workshop, name: str, search: str) -> str:
    """A study of the training code of "old"; search: further keys of its [search]."""
    text = (workshop.path / "old.toml").read_text()
    text = text.replace('method = "random"', search).replace("trials = 12", "trials = 4")
    return workshop.write(f"{name}.toml", text).name


def test_studies_of_the_same_code_are_found_once_and_kept(earlier: Workshop):
    again = sibling(earlier, "again", 'method = "bayes"')
    words = "learns from old: 12 of 12 trials, a study of the same training code and metric"
    assert words in earlier.run("check", again).stdout
    done = earlier.run(again, "--no-ui")
    assert done.returncode == 0, done.stderr
    assert words in done.stdout + done.stderr
    trials = earlier.trials("again")
    assert trials[0]["why"].startswith("among the best of old, ")
    checked = earlier.run("check", again)
    assert "learns from 12 trials of earlier studies, kept in again" in checked.stdout
    # one that has begun looks for no others
    first = sibling(earlier, "alone", 'method = "bayes"\nlearn_from = []')
    assert "learns from" not in earlier.run("check", first).stdout
    assert earlier.run(first, "--no-ui").returncode == 0
    assert {trial["origin"] for trial in earlier.trials("alone")} == {"sobol start"}


def test_a_study_that_has_begun_looks_for_no_others(workshop: Workshop):
    begun = workshop.study(TRAIN, PRUNING, trials=3, name="old")
    begun.write_text(begun.read_text().replace('"random"', '"bayes"'))
    assert workshop.run(begun, "--no-ui").returncode == 0
    other = begun.read_text().replace("trials = 3", "trials = 12\nlearn_from = []")
    other_file = workshop.write("other.toml", other)
    assert workshop.run(other_file, "--no-ui").returncode == 0
    assert workshop.run(begun, "--no-ui", "--trials", "6").returncode == 0
    assert {trial["origin"] for trial in workshop.trials("old")} == {"sobol start"}


def test_studies_of_other_code_are_not_found(earlier: Workshop):
    again = sibling(earlier, "again", 'method = "bayes"')
    earlier.write("old_train.py", TRAIN + "\n# another version\n")
    assert "learns from" not in earlier.run("check", again).stdout

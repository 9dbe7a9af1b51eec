"""Training code that chooses its GPU itself, as many scripts do."""

from __future__ import annotations

import pytest
from gpu_studies import notes, study
from nvml_world import World
from workshop import Workshop, wait_until

from tuitune.core import events as ev

OWN_CHOICE = """
os.environ["CUDA_VISIBLE_DEVICES"] = "0"

def train(trial):
    os.environ["CUDA_VISIBLE_DEVICES"] = "0"
    hold()
    note(trial)
    for step in range(1, 4000):
        trial.report(step=step, loss=1.0, save=lambda folder: (folder / "saved").write_text("it"))
        if Path("go").exists():
            return
        time.sleep(0.02)
"""
MENDED = OWN_CHOICE.replace("os.environ[", "os.environ.get(").replace('S"] = "0"', 'S")')
PRUNING = "\n[pruning]\nmax = 4000\nresource = 'step'"


def mend(shop: Workshop) -> None:
    code = (shop.path / "study_train.py").read_text()
    shop.write("study_train.py", code.replace(OWN_CHOICE, MENDED))


def test_it_is_told_with_its_line_and_nothing_more_starts_until_the_study_is_run_again(
    shop: Workshop, world: World
):
    world.with_gpus(2)
    file = study(shop, OWN_CHOICE, PRUNING, trials=4)
    process = shop.start(file, "--no-ui")
    wait_until(lambda: len(notes(shop)) == 2, "two trials")
    wait_until(lambda: shop.facts(ev.Halted), "the end of launching")
    (shop.path / "go").touch()
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert len(notes(shop)) == 2
    code = (shop.path / "study_train.py").read_text().splitlines()
    line = next(n for n, text in enumerate(code, 1) if text.startswith("os.environ["))
    why = f"computes on GPU 0 and was given GPU 1: remove study_train.py:{line}, which sets"
    assert why in output
    assert why in shop.run("show", "study").stdout
    mend(shop)
    again = shop.run(file, "--no-ui")
    assert again.returncode == 0, again.stdout + again.stderr
    assert sorted(one["trial"] for one in notes(shop)) == [0, 1, 2, 3]
    assert "computes on GPU" not in again.stdout


@pytest.mark.parametrize("whose", ["a stranger's", "not allowed"])
def test_a_trial_that_does_harm_there_is_ended_and_goes_on_once_the_code_is_mended(
    shop: Workshop, world: World, whose: str
):
    world.with_gpus(2)
    more = PRUNING if whose == "a stranger's" else PRUNING + "\n[devices]\nallow = [1]"
    file = study(shop, OWN_CHOICE, more, trials=2)
    if whose == "a stranger's":
        with world.somebody_on(0, 2000):
            done = shop.run(file, "--no-ui")
    else:
        done = shop.run(file, "--no-ui")
    assert done.returncode != 0
    harm = "where others compute" if whose == "a stranger's" else "which is not to be used"
    assert f"#0 computes on GPU 0, {harm}, and was given GPU 1: remove" in done.stdout
    (first,) = notes(shop)
    assert first["attempt"] == 0
    world.processes = []
    world.write()
    mend(shop)
    (shop.path / "go").touch()
    again = shop.run(file, "--no-ui")
    assert again.returncode == 0, again.stdout + again.stderr
    assert sorted((one["trial"], one["attempt"]) for one in notes(shop)) == [(0, 0), (0, 1), (1, 0)]
    assert "from step" in again.stdout or "from step" in shop.run("show", "study", "0").stdout

"""Tables of pandas: as `tuitune export` writes them."""

from __future__ import annotations

import io

import pytest
from workshop import Workshop

import tuitune

pd = pytest.importorskip("pandas")

CODE = """
def train(trial):
    for step in range(2):
        trial.report(loss=trial.config["x"], **({"step": 7.0} if step else {}))
"""


def test_tables_of_trials_and_of_reports_are_those_of_the_export(workshop: Workshop):
    done = workshop.run(workshop.study(CODE), "--no-ui")
    assert done.returncode == 0, done.stderr
    study = tuitune.load(workshop.folder())
    for what in ("trials", "reports"):
        written = workshop.run("export", "study", "--what", what).stdout
        expected = pd.read_csv(io.StringIO(written))
        found = study.to_pandas(what)
        assert list(found) == list(expected)
        pd.testing.assert_frame_equal(found[list(expected)[:4]], expected[list(expected)[:4]])
    assert list(study.to_pandas("reports"))[4:] == ["loss", "metrics.step"]
    assert study.to_pandas("reports")["metrics.step"].tolist().count(7.0) == 3
    with pytest.raises(ValueError, match="there are 'trials' and 'reports'"):
        study.to_pandas("curves")

"""The metric of a draft: found in what the script prints, with a pattern that finds its values."""

from __future__ import annotations

import re
import tomllib

import pytest

from tuitune.drafts.writing import draft
from tuitune.studyfile import StudyFileError, load

OPTION = "p.add_argument('--lr', default=0.1)\n"


def drafted(tmp_path, text):
    (tmp_path / "train.py").write_text(OPTION + text)
    (tmp_path / "study.toml").write_text(draft(tmp_path / "train.py"))
    return tomllib.loads((tmp_path / "study.toml").read_text())


@pytest.mark.parametrize(
    ("code", "metric", "mode", "line"),
    [
        ("print(f'loss={x:.3f}')", "loss", "min", "loss=0.5"),
        (r"print(f'\x1b[32mval acc: \x1b[1m{x}\x1b[0m')", "val_acc", "max", "val acc: 0.5"),
        ("print(f'acc {x} test/loss: {y}')", "test_loss", "min", "acc 1 test/loss: 0.5"),
        ("print(f'{n} F1 = {x}')", "f1", "max", "3 F1 = 0.5"),
        ("print('val loss: %.3f, train loss: %.3f' % (x, y))", "val_loss", "min", "val loss: 0.5."),
        ("print('Epoch', n, 'val_acc', acc)", "val_acc", "max", "Epoch 3 val_acc 0.5"),
        ("log.info('step %d test accuracy %s', n, x)", "test_accuracy", "max", "test accuracy 0.5"),
        ("print('Loss: ' + str(x))", "loss", "min", "Loss: 0.5"),
        (
            r"""print('\nTest set: Average loss: {:.4f}, Accuracy: {}/{} ({:.0f}%)\n'.format(x, y, z, a))
print('Train Epoch: {} Loss: {:.6f}'.format(n, x))""",
            "test_loss",
            "min",
            "Test set: Average loss: 0.5, Accuracy: 9/10 (90%)",
        ),
        ("print({'train_loss': y, 'val_loss': x})", "val_loss", "min", "{'train_loss': 1, 'val_loss': 0.5}"),
        ("print(f'return={r}')", "return", "max", "return=[0.5]"),
        ("print(f'loss {x}')", "loss", "min", "loss tensor(0.5, grad_fn=<Add>)"),
        ("import keras\nm.fit(x, validation_split=0.1)", "val_loss", "min", "9/9 - loss: 2 - val_loss: 0.5"),
    ],
)  # fmt: skip
def test_metrics_that_scripts_print(tmp_path, code, metric, mode, line):
    document = drafted(tmp_path, code)
    assert document["objective"] == {"metric": metric, "mode": mode}
    found = re.search(document["trial"]["metrics"][metric], line)
    assert found is not None
    assert float(found[1]) == 0.5


def test_the_pattern_of_a_held_out_metric_does_not_find_that_of_training(tmp_path):
    document = drafted(tmp_path, "print(f'step {n}: train loss {x:.4f}, val loss {y:.4f}')")
    pattern = document["trial"]["metrics"]["val_loss"]
    assert re.search(pattern, "step 3: train loss 0.1, val loss 0.2")[1] == "0.2"
    assert re.search(pattern, "iter 3: loss 0.1") is None
    assert re.search(document["trial"]["metrics"]["step"], "step 3: train")[1] == "3"


def test_the_pattern_begins_at_the_metric_where_its_own_name_says_what_it_is_of(tmp_path):
    code = "print('| end of epoch {:3d} | time: {:5.2f}s | valid loss {:5.2f} | '.format(n, t, x))"
    pattern = drafted(tmp_path, code)["trial"]["metrics"]["valid_loss"]
    assert (
        re.search(pattern, "| end of epoch   1 | time: 11.77s | valid loss  6.40 | ")[1] == "6.40"
    )


def test_what_other_commands_print_does_not_count(tmp_path):
    (tmp_path / "train.py").write_text(
        "import typer\napp = typer.Typer()\n@app.command()\ndef train(lr: float = 0.1):\n"
        "    print(f'loss: {x}')\n@app.command()\ndef evaluate():\n    print(f'test loss: {x}')\n"
    )
    assert tomllib.loads(draft(tmp_path / "train.py"))["objective"]["metric"] == "loss"


def test_a_guess_is_marked_with_its_line(tmp_path):
    drafted(tmp_path, "print(f'val loss {x}')")
    assert 'metric = "val_loss"  # a guess, from line 2' in (tmp_path / "study.toml").read_text()


@pytest.mark.parametrize("code", ["print('hello')", "print(f'time {t}')", "print(f'lr: {lr}')"])
def test_without_a_metric_the_draft_is_refused_until_it_is_filled_in(tmp_path, code):
    drafted(tmp_path, code)
    with pytest.raises(StudyFileError) as caught:
        load(tmp_path / "study.toml")
    first, second = caught.value.problems
    assert '[objective] metric = "FILL-IN": write the name of the metric to improve' in first
    assert (
        "[trial.metrics] FILL-IN = \"FILL-IN\": write the metric's name = 'its pattern'" in second
    )


def test_an_option_that_is_needed_is_refused_until_it_is_filled_in(tmp_path):
    drafted(tmp_path, "print(f'loss {x}')\np.add_argument('--data', required=True)")
    with pytest.raises(StudyFileError) as caught:
        load(tmp_path / "study.toml")
    (problem,) = caught.value.problems
    assert problem.endswith(
        '[trial] command = "FILL-IN": write what the program is to get after "--data"'
    )
    text = (tmp_path / "study.toml").read_text().replace('"FILL-IN"', '"digits"')
    (tmp_path / "study.toml").write_text(text)
    assert load(tmp_path / "study.toml").trial.command[-2:] == ("--data", "digits")

"""The command `init`: the draft that it writes, and its messages."""

from __future__ import annotations

import shlex
import textwrap

import pytest

from tuitune.cli.init import write_draft
from tuitune.core.space import Choice, FloatRange, IntRange, PowerRange
from tuitune.drafts.script import DraftError
from tuitune.drafts.writing import draft
from tuitune.studyfile import load

SCRIPT = """
    import argparse
    import sys
    from argparse import BooleanOptionalAction

    def parse():
        parser = argparse.ArgumentParser()
        parser.add_argument("data")
        parser.add_argument("--lr", "-l", type=float, default=1e-3, help="how fast")
        parser.add_argument("--weight-decay", type=float, default=0)
        parser.add_argument("--batch-size", type=int, default=64)
        parser.add_argument("--layers", type=int, default=1)
        parser.add_argument("--heads", type=int, default=6)
        parser.add_argument("--dropout", type=float, default=0.1)
        parser.add_argument("--momentum", type=float, default=0.9)
        parser.add_argument("--temperature", type=float, default=2.0)
        parser.add_argument("--smoothing", type=float, default=0.8)
        parser.add_argument("--optimizer", choices=["sgd", "adam"], default="sgd")
        parser.add_argument("--augment", action="store_true")
        parser.add_argument("--no-bias", dest="bias", action="store_false")
        parser.add_argument("--nesterov", action=BooleanOptionalAction, default=False)
        parser.add_argument("--epochs", type=int, default=10)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--out-dir", default="out")
        parser.add_argument("--betas", type=float, nargs=2, default=[0.9, 0.999])
        parser.add_argument("--name", required=True)
        parser.add_argument("--" + "computed", type=int, default=3)
        parser.add_argument("--version", action="version")
        return parser.parse_args()

    def main(args):
        print(f"epoch {1}: train loss {0.5:.3f} val acc: {0.9:.4f}")
    sys.exit("nobody runs me")
"""


@pytest.fixture
def script(tmp_path):
    def write(text, name="train.py"):
        (tmp_path / name).write_text(textwrap.dedent(text))
        return tmp_path / name

    return write


def test_the_draft_is_a_study_file_that_loads(script, tmp_path):
    file = script(SCRIPT)
    assert write_draft(file, ("data.csv", "--name", "x")) == 0
    spec = load(tmp_path / "train.toml")
    assert spec.trial.command == (
        *("python", "train.py"),
        *("data.csv", "--name", "x"),
        *("--lr", "{lr}"),
        *("--weight-decay", "{weight_decay}"),
        *("--batch-size", "{batch_size}"),
        *("--layers", "{layers}"),
        *("--dropout", "{dropout}"),
        *("--momentum", "{momentum}"),
        *("--temperature", "{temperature}"),
        *("--optimizer", "{optimizer}"),
        ("--augment{augment!if}",),
        ("--no-bias{no_bias!if}",),
        "{nesterov}",
        *("--out-dir", "{trial.folder}"),
        *("--betas", "{beta1}", "{beta2}"),
    )
    assert spec.space.parameters == (
        FloatRange("lr", 1e-4, 1e-2, log=True),
        FloatRange("weight_decay", 1e-6, 1e-2, log=True),
        PowerRange("batch_size", 16, 256),
        IntRange("layers", 1, 2),
        FloatRange("dropout", 0.0, 0.5),
        FloatRange("momentum", 0.5, 0.99),
        FloatRange("temperature", 0.667, 6.0, log=True),
        Choice("optimizer", ("sgd", "adam")),
        Choice("augment", (True, False)),
        Choice("no_bias", (True, False)),
        Choice("nesterov", ("--nesterov", "--no-nesterov")),
        FloatRange("beta1", 0.8, 0.95),
        FloatRange("beta2", 0.9, 0.999),
    )
    text = (tmp_path / "train.toml").read_text()
    assert "# As the script has them: --heads 6, --smoothing 0.8, --epochs 10, --seed 1" in text
    assert "# --lr, 0.001 in the script" in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("print(1)", "takes no arguments that init can read"),
        (
            "p.add_argument('--epochs', default=3)",
            "no option that init knows a range for (--epochs)",
        ),
        ("def f(:", "line 1: "),
    ],
)
def test_a_script_without_ranges_gets_words(script, capsys, text, words):
    file = script(text)
    with pytest.raises(DraftError) as caught:
        draft(file)
    assert words in str(caught.value)
    assert write_draft(file) == 2
    assert words in capsys.readouterr().err
    assert not file.with_suffix(".toml").exists()


def test_a_file_that_is_there_is_left_alone(script, capsys):
    file = script(SCRIPT)
    file.with_suffix(".toml").write_text("mine")
    assert write_draft(file) == 2
    assert "exists already" in capsys.readouterr().err
    assert file.with_suffix(".toml").read_text() == "mine"


def test_a_script_that_is_not_there(tmp_path, capsys):
    assert write_draft(tmp_path / "gone.py") == 2
    assert "can't be read: No such file" in capsys.readouterr().err


def test_odd_names_stay_within_toml(script, tmp_path):
    text = """
        p.add_argument("--dropout.b", type=float, default=0.5)
        p.add_argument("--lr", default=0.1)
        print(f"loss {1}")
        p.add_argument("--note", default="x\\ny")
        p.add_argument("--optimizer", choices=["a'b", 'c"d'])
    """
    file = script(text, name='a "{b}.py')
    (tmp_path / "s.toml").write_text(draft(file))
    spec = load(tmp_path / "s.toml")
    assert spec.trial.command[1] == 'a "{{b}}.py'
    assert spec.space.by_name["optimizer"] == Choice("optimizer", ("a'b", 'c"d'))


ADD = "import argparse\np = argparse.ArgumentParser()\np.add_argument('--lr', default=0.1)\nprint(f'loss {1}')\n"


def test_defaults_that_are_no_numbers_to_search_are_left_out(tmp_path):
    script = tmp_path / "train.py"
    deep = "+".join(["1"] * 2500)
    script.write_text(
        f"{ADD}p.add_argument('--wd', default=1e400)\np.add_argument('--hidden', default={deep})\n"
        "p.add_argument('--units', default=-'a')\n"
    )
    assert write_draft(script) == 0
    spec = load(tmp_path / "train.toml")
    assert [parameter.name for parameter in spec.space.parameters] == ["lr"]


def test_the_command_to_check_a_draft_with_can_be_pasted(tmp_path, capsys):
    (tmp_path / "my train.py").write_text(ADD)
    assert write_draft(tmp_path / "my train.py") == 0
    words = shlex.split(capsys.readouterr().out.partition("then: ")[2])
    assert words == ["tuitune", "check", str(tmp_path / "my train.toml")]


@pytest.mark.parametrize("stem", ["t" * 200, "ü" * 120])
def test_a_long_script_name_gives_a_study_name_within_the_limit(tmp_path, stem):
    (tmp_path / f"{stem}.py").write_text(ADD)
    assert write_draft(tmp_path / f"{stem}.py") == 0
    name = load(tmp_path / f"{stem}.toml").name
    assert stem.startswith(name)
    assert 98 < len(name.encode()) <= 100


def test_a_script_nested_beyond_what_python_reads_gets_words(tmp_path, capsys):
    (tmp_path / "train.py").write_text(f"{ADD}x = {'-' * 50_000}1\n")
    assert write_draft(tmp_path / "train.py") == 2
    assert "nested too deeply" in capsys.readouterr().err

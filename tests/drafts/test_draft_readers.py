"""Scripts of every kind, drafted: what is in the command and what is searched, and the draft loads."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from tuitune.core.space import Choice, FloatRange, IntRange, PowerRange
from tuitune.drafts.script import DraftError
from tuitune.drafts.writing import draft
from tuitune.messages.command import fill_command
from tuitune.studyfile import load

LOSS = "\nprint(f'val loss: {0.5:.3f}')\n"


@pytest.fixture
def read(tmp_path):
    """Draft a script, given as text, and load the draft."""

    def read(text: str, *arguments: str, name: str = "train.py", **files: str):
        for file, content in files.items():
            path = tmp_path / file.replace("__", "/").replace("_py", ".py").replace(
                "_yaml", ".yaml"
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(content))
        (tmp_path / name).write_text(textwrap.dedent(text) + (LOSS if name.endswith("py") else ""))
        (tmp_path / "study.toml").write_text(draft(tmp_path / name, arguments))
        return load(tmp_path / "study.toml")

    return read


def ranges(spec):
    return {parameter.name: parameter for parameter in spec.space.parameters}


def words(spec):
    """The command without its program and script."""
    return spec.trial.command[2:]


def test_argparse_in_a_module_beside_the_script_with_constants_as_defaults(read):
    spec = read(
        "from options import parse\nparse()",
        options_py="""
            import argparse
            LR = 1e-3
            def parse():
                parser = argparse.ArgumentParser()
                parser.add_argument("--lr", type=float, default=LR * 2)
                parser.add_argument("--hidden-size", type=int, default=2 ** 6)
                parser.set_defaults(lr=0.01)
        """,
    )
    assert words(spec) == ("--lr", "{lr}", "--hidden-size", "{hidden_size}")
    assert ranges(spec) == {
        "lr": FloatRange("lr", 1e-3, 0.1, log=True),
        "hidden_size": PowerRange("hidden_size", 32, 128),
    }


def test_argparse_with_subcommands_takes_the_one_that_trains(read):
    spec = read("""
        import argparse
        parser = argparse.ArgumentParser()
        sub = parser.add_subparsers()
        other = sub.add_parser("predict")
        other.add_argument("--batch-size", type=int, default=8)
        train = sub.add_parser("train")
        group = train.add_argument_group("model")
        group.add_argument("--lr", type=float, default=0.1)
    """)
    assert words(spec) == ("train", "--lr", "{lr}")


@pytest.mark.parametrize(
    ("main", "trains"),
    [
        ('parser.add_argument("--lr", type=float, default=0.1)', ()),
        (
            'g = parser.add_argument_group("g"); g.add_argument("--lr", type=float, default=0.1)',
            (),
        ),
        (
            'parser.add_argument("--lr", type=float, default=0.1)',
            ("--dropout", "{dropout}"),
        ),
    ],
)
def test_argparse_wants_options_of_the_main_parser_before_the_subcommand(
    tmp_path, main: str, trains: tuple[str, ...]
) -> None:
    """As argparse itself does: the command of the draft is run."""
    more = 'train.add_argument("--dropout", type=float, default=0.1)' if trains else ""
    (tmp_path / "train.py").write_text(
        "import argparse\nparser = argparse.ArgumentParser()\n"
        f'{main}\nsub = parser.add_subparsers()\ntrain = sub.add_parser("train")\n'
        f"{more}\nother = sub.add_parser('predict')\nother.add_argument('--beam', type=int)\n"
        "parser.parse_args()\nprint(f'val loss: {0.5:.3f}')\n"
    )
    (tmp_path / "study.toml").write_text(draft(tmp_path / "train.py"))
    spec = load(tmp_path / "study.toml")
    assert spec.trial.command[2:] == ("--lr", "{lr}", "train", *trains)
    filled = fill_command(spec.trial.command[1:], {"lr": 0.1, "dropout": 0.2})
    done = subprocess.run([sys.executable, *filled], cwd=tmp_path, check=False, capture_output=True)
    assert (done.returncode, done.stdout) == (0, b"val loss: 0.500\n"), done.stderr


def test_argparse_booleans_are_spelled_as_their_type_reads_them(read):
    spec = read("""
        p.add_argument("--nesterov", type=str2bool, default=False)
        p.add_argument("--amsgrad", type=eval, default=True)
        p.add_argument("--bias", type=lambda x: bool(strtobool(x)), default=True)
        p.add_argument("--layer-norm", type=bool, default=True)
    """)
    assert words(spec) == (
        *("--nesterov", "{nesterov}"),
        *("--amsgrad", "{amsgrad!py}"),
        *("--bias", "{bias}"),
    )  # type=bool takes every word as true


def test_argparse_takes_two_betas_after_one_flag(read):
    spec = read("p.add_argument('--betas', type=float, nargs=2, default=(0.9, 0.95))")
    assert words(spec) == ("--betas", "{beta1}", "{beta2}")
    assert ranges(spec)["beta2"] == FloatRange("beta2", 0.9, 0.999)


def test_dataclasses_of_hugging_face(read):
    spec = read(
        """
        from dataclasses import dataclass, field
        from typing import Optional
        from transformers import HfArgumentParser, TrainingArguments, Trainer
        @dataclass
        class ModelArguments:
            model: str = field(metadata={"help": "a name"})
            hidden_dropout: Optional[float] = field(default=0.1)
            trust_remote_code: bool = field(default=False)
        def main():
            parser = HfArgumentParser((ModelArguments, TrainingArguments))
            Trainer()
        """,
        "--model",
        "tiny",
    )
    assert words(spec) == (
        *("--model", "tiny"),
        *("--hidden_dropout", "{hidden_dropout}"),
        *("--learning_rate", "{learning_rate}"),
        *("--weight_decay", "{weight_decay}"),
        *("--per_device_train_batch_size", "{per_device_train_batch_size}"),
        *("--output_dir", "{trial.folder}"),
    )


def test_the_trainer_of_hugging_face_prints_its_metrics(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        "from transformers import HfArgumentParser, TrainingArguments, Trainer\n"
        "HfArgumentParser(TrainingArguments)\nTrainer()\n"
    )
    assert "\neval_loss = 'eval_loss'?" in draft(script).replace('"', "'")


def test_tyro_with_a_nested_dataclass(read):
    spec = read("""
        import tyro
        from dataclasses import dataclass, field
        from typing import Annotated, Literal
        @dataclass
        class Adam:
            learning_rate: float = 3e-4
            amsgrad: bool = False
        @dataclass
        class Args:
            optim: Adam = field(default_factory=Adam)
            activation: Literal["relu", "gelu"] = "relu"
            batch_size: Annotated[int, tyro.conf.arg(help="size")] = 32
            cuda: bool = True
        args = tyro.cli(Args)
    """)
    assert words(spec) == (
        *("--optim.learning-rate", "{learning_rate}"),
        "{amsgrad}",
        *("--activation", "{activation}"),
        *("--batch-size", "{batch_size}"),
    )
    assert ranges(spec)["amsgrad"] == Choice("amsgrad", ("--optim.amsgrad", "--optim.no-amsgrad"))


SIMPLE_PARSING = """
    from simple_parsing import ArgumentParser
    @dataclass
    class A:
        lr: float = 0.1
    ArgumentParser().add_arguments(A, dest="a")
"""
TAP = """
    from tap import Tap
    class A(Tap):
        lr: float = 0.1
        nesterov: bool = False
"""


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        (SIMPLE_PARSING, ("--lr", "{lr}")),
        (TAP, ("--lr", "{lr}", ("--nesterov{nesterov!if}",))),
    ],
)
def test_other_typed_parsers(read, text, flags):
    assert words(read(text)) == flags


def test_click_in_a_group(read):
    spec = read("""
        import click
        @click.group()
        def cli(): pass
        @cli.command()
        def predict(): pass
        @cli.command(name="fit-model")
        @click.argument("data")
        @click.option("--lr", "-l", default=0.1, show_default=True)
        @click.option("--opt", type=click.Choice(["sgd", "adam"]), default="sgd")
        @click.option("--nesterov/--plain", default=False)
        @click.option("--amsgrad", is_flag=True)
        @click.option("--out-dir", default="out")
        def train(**options): pass
        """, "digits")  # fmt: skip
    assert words(spec) == (
        *("fit-model", "digits"),
        *("--lr", "{lr}"),
        *("--opt", "{opt}"),
        "{nesterov}",
        ("--amsgrad{amsgrad!if}",),
        *("--out-dir", "{trial.folder}"),
    )
    assert ranges(spec)["nesterov"] == Choice("nesterov", ("--nesterov", "--plain"))


def test_click_with_named_options_in_a_group_that_is_made_by_hand(read):
    spec = read("""
        import click
        lr_option = click.option("--lr", default=0.1)
        @click.group()
        def cli(): pass
        @click.command()
        @lr_option
        def train(lr): pass
        cli.add_command(train)
    """)
    assert words(spec) == ("train", "--lr", "{lr}")


def test_typer(read):
    spec = read("""
        import enum
        import typer
        from typing import Annotated
        app = typer.Typer()
        class Optimizer(str, enum.Enum):
            sgd = "sgd"
            adam = "adam"
        @app.command()
        def main(
            lr: float = typer.Option(0.01, help="rate"),
            dropout: Annotated[float, typer.Option("--drop")] = 0.1,
            optimizer: Optimizer = Optimizer.sgd,
            nesterov: bool = False,
            epochs: int = 3,
        ): pass
        app()
    """)
    assert words(spec) == (
        *("--lr", "{lr}"),
        *("--drop", "{dropout}"),
        *("--optimizer", "{optimizer}"),
        "{nesterov}",
    )
    assert ranges(spec)["optimizer"] == Choice("optimizer", ("sgd", "adam"))
    assert ranges(spec)["nesterov"] == Choice("nesterov", ("--nesterov", "--no-nesterov"))


@pytest.mark.parametrize(
    ("component", "command"),
    [("main", ()), ("{'fit': main}", ("fit",)), ("Trainer", ("train",))],
)
def test_fire(read, component, command):
    spec = read(f"""
        import fire
        def main(lr=0.1, nesterov=True, name="x"): pass
        class Trainer:
            def train(self, lr=0.1, nesterov=True): pass
        fire.Fire({component})
    """)
    assert words(spec) == (*command, "--lr={lr}", "--nesterov={nesterov!py}")


def test_absl(read):
    spec = read("""
        from absl import app, flags
        flags.DEFINE_float("learning_rate", 1e-3, "rate")
        flags.DEFINE_enum("optimizer", "sgd", ["sgd", "adam"], "which")
        flags.DEFINE_boolean("nesterov", False, "momentum")
        flags.DEFINE_integer("batch_size", 128, "size", lower_bound=1)
        flags.DEFINE_string("workdir", None, "where", required=True)
    """)
    assert words(spec) == (
        "--learning_rate={learning_rate}",
        "--optimizer={optimizer}",
        "--nesterov={nesterov}",
        "--batch_size={batch_size}",
        "--workdir={trial.folder}",
    )


def test_absl_with_a_configuration_file_of_ml_collections(read):
    spec = read(
        """
        from ml_collections import config_flags
        config_flags.DEFINE_config_file("config", "configs/default.py")
        """,
        configs__default_py="""
            import ml_collections
            def get_config():
                config = ml_collections.ConfigDict()
                config.learning_rate = 0.1
                config.model = ml_collections.ConfigDict(dict(dropout=0.1))
                return config
        """,
    )
    assert words(spec) == (
        "--config=configs/default.py",
        "--config.learning_rate={learning_rate}",
        "--config.model.dropout={dropout}",
    )


def test_lightning_reports_by_the_callback(read):
    spec = read("""
        from lightning.pytorch.cli import LightningCLI
        class Model(LightningModule):
            def __init__(self, hidden_dim: int = 64, learning_rate: float = 1e-3): pass
            def _step(self, batch, stage):
                self.log(f"{stage}_acc", 0.5)
            def validation_step(self, batch, _):
                self._step(batch, "val")
        class Data(LightningDataModule):
            def __init__(self, batch_size: int = 32, data_dir: str = "data"): pass
        LightningCLI(Model, Data)
    """)
    assert words(spec) == (
        "fit",
        "--model.hidden_dim={hidden_dim}",
        "--model.learning_rate={learning_rate}",
        "--data.batch_size={batch_size}",
        "--trainer.default_root_dir={trial.folder}",
        "--trainer.callbacks=tuitune.integrations.lightning.TuituneCallback",
    )
    assert (spec.objective.metric, spec.objective.mode) == ("val_acc", "max")


def test_jsonargparse_calls_a_function(read):
    spec = read("""
        from dataclasses import dataclass
        from jsonargparse import auto_cli
        @dataclass
        class Optim:
            lr: float = 0.1
        def main(optim: Optim = Optim(), dropout: float = 0.1): pass
        auto_cli(main)
    """)
    assert words(spec) == ("--optim.lr={lr}", "--dropout={dropout}")


def test_hydra_reads_the_dataclass_of_its_store(read):
    spec = read("""
        import hydra
        from dataclasses import dataclass
        from hydra.core.config_store import ConfigStore
        @dataclass
        class Config:
            lr: float = 0.1
            nesterov: bool = False
        ConfigStore.instance().store(name="config", node=Config)
        @hydra.main(version_base=None, config_name="config")
        def main(cfg): pass
    """)
    assert words(spec) == ("lr={lr}", "nesterov={nesterov}", "hydra.run.dir={trial.folder}")


def test_the_configurator_of_nanogpt(read):
    spec = read(
        """
        out_dir = "out"
        n_head = 6
        n_embd = 384
        bias = False
        learning_rate = 6e-4
        min_lr = 6e-5
        exec(open("configurator.py").read())
        batch_size = 3
        """,
        "config/small.py",
        "--n_embd=64",
    )
    # the number of heads divides the size of the embedding, which is given here
    assert words(spec) == (
        *("config/small.py", "--n_embd=64"),
        "--out_dir={trial.folder}",
        "--bias={bias!py}",
        "--learning_rate={learning_rate}",
    )


def test_a_configuration_file_that_is_given_has_the_defaults(read):
    spec = read(
        "learning_rate = 6e-4\nbatch_size = 12\nexec(open('configurator.py').read())",
        "small.py",
        small_py="learning_rate = 1e-3\nbatch_size = 64",
    )
    assert spec.trial.command[2] == "small.py"
    assert ranges(spec) == {
        "learning_rate": FloatRange("learning_rate", 1e-4, 1e-2, log=True),
        "batch_size": PowerRange("batch_size", 16, 256),
    }


@pytest.mark.parametrize(
    ("option", "printed", "lines"),
    [
        ("--epochs', default=14", "epoch {n}: loss {x}", ['# resource = "epoch"', "# max = 14 "]),
        (
            "--max-steps', default=500",
            "step {n}: loss {x}",
            ['# resource = "step"', "# max = 500 "],
        ),
        ("--epochs', default=14", "loss {x}", ["# max = 14 "]),
    ],
)
def test_pruning_is_offered_with_the_length_of_a_trial(tmp_path, option, printed, lines):
    script = tmp_path / "train.py"
    script.write_text(
        f"p.add_argument('{option})\np.add_argument('--lr', default=0.1)\nprint(f'{printed}')"
    )
    text = draft(script)
    assert all(f"\n{line}" in text for line in lines), text


def test_files_that_the_script_has_no_option_for_are_told(tmp_path):
    script = tmp_path / "train.py"
    script.write_text("p.add_argument('--lr', default=0.1)\ntorch.save(model, 'models/m.pt')\n")
    assert "# The script may write models/m.pt, for which it has no option:" in draft(script)
    script.write_text(script.read_text() + "p.add_argument('--out-dir', default='out')\n")
    assert "may write" not in draft(script)


def test_dataclasses_that_are_their_own_parts(read):
    spec = read("""
        import tyro
        @dataclass
        class Node:
            lr: float = 0.1
            child: "Node | None" = None
        tyro.cli(Node)
    """)
    assert words(spec)[:2] == ("--lr", "{lr}")


def test_classes_that_are_their_own_bases(read):
    with pytest.raises(DraftError, match="nested too deeply"):
        read("import tyro\nclass A(B):\n    lr: float = 1\nclass B(A): pass\ntyro.cli(A)")


def test_a_whole_default_of_no_declared_type_may_stand_for_a_float(read):
    options = "p.add_argument('--dropout', default=0)\np.add_argument('--lr', type=int, default=0)"
    assert ranges(read(options)) == {"dropout": FloatRange("dropout", 0.0, 0.5)}


def test_whole_numbers_from_0_to_1_are_a_range(read):
    options = "p.add_argument('--mixup', type=int, default=0)"
    assert ranges(read(options)) == {"mixup": IntRange("mixup", 0, 1)}


def test_constants_of_a_script_without_arguments(read):
    spec = read("""
        import torch
        LEARNING_RATE = 1e-3
        dropout: float = 0.1
        epochs = 3
        LEARNING_RATE = 7
    """)
    assert spec.trial.command == (
        *("python", "-m", "tuitune.integrations.constants", "train.py"),
        "LEARNING_RATE={LEARNING_RATE}",
        "dropout={dropout}",
    )


def test_yaml_without_its_package_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)  # as where it is not installed
    (tmp_path / "sweep.yaml").write_text("parameters: {}")
    with pytest.raises(
        DraftError, match=r"sweep.yaml is YAML, .*: pip install pyyaml, then try again"
    ):
        draft(tmp_path / "sweep.yaml")


def test_heads_and_sizes_always_divide(read):
    spec = read("p.add_argument('--heads', default=12)\np.add_argument('--d-model', default=768)")
    heads, size = ranges(spec)["heads"], ranges(spec)["d_model"]
    assert (heads, size) == (PowerRange("heads", 8, 32), PowerRange("d_model", 512, 2048))


@pytest.mark.parametrize(
    ("options", "given", "searched"),
    [
        ("n_head=8, n_embd=64", "", {"n_head", "n_embd"}),
        ("n_head=8, n_kv_heads=3, n_embd=96", "", set()),  # 3 goes into no power of two
        ("n_head=8, n_kv_heads=2, n_embd=64", "", {"n_embd"}),
        ("n_head=6", "", set()),
        ("n_head=6, n_embd=384", "--n_head=5", set()),
        ("n_head=6, n_embd=384", "--n_embd=96", set()),
    ],
)
def test_heads_are_searched_only_where_they_divide(read, options, given, searched):
    pairs = [pair.split("=") for pair in options.split(", ")]
    lines = [f"p.add_argument('--{name}', default={value})" for name, value in pairs]
    spec = read("\n".join([*lines, "p.add_argument('--lr', default=0.1)"]), *given.split())
    assert set(ranges(spec)) == {"lr", *searched}


def test_what_runs_or_downloads_code_writes_or_seeds_is_never_searched(read):
    names = """dataset-trust-remote-code push-to-hub resume seed device wandb-project amp data-path
        save-model log-interval eval-batch-size lr-scheduler epochs workers"""
    spec = read(
        "\n".join(f"p.add_argument('--{name}', default=1)" for name in names.split())
        + "\np.add_argument('--push', action='store_true')\np.add_argument('--lr', default=0.1)"
    )
    assert words(spec) == ("--lr", "{lr}")


def test_options_that_the_user_gives_are_not_searched(read):
    spec = read(
        "p.add_argument('data')\np.add_argument('--lr', default=0.1)\n"
        "p.add_argument('--wd', default=0.1)\np.add_argument('--batch-size', '-b', default=4)",
        *("digits", "--wd", "0.5", "-b", "8", "--extra={x}"),
    )
    given = ("digits", "--wd", "0.5", "-b", "8", "--extra={{x}}")
    assert words(spec) == (*given, "--lr", "{lr}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("print(1)", "takes no arguments that init can read"),
        (
            "p.add_argument('--epochs', default=3)",
            "no option that init knows a range for (--epochs)",
        ),
        ("p.add_argument('--x', default=-1.5)", "no option that init knows a range for (--x)"),
    ],
)
def test_scripts_of_which_nothing_is_known(read, text, message):
    with pytest.raises(DraftError) as caught:
        read(text)
    assert message in str(caught.value)


def test_lists_of_integers_stay_integers(read):
    spec = read(
        "p.add_argument('--layers', type=int, default=3)\np.add_argument('--bs', default=24)"
    )
    assert ranges(spec) == {"layers": IntRange("layers", 2, 6), "bs": PowerRange("bs", 8, 128)}

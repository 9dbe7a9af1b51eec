"""Scripts with the real argument parsers: drafted, checked and run as they were drafted."""

from __future__ import annotations

import importlib.util

import pytest
from workshop import Workshop

pytestmark = pytest.mark.usefixtures("python_of_the_tests")

LOSS = """
    assert isinstance(nesterov, bool)
    print(f"val loss: {abs(float(lr) - 0.02) + 0.001 * float(batch_size) + nesterov:.4f}")
"""
CLICK = """
import click
@click.group()
def cli(): pass
@cli.command()
@click.option("--lr", default=0.01)
@click.option("--batch-size", type=click.IntRange(1), default=4)
@click.option("--nesterov", is_flag=True)
def train(lr, batch_size, nesterov):
    {loss}
cli()
"""
TYPER = """
import typer
def main(lr: float = 0.01, batch_size: int = typer.Option(4, "--bs"), nesterov: bool = False):
    {loss}
typer.run(main)
"""
FIRE = """
import fire
def main(lr=0.01, batch_size=4, nesterov=False):
    {loss}
fire.Fire({{"train": main}})
"""
ABSL = """
from absl import app, flags
LR = flags.DEFINE_float("lr", 0.01, "")
SIZE = flags.DEFINE_integer("batch_size", 4, "")
NESTEROV = flags.DEFINE_boolean("nesterov", False, "")
def main(argv):
    lr, batch_size, nesterov = LR.value, SIZE.value, NESTEROV.value
    {loss}
app.run(main)
"""
JSONARGPARSE = """
from dataclasses import dataclass
from jsonargparse import auto_cli
@dataclass
class Optim:
    lr: float = 0.01
    nesterov: bool = False
def main(optim: Optim = Optim(), batch_size: int = 4):
    lr, nesterov = optim.lr, optim.nesterov
    {loss}
auto_cli(main)
"""
TYRO = """
from dataclasses import dataclass, field
import tyro
@dataclass
class Optim:
    lr: float = 0.01
    nesterov: bool = False
@dataclass
class Args:
    optim: Optim = field(default_factory=Optim)
    batch_size: int = 4
def main(args):
    lr, batch_size, nesterov = args.optim.lr, args.batch_size, args.optim.nesterov
    {loss}
main(tyro.cli(Args))
"""
HYDRA = """
from dataclasses import dataclass
import hydra
from hydra.core.config_store import ConfigStore
@dataclass
class Config:
    lr: float = 0.01
    batch_size: int = 4
    nesterov: bool = False
ConfigStore.instance().store(name="config", node=Config)
@hydra.main(version_base=None, config_name="config")
def main(cfg):
    lr, batch_size, nesterov = cfg.lr, cfg.batch_size, cfg.nesterov
    {loss}
main()
"""
TRANSFORMERS = """
from dataclasses import dataclass
from transformers import HfArgumentParser
@dataclass
class Args:
    lr: float = 0.01
    batch_size: int = 4
    nesterov: bool = False
def main(args):
    lr, batch_size, nesterov = args.lr, args.batch_size, args.nesterov
    {loss}
main(HfArgumentParser(Args).parse_args_into_dataclasses()[0])
"""
SCRIPTS = {
    "click": CLICK,
    "typer": TYPER,
    "fire": FIRE,
    "absl": ABSL,
    "jsonargparse": JSONARGPARSE,
    "tyro": TYRO,
    "hydra": HYDRA,
    "transformers": TRANSFORMERS,
}


@pytest.mark.parametrize("package", SCRIPTS)
def test_a_draft_runs_as_it_is(workshop: Workshop, package: str):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"not installed: {package}")
    workshop.write("train.py", SCRIPTS[package].format(loss=LOSS))
    drafted = workshop.run("init", "train.py")
    assert drafted.returncode == 0, drafted.stderr
    checked = workshop.run("check", "train.toml")
    assert checked.returncode == 0, checked.stderr
    done = workshop.run("train.toml", "--no-ui", "--trials", "3", timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    trials = workshop.trials("train")
    assert [trial["state"] for trial in trials] == ["COMPLETE"] * 3
    assert {*trials[0]["config"]} == {"lr", "batch_size", "nesterov"}
    for trial in trials:
        config = trial["config"]
        size = 0.001 * config["batch_size"]
        nesterov = config["nesterov"] in (True, "--nesterov", "--optim.nesterov")
        expected = abs(config["lr"] - 0.02) + size + nesterov
        assert trial["value"] == pytest.approx(expected, abs=1e-4)

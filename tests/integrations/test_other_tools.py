"""Studies in TensorBoard, W&B, MLflow and Optuna, read back by what these tools read them with."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from packages import needs
from workshop import Workshop

import tuitune

needs("tensorboard", "optuna", "optuna_dashboard", "mlflow", "wandb")

TOOLS = ("tensorboard", "optuna", "mlflow", "wandb")
TRAIN = """
def train(trial):
    config = trial.config
    if trial.number == 3:
        raise ValueError("an odd configuration")
    first = 1
    if trial.resume_path:
        first += int((trial.resume_path / "epoch").read_text())
    for epoch in range(first, trial.max_resource + 1):
        loss = config["lr"] + config["net"]["layers"] / epoch
        extra = {"accuracy": float("nan") if trial.number == 4 else epoch / 10}
        trial.report(epoch=epoch, loss=loss, **extra,
                     save=lambda folder: (folder / "epoch").write_text(str(epoch)))
"""
STUDY = """
[objective]
metric = "loss"
mode = "min"
[space]
lr = { low = 1e-4, high = 1e-1, log = true }
opt = ["sgd", "adam"]
momentum = { low = 0.5, high = 0.99, when = { opt = "sgd" } }
width = { low = 4, high = 64, powers_of = 2 }
decay = { low = 0.0, high = 1.0, step = 0.3 }
betas = { value = [0.9, 0.99] }
size = { choices = [[1, 2], [3, 4]] }
[space.net]
layers = { low = 1, high = 6 }
drop = [true, false]
[search]
trials = 8
method = "random"
[trial]
target = "train.py:train"
cpus = 0.5
[pruning]
method = "asha"
resource = "epoch"
max = 9
"""
HERE = {"WANDB_MODE": "offline", "MLFLOW_TRACKING_URI": ""}
Curves = dict[int, dict[str, list[tuple[int, float]]]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """A study that was written to all tools: once at 6 trials, then at its end, and once live."""
    made = Workshop(tmp_path_factory.mktemp("tools").resolve())
    try:
        made.write("train.py", TRAIN)
        made.write("study.toml", STUDY)
        made.write("live.toml", STUDY + f"[log]\nto = {json.dumps(TOOLS)}\n")
        environment = {**made.environment, **HERE}
        for words in (
            ("study.toml", "--trials", 6),
            ("export",),
            ("study.toml",),
            ("export",),
            ("live.toml",),
        ):
            every = TOOLS if words == ("export",) else ("",)
            for tool in every:
                more = ("study", "--to", tool) if tool else ("--no-ui",)
                done = made.run(*words, *more, env=environment, timeout=300)
                assert done.returncode == 0, done.stderr
                assert "did not get" not in done.stdout
        yield made
    finally:
        made.close()


@pytest.fixture(params=["study", "live"])
def study(place: Workshop, request: pytest.FixtureRequest) -> Any:
    return tuitune.load(place.folder(request.param))


def curves(study: Any) -> Curves:
    found: Curves = defaultdict(lambda: defaultdict(list))
    for report in study.reports:
        for name, value in report.metrics.items():
            found[report.trial][name].append((report.step, value))
    return found


def assert_alike(found: Curves, expected: Curves) -> None:
    assert set(found) == set(expected)
    for trial, metrics in expected.items():
        for name, points in metrics.items():
            there = found[trial][name]
            assert [step for step, _ in there] == [step for step, _ in points]
            for (_, one), (_, other) in zip(there, points, strict=True):
                assert one == pytest.approx(other, rel=1e-6, nan_ok=True)


def test_tensorboard_reads_the_curves_and_the_configurations(study: Any):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.metadata import (
        SESSION_START_INFO_TAG,
        parse_session_start_info_plugin_data,
    )

    found: Curves = defaultdict(dict)
    for trial in study.trials:
        events = EventAccumulator(str(study.path / "tensorboard" / f"{trial.number:04d}"))
        events.Reload()
        for tag in events.Tags()["scalars"]:
            found[trial.number][tag] = [(e.step, e.value) for e in events.Scalars(tag)]
        data = events.SummaryMetadata(SESSION_START_INFO_TAG).plugin_data.content
        hparams = parse_session_start_info_plugin_data(data).hparams
        assert hparams["lr"].number_value == trial.config["lr"]
        assert hparams["opt"].string_value == trial.config["opt"]
        assert hparams["net.drop"].bool_value == trial.config["net"]["drop"]
        assert hparams["betas"].string_value == "[0.9, 0.99]"
    assert_alike(found, curves(study))


def test_mlflow_reads_runs_from_its_store(study: Any):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{study.path}/mlflow.db")
    experiment = client.get_experiment_by_name(study.name)
    runs = {
        int(run.data.tags["tuitune.trial"]): run
        for run in client.search_runs([experiment.experiment_id])
    }
    assert len(runs) == len(study.trials)
    found: Curves = defaultdict(dict)
    for trial in study.trials:
        run = runs[trial.number]
        assert run.info.run_name == f"#{trial.number}"
        assert run.info.status == {"FAILED": "FAILED"}.get(trial.state, "FINISHED")
        assert run.data.tags["tuitune.state"] == trial.state
        assert run.data.params["lr"] == str(trial.config["lr"])
        assert json.loads(run.data.params["size"]) == trial.config["size"]
        assert ("momentum" in run.data.params) == (trial.config["opt"] == "sgd")
        for name in run.data.metrics:
            history = client.get_metric_history(run.info.run_id, name)
            found[trial.number][name] = sorted((m.step, m.value) for m in history)
    expected = curves(study)
    for metrics in found.values():  # MLflow keeps NaN as 0 with a flag of its own
        metrics["accuracy"] = metrics.get("accuracy", [])
    assert_alike(
        found,
        {n: {"loss": expected[n]["loss"]} for n in expected}
        | {n: {} for n in set(found) - set(expected)},
    )
    assert [step for step, _ in found[0]["accuracy"]] == [
        step for step, _ in expected[0]["accuracy"]
    ]


def test_optuna_has_the_study_and_its_dashboard_serves_the_same_values(study: Any):
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna_dashboard import wsgi

    storage = JournalStorage(JournalFileBackend(str(study.path / "optuna.log")))
    found = optuna.load_study(study_name=study.name, storage=storage)
    ours = {trial.user_attrs["tuitune:trial"]: trial for trial in found.trials}
    assert len(found.trials) == len(study.trials)
    best = study.best
    assert found.best_trial.user_attrs["tuitune:trial"] == best.number
    assert found.best_value == best.value
    expected = curves(study)
    for trial in study.trials:
        other = ours[trial.number]
        assert other.state.name == {"FAILED": "FAIL"}.get(trial.state, trial.state)
        assert other.params["net.layers"] == trial.config["net"]["layers"]
        assert ("momentum" in other.params) == (trial.config["opt"] == "sgd")
        assert other.user_attrs["betas"] == [0.9, 0.99]
        assert sorted(other.intermediate_values.items()) == sorted(
            dict(expected[trial.number]["loss"]).items()
        )
        if trial.state != "FAILED":
            assert other.value == trial.value
    assert found.trials[0].distributions["lr"] == optuna.distributions.FloatDistribution(
        1e-4, 1e-1, log=True
    )
    optuna.importance.get_param_importances(
        found, evaluator=optuna.importance.PedAnovaImportanceEvaluator(), params=["lr"]
    )

    number = found._study_id
    answer = get(wsgi(storage), f"/api/studies/{number}", "after=0")
    shown = {trial["number"]: trial for trial in answer["trials"]}
    for other in found.trials:
        if other.state.name == "COMPLETE":
            assert shown[other.number]["values"] == [other.value]
        steps = [(one["step"], one["value"]) for one in shown[other.number]["intermediate_values"]]
        assert sorted(steps) == sorted(other.intermediate_values.items())


def get(application: Any, path: str, query: str) -> Any:
    """What a WSGI application answers."""
    environ = {"PATH_INFO": path, "QUERY_STRING": query}
    setup_testing_defaults(environ)
    status: list[str] = []
    body = b"".join(application(environ, lambda line, *_: status.append(line)))
    assert status == ["200 OK"], body
    return json.loads(body)


def test_wandb_can_sync_its_offline_runs(study: Any):
    runs = sorted((study.path / "wandb").glob("offline-run-*"))
    found: Curves = defaultdict(lambda: defaultdict(list))
    configurations: dict[int, dict[str, Any]] = {}
    exits: dict[int, int] = {}
    for run in runs:
        (file,) = run.glob("*.wandb")
        number = None
        for record in records(file):
            if record.HasField("run"):
                own = {item.key: json.loads(item.value_json) for item in record.run.config.update}
                number = own["tuitune"]["trial"]
                assert record.run.run_group == study.name
                configurations[number] = own
            elif record.HasField("history"):
                row = {
                    (item.key or item.nested_key[0]): json.loads(item.value_json)
                    for item in record.history.item
                }
                for name in ("loss", "accuracy"):
                    found[number][name].append((row["step"], float(row[name])))
            elif record.HasField("exit"):
                exits[number] = record.exit.exit_code
    assert set(configurations) == {trial.number for trial in study.trials}
    for trial in study.trials:
        assert configurations[trial.number]["lr"] == trial.config["lr"]
        assert exits[trial.number] == (1 if trial.state == "FAILED" else 0)
    assert_alike(found, curves(study))
    listed = subprocess.run(
        [sys.executable, "-m", "wandb", "sync", "--dry-run", *map(str, runs)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert listed.returncode == 0, listed.stderr
    assert all(run.name in listed.stdout + listed.stderr for run in runs)


def records(file: Path) -> Iterator[Any]:
    """The records of a transaction log of W&B, which is one of LevelDB."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, parts = file.read_bytes(), 7, b""
    while at < len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


def test_the_commands_of_the_page_work(place: Workshop):
    page = (Path(__file__).parents[2] / "docs" / "other-tools.md").read_text()
    commands = re.findall(r"^tuitune (export (?!.*html).*)$", page, re.MULTILINE)
    assert [words.split()[3] for words in commands] == ["tensorboard", "optuna", "mlflow", "wandb"]
    (folder,) = re.findall(r"^tensorboard --logdir runs/digits/(\S+)$", page, re.MULTILINE)
    assert (place.folder() / folder / "0000").is_dir()
    (log,) = re.findall(r"^optuna-dashboard runs/digits/(\S+)$", page, re.MULTILINE)
    assert (place.folder() / log).is_file()
    (runs,) = re.findall(r"^wandb sync runs/digits/(\S+)$", page, re.MULTILINE)
    assert list(place.folder().glob(runs))
    for words in commands[:2]:
        done = place.run(*words.replace("digits", "study").split())
        assert (done.returncode, done.stderr) == (0, "")
    (block,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    place.write("page.toml", STUDY + block)
    assert "logs to: tensorboard, mlflow" in place.run("check", "page.toml").stdout

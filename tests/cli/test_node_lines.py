"""What `doctor --on` and `check --on` say of a cluster's nodes; a list of answers plays the cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace

from tuitune.cli.arguments import Refusal
from tuitune.cli.nodes import examine_nodes, node_lines
from tuitune.core.space import SearchSpace
from tuitune.core.space.parameters import FloatRange
from tuitune.core.spec import Limits, Objective, PruningSpec, SearchSpec, StudySpec, TrialSpec
from tuitune.engine.node_check import Answer, Question
from tuitune.engine.settings import CannotRunError
from tuitune.executors.base import UnreachableError
from tuitune.executors.ray.protocol import Surveyed, Surveyee

GIB = 1 << 30
ROOM = {"CPU": 8.0, "memory": 16.0 * GIB, "GPU": 0.0}
GPUS = {**ROOM, "GPU": 2.0}
WELL = Answer(version("tuitune"), True, 4 * GIB, (), "", {}, ())


def node(name: str = "a", answer: Answer | None = WELL, **more: Any) -> Surveyee:
    """more: other fields; its room is free unless told."""
    room = more.pop("room", ROOM)
    fields = {"room": room, "free": room, "held": [], "drains": "", "why": "", **more}
    return Surveyee(name, answer=b"" if answer is None else msgspec.json.encode(answer), **fields)


class Cluster:
    """A survey that answers at once, and keeps what was asked."""

    def __init__(self) -> None:
        self.nodes: list[Surveyee] = []
        self.why = ""
        self.asked: list[tuple[str, Question]] = []
        self.marked: list[bool] = []  # whether the file was there while the nodes were asked

    def survey(self, where: str, question: bytes) -> Surveyed:
        read = msgspec.json.decode(question, type=Question)
        self.asked.append((where, read))
        self.marked.append(Path(read.mark).is_file())
        if self.why:
            raise UnreachableError(self.why)
        return Surveyed("10.0.0.1:6379", "2.40.0", "3.11.7", self.nodes)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    made = Cluster()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tuitune.executors.ray.surveying.survey", made.survey)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())  # Ray is there
    for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "HF_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("PATH")
    return made


@pytest.fixture
def doctor(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """The exit status and the line of `doctor --on` about one node."""

    def run(one: Surveyee) -> tuple[int, str]:
        cluster.nodes = [one]
        status = examine_nodes("ray")
        head, line = capsys.readouterr().out.splitlines()
        assert head == "Ray 2.40.0 at 10.0.0.1:6379, Python 3.11.7"
        return status, line

    return run


def test_a_node_that_is_well_has_a_line_of_what_is_free(doctor) -> None:
    assert doctor(node()) == (
        0,
        (
            f"ok     a: tuitune {WELL.version}, 8 of 8 CPUs free, 16 GiB of memory free, no GPU, "
            "4 GiB of disk free, sees this folder"
        ),
    )


@pytest.mark.parametrize(
    ("one", "how", "words"),
    [
        (node(answer=None, why="it does not answer (X)"), "wrong", "a: it does not answer (X)"),
        (node(drains="it drains: maintenance"), "wrong", "; it drains: maintenance"),
        (node(answer=replace(WELL, sees=False)), "note", ", does not see this folder"),
        (node(answer=replace(WELL, disk=None)), "ok", ", disk unknown, "),
        (node(room={**ROOM, "CPU": 0.0}), "ok", ", no CPU for trials, "),
        (
            node(answer=replace(WELL, version="0.1")),
            "wrong",
            f"; here is tuitune {WELL.version}: install the same there",
        ),
        (node(answer=replace(WELL, gpu_problem="no driver")), "wrong", "; no driver"),
        (node(room=GPUS), "wrong", "; 2 GPUs declared, and NVML shows 0"),
        (
            node(room=GPUS, answer=replace(WELL, gpus=("A100", "A100"))),
            "ok",
            ", 2 of 2 GPUs free (A100), ",
        ),
        (
            node(room=GPUS, answer=replace(WELL, gpus=("A100", "H100", "A100"))),
            "ok",
            ", 2 of 2 GPUs free (A100, H100), ",
        ),
        (
            node(room={**ROOM, "GPU": 1.0}, free={**ROOM, "GPU": 0.5}, answer=replace(WELL, gpus=("A",))),
            "ok",
            ", 0.5 of 1 GPU free (A), ",
        ),
        (node(answer=replace(WELL, gpus=("A",))), "ok", ", 0 of 0 GPUs free (A), "),
        (node(free={**ROOM, "CPU": 7.5}, held=["train.py"]), "note", "; held by train.py"),
        (node(answer=replace(WELL, environment={"OMP_NUM_THREADS": "4"})), "note", "OMP_NUM_THREADS=4"),
        (
            node(answer=replace(WELL, environment={"HF_HOME": "/a" * 30, "CUDA_X": "1"})),
            "note",
            "; differs from this shell: CUDA_X=1, HF_HOME",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_node_is_in_its_line(doctor, one, how: str, words: str) -> None:
    status, line = doctor(one)
    assert line.startswith(f"{how:5}  a: ")
    assert words in line
    assert status == (how == "wrong")


def test_others_that_hold_nothing_now_are_not_named(doctor) -> None:
    assert "held by" not in doctor(node(held=["train.py"]))[1]


def test_variables_that_are_unset_there_are_named(doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.setenv("SECRET", "x")
    own = {"PATH": "/bin", "OMP_NUM_THREADS": "2"}
    assert doctor(node(answer=replace(WELL, environment=own)))[1].startswith("ok")
    line = doctor(node(answer=replace(WELL, environment={"PATH": "/usr/bin"})))[1]
    assert "differs from this shell: OMP_NUM_THREADS (unset there), PATH=/usr/bin" in line
    assert "SECRET" not in line


def test_nothing_that_a_node_says_steers_the_terminal(doctor) -> None:
    evil = "\x1b]0;owned\x07\n"
    one = node(evil, replace(WELL, gpu_problem=evil, environment={"PATH": evil}), held=[evil])
    status, line = doctor(one)
    assert line.isprintable()
    assert status == 1


def test_one_that_is_wrong_among_many_decides_the_status(cluster: Cluster, capsys) -> None:
    cluster.nodes = [node("a"), node("b", None, why="dead"), node("c")]
    assert examine_nodes("10.0.0.1:6379") == 1
    assert [line[:5] for line in capsys.readouterr().out.splitlines()[1:]] == [
        "ok   ",
        "wrong",
        "ok   ",
    ]
    cluster.nodes = []
    assert examine_nodes("ray") == 0


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("", "--on : write ray, or HOST:PORT of a Ray cluster's head"),
        ("here", "--on here: write ray, or HOST:PORT of a Ray cluster's head"),
        ("ray://here:10001", "Ray Client is not used; run this on a node, with --on HOST:PORT"),
        ("here:123456", "write ray, or HOST:PORT"),
        ("a b:1", "write ray, or HOST:PORT"),
        ("here:1\n", "write ray, or HOST:PORT"),
    ],
)
def test_a_place_that_is_no_cluster_is_refused_before_anything_is_asked(
    cluster: Cluster, where: str, words: str
) -> None:
    with pytest.raises(Refusal) as refused:
        examine_nodes(where)
    assert words in refused.value.message
    assert cluster.asked == []


@pytest.mark.parametrize("where", ["ray", "here:1", "10.0.0.1:6379", "[::1]:6379", "a-b.c_d:65535"])
def test_a_cluster_that_does_not_answer_is_an_error_in_words(
    cluster: Cluster, capsys, where: str
) -> None:
    cluster.why = "nobody answers"
    with pytest.raises(Refusal, match=r"^nobody answers$"):
        examine_nodes(where)
    assert capsys.readouterr().out == ""


def test_the_file_that_nodes_look_for_is_there_meanwhile_and_gone_after_it(
    cluster: Cluster, tmp_path: Path
) -> None:
    for cluster.why in ("", "nobody answers"):
        with contextlib.suppress(Refusal):
            examine_nodes("ray")
    assert cluster.marked == [True, True]
    assert list(tmp_path.iterdir()) == []


# --- check -------------------------------------------------------------------------------------


def spec(concurrency: int | None = None, **trial: Any) -> StudySpec:
    return StudySpec(
        name="toy",
        objective=Objective("loss", "min"),
        trial=TrialSpec(target="toy.py:train", **trial),
        space=SearchSpace((FloatRange("lr", 0.1, 1.0),)),
        search=SearchSpec(method="sobol", trials=20, concurrency=concurrency),
        pruning=PruningSpec(),
        limits=Limits(),
        file="/studies/toy.toml",
    )


@pytest.mark.parametrize(
    ("study", "one", "many"),
    [
        (spec(gpus=0), node(), "8 trials at once"),
        (spec(gpus=0, cpus=3.0), node(), "2 trials at once"),
        (spec(gpus=0, cpus=8.0), node(), "1 trial at once"),
        (spec(5, gpus=0), node(), "5 trials at once"),
        (spec(gpus=0, memory=6 * GIB), node(), "2 trials at once"),
        (spec(), node(), "8 trials at once"),  # no GPU there: trials run on CPUs
        (spec(), node(room=GPUS, answer=replace(WELL, gpus=("A", "A"))), "2 trials at once"),
        (spec(), node(room=GPUS, answer=replace(WELL, gpus=("A",))), "1 trial at once"),
        (spec(gpus=0.25), node(room=GPUS, answer=replace(WELL, gpus=("A", "A"))), "8 trials at once"),
        (spec(gpus=0.3), node(room=GPUS, answer=replace(WELL, gpus=("A",))), "3 trials at once"),
        (spec(gpus=2), node(room=GPUS, answer=replace(WELL, gpus=("A", "A"))), "1 trial at once"),
        (
            spec(gpus="auto"),
            node(room=GPUS, answer=replace(WELL, gpus=("A", "A"))),
            "as many as measured on 2 GPUs at once",
        ),
    ],
)  # fmt: skip
def test_trials_at_once_are_counted_by_the_scarcest_part(
    cluster: Cluster, study: StudySpec, one: Surveyee, many: str
) -> None:
    cluster.nodes = [one]
    lines, warnings = node_lines("ray", study, Path())
    assert lines == ["on Ray at 10.0.0.1:6379:", f"  a: {many}"]
    assert warnings == []


@pytest.mark.parametrize(
    "one",
    [
        node("b", None, why="dead"),
        node("b", room={**ROOM, "CPU": 0.5}),
        node("b", room={**ROOM, "CPU": 0.0}),
        node("b", room={**ROOM, "memory": float(GIB)}),
    ],
)
def test_a_node_without_room_runs_none_and_alone_is_an_error(cluster: Cluster, one) -> None:
    cluster.nodes = [one]
    study = spec(gpus=0, memory=2 * GIB)
    with pytest.raises(CannotRunError, match="no node has room for a trial: "):
        node_lines("ray", study, Path())
    cluster.nodes = [node(), one]
    lines, warnings = node_lines("ray", study, Path())
    assert lines[1:] == ["  a: 8 trials at once", "  b: none"]
    assert warnings == (["node b: dead"] if one.why else [])


@pytest.mark.parametrize("gpus", [1, 2, "auto"])
def test_a_trial_that_needs_a_gpu_runs_on_no_node_without(cluster: Cluster, gpus: Any) -> None:
    cluster.nodes = [node()]
    with pytest.raises(CannotRunError, match="no node has room for a trial"):
        node_lines("ray", spec(gpus=gpus), Path())


def test_what_a_node_lacks_is_a_warning(cluster: Cluster, tmp_path: Path) -> None:
    lacks = replace(WELL, sees=False, gpu_problem="no driver", problems=("no folder", "no python"))
    out = node("c", replace(lacks), room={**ROOM, "CPU": 0.0})  # not meant to run any
    cluster.nodes = [node("a"), node("b", lacks), out]
    assert node_lines("ray", spec(gpus=0), tmp_path / "runs")[1] == [
        "node b: no folder",
        "node b: no python",
        "node b: no driver",
        (
            f"node b: it does not see {tmp_path}/runs, or can't write there: --storage keeps "
            "checkpoints for all nodes"
        ),
    ]


def test_nodes_are_asked_for_what_the_study_needs(cluster: Cluster, tmp_path: Path) -> None:
    cluster.nodes = [node()]
    study = spec(gpus=0, cwd="code", env={"PATH": "/opt/bin"}, python=".venv")
    node_lines("10.0.0.1:6379", study, tmp_path / "runs")
    ((where, asked),) = cluster.asked
    assert where == "10.0.0.1:6379"
    assert Path(asked.mark).parent == tmp_path  # the runs folder is not there yet
    assert (asked.folder, asked.home) == ("/studies/code", "/studies")
    assert (asked.search_path, asked.python, asked.looks_at_gpus) == ("/opt/bin", ".venv", False)
    (tmp_path / "runs").mkdir()
    node_lines("ray", spec(), tmp_path / "runs")
    assert Path(cluster.asked[1][1].mark).parent == tmp_path / "runs"
    assert cluster.asked[1][1].looks_at_gpus
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_cluster_that_can_not_be_asked_is_a_study_that_can_not_run(cluster: Cluster) -> None:
    cluster.why = "nobody answers"
    with pytest.raises(CannotRunError, match="nobody answers"):
        node_lines("ray", spec(), Path())
    with pytest.raises(CannotRunError, match="can't be written"):
        node_lines("ray", spec(), Path("no/such/folder"))


@settings(max_examples=40)
@given(st.floats(0.1, 64.0), st.floats(0.1, 8.0), st.integers(0, 64), st.sampled_from([0.5, 1, 2]))
def test_as_many_trials_as_are_counted_fit(cpus: float, each: float, gpus: int, share: Any) -> None:
    made, room = Cluster(), {"CPU": cpus, "memory": float(GIB), "GPU": float(gpus)}
    made.nodes = [node(answer=replace(WELL, gpus=("A",) * gpus), room=room), node("b", room=GPUS)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tuitune.executors.ray.surveying.survey", made.survey)
        patch.setattr("importlib.util.find_spec", lambda _: object())
        try:
            lines, _ = node_lines("ray", spec(gpus=share, cpus=each), Path())
        except CannotRunError:
            lines = ["", "  a: none at once"]
    word = lines[1].split()[1]
    many = 0 if word == "none" else int(word)
    assert many * each <= cpus + 1e-6
    assert many * share <= gpus
    assert (many + 1) * each > cpus - 1e-6 or (many + 1) * share > gpus - 1e-6

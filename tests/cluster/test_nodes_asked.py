"""`doctor --on` and `check --on`: what each node has, and what stands in the way there."""

from __future__ import annotations

import pytest
from clusters import another
from workshop import wait_until

pytestmark = pytest.mark.timeout(180)

QUICK = "def train(trial): trial.report(loss=1.0)"


def test_doctor_has_a_line_for_each_node(shop, cluster):
    odd = {"OMP_NUM_THREADS": "7", "HF_HOME": "/models"}
    node = cluster.add_node(num_cpus=3, num_gpus=4, env_vars=odd)
    try:
        with another(shop, 2):
            environment = {**shop.environment, "HF_HOME": "/home", "CUDA_HOME": "/cuda"}
            run = shop.run("doctor", "--on", shop.where, env=environment)
    finally:
        cluster.remove_node(node)
    assert run.stderr == ""
    lines = run.stdout.splitlines()
    assert lines[0].startswith("Ray 2.")
    assert shop.where in lines[0]
    (with_gpus,) = (line for line in lines if "2 GPUs" in line)
    assert "of 2 CPUs free" in with_gpus
    assert "2 of 2 GPUs free (NVIDIA A100)" in with_gpus
    assert "sees this folder" in with_gpus
    assert "CUDA_HOME (unset there)" in with_gpus
    (held,) = (line for line in lines if "0 of 2 CPUs free" in line)
    assert "occupant.py" in held
    (ill,) = (line for line in lines if "of 3 CPUs free" in line)
    assert ill.startswith("wrong")
    assert "4 GPUs declared, and NVML shows 2" in ill
    assert "HF_HOME=/models" in ill
    assert run.returncode == 1
    assert not [*shop.path.glob(".tuitune-*")]


def test_check_has_the_trials_at_once_of_each_node_and_tries_what_a_study_names(shop):
    file = shop.study(QUICK, 'gpus = 0\npython = "/no/python"')
    text = file.read_text().replace("concurrency = 2", "")
    file.write_text(text.replace('python = "/no/python"', ""))

    def checked() -> str:
        run = shop.run("check", file, "--on", shop.where)
        assert run.returncode == 0, run.stderr
        assert f"on Ray at {shop.where}:" in run.stdout
        return run.stdout

    def of_all_nodes() -> str:
        """Ray shows a node that has left a test before for a while."""
        found = checked()
        counts = (found.count(" trials at once"), found.count(": none"))
        return found if counts == (2, 1) else ""  # one: the head

    found = wait_until(of_all_nodes, "the nodes")
    assert found.count(": 4 trials at once") == 2  # cpus = 0.5 of two
    run = shop.run("check", file, "--on", shop.where, "--set", "trial.gpus=1")
    assert run.stdout.count(": 2 trials at once") == 1
    (shop.path / "program.sh").write_text("echo loss=1\n")
    command = 'command = ["./program.sh"]\n[trial.metrics]\nloss = "loss=(.*)"'
    file.write_text(file.read_text().replace('target = "study_train.py:train"', "") + command)
    run = shop.run("check", file, "--on", shop.where)
    assert run.returncode == 0, run.stderr
    assert run.stderr.count('"./program.sh" may not be executed: chmod +x it') == 2


@pytest.mark.parametrize("command", ["doctor", "check"])
def test_a_cluster_that_does_not_answer_is_named(shop, command: str):
    words = [] if command == "doctor" else [shop.study(QUICK)]
    run = shop.run(command, *words, "--on", "127.0.0.1:1")
    assert run.returncode == 2
    assert run.stderr.startswith("no Ray cluster answers at 127.0.0.1:1")
    assert run.stderr.count("\n") == 1

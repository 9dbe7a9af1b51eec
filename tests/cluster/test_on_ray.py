"""Studies on a Ray cluster: every node is used, and the commands act on trials wherever they are."""

from __future__ import annotations

import pytest
from gpu_studies import HOLD, notes
from parked_trials import PARKED, is_parked, let, listed
from workshop import wait_until

from tuitune.core import events as ev
from tuitune.store.reader import Reader

pytestmark = pytest.mark.timeout(180)


def test_trials_run_on_every_node_and_nothing_is_left_of_them(shop):
    engine = shop.begin()
    trials = shop.running(4)
    nodes = {trial["node"] for trial in trials}
    assert len(nodes) == 2
    assert "" not in nodes
    opened = shop.facts(ev.Opened)[0]
    assert opened.nodes
    output = shop.finish(engine)
    assert "4 complete" in output
    assert "raylet" not in output
    assert not shop.left_over()
    assert not [*shop.folder().glob(".nodes-*")]
    told = shop.run("show", "study", "--why", 0).stdout
    assert f"launched on {shop.trials()[0]['node']}" in told


def test_a_trial_is_paused_resumed_and_killed_on_its_node(shop):
    engine = shop.begin(trials=2)
    shop.running(2)
    assert shop.run("pause", "study", 0).returncode == 0
    wait_until(lambda: shop.trials()[0]["state"] == "PAUSED", "the pause")
    assert shop.run("resume", "study", 0).returncode == 0
    wait_until(lambda: len(shop.ran(0)) == 2, "the second attempt")
    assert int(shop.ran(0)[1][0]) > 1  # from its checkpoint
    assert shop.run("kill", "study", 1).returncode == 0
    wait_until(lambda: shop.trials()[1]["state"] == "KILLED", "the kill")
    shop.finish(engine)


def test_trials_have_the_gpus_of_their_node(shop, machine):
    engine = shop.begin("gpus = 1", trials=2)
    trials = shop.running(2)
    assert len({trial["node"] for trial in trials}) == 1
    assert {trial["device"].rpartition(", ")[2] for trial in trials} == {"GPU 0", "GPU 1"}
    uuids = {gpu["uuid"] for gpu in machine.gpus}
    assert {shop.ran(n)[0][2] for n in range(2)} == uuids

    def samples() -> dict[str, set[str]]:
        reader = Reader.open(shop.folder() / "study.db")
        seen = reader.samples()
        reader.close()
        return {
            kind: {s.node for s in seen if s.kind == kind and s.node} for kind in ("host", "gpu")
        }

    assert shop.run("set", "study", "trial.retries=2").returncode == 0
    assert [fact.settings.gpus for fact in shop.facts(ev.SettingsChanged)] == [1.0]
    node = {trials[0]["node"]}  # the other one has no GPU, so that no trial fits there
    wait_until(lambda: samples() == {"host": node, "gpu": node}, "the readings")
    shop.finish(engine)


def test_a_command_runs_on_a_node(shop):
    shop.study("", trials=2)
    shop.write("program.sh", "echo loss=0.5; echo $CUDA_VISIBLE_DEVICES\n")
    text = (shop.path / "study.toml").read_text()
    target = 'target = "study_train.py:train"'
    command = 'command = ["sh", "program.sh"]\ngpus = 0\n[trial.metrics]\nloss = "loss=(.*)"'
    (shop.path / "study.toml").write_text(text.replace(target, "").replace("cpus = 0.5", command))
    engine = shop.again()
    output, _ = engine.communicate(timeout=60)
    assert engine.returncode == 0, output
    assert [trial["value"] for trial in shop.trials()] == [0.5, 0.5]


def test_code_that_no_node_can_import_is_refused_with_its_traceback(shop):
    shop.study("import no_such_module\ndef train(trial): pass")
    run = shop.run("study.toml", "--no-ui", "--on", shop.where)
    assert run.returncode == 2
    assert "no_such_module" in run.stderr


def test_trials_are_parked_on_their_node_and_gpus_are_counted_over_the_study(shop, machine):
    code = HOLD + PARKED.format(memory=2000, save="")
    more = (
        'gpus = 1\npause = "park"\n[devices]\non_foreign = "park"\n[pruning]\nresource = "step"\n'
    )
    shop.study(code, more, trials=2)
    engine = shop.again()
    wait_until(lambda: len(notes(shop)) == 2, "two trials")
    pids = {one["trial"]: one["pid"] for one in notes(shop)}
    assert shop.run("pause", "study", 0).returncode == 0
    wait_until(lambda: is_parked(shop, 0), "the pause")
    assert not listed(machine, pids[0])
    assert shop.run("resume", "study", 0).returncode == 0
    wait_until(lambda: listed(machine, pids[0]), "its memory to be back")
    assert shop.run("set", "study", "devices.max_gpus=1").returncode == 0
    wait_until(lambda: is_parked(shop, 0) or is_parked(shop, 1), "one to make way")
    assert "1 parked" in shop.run("show", "study").stdout
    assert shop.run("set", "study", "devices.max_gpus=2").returncode == 0
    wait_until(lambda: all(listed(machine, pid) for pid in pids.values()), "both on their GPUs")
    let(shop, 0, 1)
    output, _ = engine.communicate(timeout=60)
    assert engine.returncode == 0, output
    assert [one["pid"] for one in notes(shop) if one["trial"] == 0] == [pids[0]] * 2

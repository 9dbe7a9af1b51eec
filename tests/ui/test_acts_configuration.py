"""The file of keys: what it may say, and how its mistakes are told."""

from __future__ import annotations

import pytest

from tuitune.ui.configuration import key_file, load_configuration, read_configuration
from tuitune.ui.state.options import ConfigurationError


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    found = key_file()
    assert found == tmp_path / "tuitune" / "keys.toml"
    found.parent.mkdir()
    return found


def test_without_a_file_keys_are_as_they_come(file):
    assert load_configuration().keymap.shown("trial.pause") == "p"


def test_keys_of_a_file_take_the_place_of_those_of_the_action(file):
    file.write_text('[keys]\n"trial.pause" = ["f5", "ctrl+k"]\n"trial.kill" = "X"\n')
    keymap = load_configuration().keymap
    assert keymap.find("f5", None, "trials") == "trial.pause"
    assert keymap.find("p", "p", "trials") is None
    assert keymap.shown("trial.kill") == "X"


def test_an_id_needs_no_quotes(file):
    def keys(text, action):
        return read_configuration(text).keymap.keys(action)

    assert keys('[keys]\ntrial.pause = ["f5"]\n', "trial.pause") == ("f5",)
    assert keys("[keys]\ntrial.kill = []\n", "trial.kill") == ()
    assert keys("", "trial.kill") == ("x",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[keys", "write [keys]"),
        ("keys = 3", "is not a table"),
        ('[keyz]\n"trial.pause" = ["p"]', "[keyz]: there is no such table; write [keys]"),
        ('[keys]\n"trial.paus" = ["p"]', "did you mean trial.pause?"),
        ('[keys]\n"trial.pause" = 3', 'write ["p"]'),
        ('[keys]\n"trial.pause" = [3]', 'write ["p"]'),
        ('[keys]\n"trial.pause" = [""]', 'write ["p"]'),
        ('[keys]\n"trial.pause" = ["x"]', "'x' is a key of both trial.pause and trial.kill"),
        ("[keys]\ntrial = { pause = { a = 1 } }", 'write ["p"]'),
    ],
)
def test_a_mistake_is_told_with_its_file_and_mend(file, text, words):
    file.write_text(text)
    with pytest.raises(ConfigurationError) as told:
        load_configuration()
    assert words in str(told.value)
    assert all(line.startswith(str(file)) for line in str(told.value).splitlines())


def test_all_mistakes_are_told_at_once(file):
    file.write_text('[keys]\n"trial.paus" = ["p"]\n"trial.kill" = 3\n')
    with pytest.raises(ConfigurationError) as told:
        load_configuration()
    assert len(str(told.value).splitlines()) == 2


def test_a_file_that_is_no_text_is_told(file):
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="can't be read"):
        load_configuration()

"""README's lines that install, on a fresh machine: into the app, and through the tests.

They download packages, so only `.ci/run` runs them: `pytest -m fresh tests/install`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest
import terminal
from workshop import wait_until

from tuitune.store import owner
from tuitune.store.errors import StoreError
from tuitune.store.folder import DATABASE
from tuitune.store.reader import Reader

pytestmark = [pytest.mark.fresh, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
MINOR = f"python{sys.version_info.major}.{sys.version_info.minor}"
OURS = Path(sysconfig.get_path("scripts")) / "uv"


def lines_of_readme(program: str) -> str:
    """The one line of a code block of README that starts with this program."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (found,) = (block.strip() for block in blocks if block.startswith(program))
    assert "\n" not in found
    return found


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All packages that the lines install, for this Python, as this machine's pip finds them."""
    place = tmp_path_factory.mktemp("wheels")
    venv.create(place / "venv", with_pip=True)
    backend = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    wanted = [f"{ROOT}[test]", *backend, "editables"]
    pip = [place / "venv/bin/python", "-m", "pip", "download", "--quiet", "--dest", place / "all"]
    subprocess.run([*pip, *wanted], check=True)
    return place / "all"


class Machine:
    """A machine with a clone, an empty home and the programs that it is given, without ours."""

    def __init__(
        self, place: Path, wheels: Path, programs: dict[str, Path], path: str = ""
    ) -> None:
        self.clone = place / "clone"
        left = shutil.ignore_patterns(".*", "__pycache__", "runs")
        shutil.copytree(ROOT, self.clone, ignore=left)
        (place / "home").mkdir()
        (place / "bin").mkdir()
        for name, program in programs.items():
            (place / "bin" / name).symlink_to(program)
        self.variables = {
            "PATH": f"{place / 'bin'}{path}",
            "HOME": str(place / "home"),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(wheels),
            "PIP_NO_COMPILE": "1",
            "UV_OFFLINE": "1",
            "UV_FIND_LINKS": str(wheels),
        }

    def command(self, line: str) -> list[str]:
        pairs = [f"{name}={value}" for name, value in self.variables.items()]
        return ["/usr/bin/env", "-i", *pairs, "/bin/sh", "-c", line]

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(line), cwd=self.clone, capture_output=True, text=True, check=False
        )


@pytest.fixture
def managed(tmp_path: Path, wheels: Path) -> Machine:
    """Debian's or Ubuntu's: the packages of its Python are the distribution's."""
    python = Path("/usr/bin") / MINOR
    if not (Path("/usr/lib") / MINOR / "EXTERNALLY-MANAGED").exists():
        pytest.skip(f"{python} is missing here, or its packages are not the distribution's")
    return Machine(tmp_path, wheels, {"python3": python}, ":/usr/bin:/bin")


def opens_digits(machine: Machine, line: str) -> None:
    """The line ends in the app, on a study whose first trial reports; `q` leaves it running."""
    folder = machine.clone / "runs" / "digits"
    seen = terminal.start(machine.command(line), 120, 40, {}, folder=machine.clone)
    try:
        assert seen.pump(400.0, lambda t: t.ended() or has_value(folder)), seen.text.decode()
        assert seen.pump(terminal.PATIENCE, lambda t: t.ended() or b"#0" in t.text)
        seen.press("q")
        assert seen.pump(terminal.PATIENCE, terminal.Terminal.ended)
        assert (seen.status, b"still running" in seen.text) == (0, True), seen.text.decode()
    finally:
        seen.close()
        machine.run(".venv/bin/tuitune stop digits --now")
    wait_until(lambda: owner.running(folder) is None, "the end of the engine")


def has_value(folder: Path) -> bool:
    try:
        reader = Reader.open(folder / DATABASE)
    except StoreError:  # it is not there yet, or just being made
        return False
    try:
        return any(row.value is not None for row in reader.trials())
    finally:
        reader.close()


def test_the_first_line_installs_and_opens_the_app_on_digits(managed: Machine):
    refused = managed.run("python3 -m pip install .")
    assert "externally-managed-environment" in refused.stderr
    opens_digits(managed, lines_of_readme("python3 -m venv .venv && .venv/bin/pip install '"))


def test_the_line_with_uv_needs_nothing_else(tmp_path: Path, wheels: Path):
    uv = shutil.which("uv") or (str(OURS) if OURS.exists() else None)
    if uv is None:
        pytest.skip("uv is not installed; pip install uv")
    python = Path(sys.base_prefix) / "bin" / MINOR
    line = lines_of_readme("uv venv")
    # the wheels are of the Python that runs the tests
    line = re.sub(r"--python \S+", f"--python {MINOR.removeprefix('python')}", line)
    opens_digits(Machine(tmp_path, wheels, {"uv": Path(uv), MINOR: python}), line)


def test_the_line_of_the_tests_passes_with_one_file(managed: Machine):
    line = lines_of_readme("python3 -m venv .venv && .venv/bin/pip install --editable")
    done = managed.run(f"{line} tests/test_space.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ passed", done.stdout)

"""The CIFAR-10 study on a small archive of its format: fetched once, trained, resumed, offline."""

from __future__ import annotations

import fcntl
import hashlib
import io
import pickle
import shutil
import signal
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from workshop import Workshop, wait_until

from tuitune.core.space import Choice, FloatRange, PowerRange
from tuitune.core.spec import PruningSpec
from tuitune.studyfile import load

SPACES = Path(__file__).parent.parent / "spaces"
BATCHES = [f"data_batch_{number}" for number in range(1, 6)]
A_BATCH = 40  # images; the real ones have 10,000

# The checksums are torchvision's, and are checked by it: of this archive in place of the real one.
SMALL = """
from torchvision.datasets import CIFAR10

CIFAR10.url = {url!r}
CIFAR10.tgz_md5 = {archive_md5!r}
CIFAR10.train_list = {train!r}
CIFAR10.test_list = {test!r}
CIFAR10.meta = {{**CIFAR10.meta, "md5": {meta_md5!r}}}

from cifar import train
"""


@dataclass
class Site:
    """A web server with one file to give."""

    content: bytes
    asked: list[str] = field(default_factory=list)  # the paths, in order
    url: str = ""
    is_closed: bool = False


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site(ARCHIVE)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            if made.is_closed:
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(made.content)))
            self.end_headers()
            self.wfile.write(made.content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}/cifar-10-python.tar.gz"
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def pickled_files() -> dict[str, bytes]:
    """The batches as CIFAR-10 pickles them; each class has a colour and a place of its own."""
    random = np.random.default_rng(0)
    files = {}
    for name in [*BATCHES, "test_batch"]:
        labels = random.permutation(np.arange(A_BATCH) % 10).tolist()
        images = random.integers(0, 40, (A_BATCH, 3, 32, 32), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            row, column = divmod(label, 5)
            image[label % 3, row * 16 : row * 16 + 16, column * 6 : column * 6 + 6] = 250
        entry = {"batch_label": name, "labels": labels, "data": images.reshape(A_BATCH, -1)}
        files[name] = pickle.dumps(entry)
    files["batches.meta"] = pickle.dumps({"label_names": [f"class {n}" for n in range(10)]})
    return files


def archive_of(files: dict[str, bytes]) -> bytes:
    """A .tar.gz laid out as cifar-10-python.tar.gz is."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
    return content.getvalue()


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


FILES = pickled_files()
ARCHIVE = archive_of(FILES)


def bring_study(workshop: Workshop, site: Site) -> None:
    """The study's two files as they are, and the small archive's address and sums beside them."""
    for file in SPACES.glob("cifar.*"):
        shutil.copy(file, workshop.path)
    text = SMALL.format(
        url=site.url,
        archive_md5=md5(ARCHIVE),
        train=[[name, md5(FILES[name])] for name in BATCHES],
        test=[["test_batch", md5(FILES["test_batch"])]],
        meta_md5=md5(FILES["batches.meta"]),
    )
    workshop.write("small.py", text)


ONE_EPOCH = ("search.trials=1", "pruning.method=none", "pruning.max=1")


def words(*settings: str, folder: str = "data") -> list[str]:
    """The command line of the study made small enough for a test, its data in `folder`."""
    env = f'trial.env={{ CIFAR10_FOLDER = "{folder}", no_proxy = "*" }}'
    said = ["trial.target=small.py:train", "trial.cpus=1", env, *settings]
    return ["cifar.toml", "--no-ui", *(word for text in said for word in ("--set", text))]


def points(**values: object) -> str:
    """The setting that makes this the first configuration to be tried."""
    return f"search.points=[{{ {', '.join(f'{name} = {v}' for name, v in values.items())} }}]"


def unpack(folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(ARCHIVE)) as tar:
        tar.extractall(folder)


def test_the_study_file_says_the_lectures_study():
    spec = load(SPACES / "cifar.toml")
    assert spec.space.parameters == (
        PowerRange("l1", 4, 256),
        PowerRange("l2", 4, 256),
        FloatRange("lr", 1e-4, 1e-1, log=True),
        Choice("batch_size", (2, 4, 8, 16), ordered=True),
    )
    assert spec.pruning == PruningSpec("asha", resource="epoch", min=1, max=10, reduction=2)
    assert (spec.trial.cpus, spec.trial.gpus) == (2, None)


def test_it_downloads_once_and_learns(workshop: Workshop, site: Site):
    bring_study(workshop, site)
    good = points(l1=64, l2=64, lr=0.02, batch_size=4)
    done = workshop.run(*words("search.trials=2", "pruning.min=3", "pruning.max=6", good))
    assert done.returncode == 0, done.stdout + done.stderr
    shown = workshop.show("cifar")
    assert shown["best"]["value"] > 0.4  # a guess is right once in ten
    assert {trial["state"] for trial in shown["trials"]} <= {"COMPLETE", "PRUNED"}
    assert "imports all again" not in done.stdout  # they were forked, each with the one import
    log = (workshop.folder("cifar") / "engine.log").read_text()
    assert f"CIFAR-10 is not in {workshop.path / 'data'} yet" in log
    assert "100" in log.split("yet")[1]  # the download's progress, in percent
    assert site.asked
    unpacked = workshop.path / "data/cifar-10-batches-py"  # so the next study downloads nothing
    assert {file.name: file.read_bytes() for file in unpacked.iterdir()} == FILES
    assert workshop.left_over() == []


def test_a_trial_goes_on_from_its_checkpoint(workshop: Workshop, site: Site):
    bring_study(workshop, site)
    unpack(workshop.path / "data")
    often = 'trial.checkpoint_every="0s"'
    command = words("search.trials=1", "pruning.method=none", "pruning.max=6", often)
    running = workshop.start(*command)
    saved = workshop.folder("cifar") / "trials/0000/checkpoints"
    wait_until(lambda: list(saved.glob("0*")), "a checkpoint")
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130, running.stdout.read()
    done = workshop.run(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    (trial,) = workshop.trials("cifar")
    assert (trial["state"], trial["step"], trial["attempts"]) == ("COMPLETE", 6, 2)
    assert "attempt 1 started from step" in workshop.run("show", "cifar", "--why", 0).stdout
    assert site.asked == []
    assert [entry.name for entry in (workshop.path / "data").iterdir()] == ["cifar-10-batches-py"]


def test_offline_it_says_where_to_put_the_archive_and_takes_it_from_there(
    workshop: Workshop, site: Site
):
    bring_study(workshop, site)
    site.is_closed = True
    shared = workshop.path / "elsewhere/cifar10"
    command = words(*ONE_EPOCH, folder=str(shared))
    refused = workshop.run(*command)
    assert refused.returncode == 2, refused.stdout + refused.stderr
    place = shared / "cifar-10-python.tar.gz"
    for word in (site.url, md5(ARCHIVE), str(place), "503", "CIFAR10_FOLDER"):
        assert word in refused.stderr
    assert "torchvision/" not in refused.stderr  # whose inner life is nobody's business
    assert "During handling" not in refused.stderr
    assert list((workshop.path / "runs").iterdir()) == []
    assert workshop.left_over() == []

    asked = list(site.asked)
    place.write_bytes(ARCHIVE)
    done = workshop.run(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert site.asked == asked


def test_an_archive_that_arrives_damaged_is_refused(workshop: Workshop, site: Site):
    bring_study(workshop, site)
    site.content = ARCHIVE[: len(ARCHIVE) // 2]
    refused = workshop.run(*words(*ONE_EPOCH))
    assert refused.returncode == 2
    assert "the download failed: File not found or corrupted" in refused.stderr
    assert str(workshop.path / "data/cifar-10-python.tar.gz") in refused.stderr


def test_two_studies_do_not_download_at_once(workshop: Workshop, site: Site):
    bring_study(workshop, site)
    data = workshop.path / "data"
    data.mkdir()
    with (data / "lock").open("w") as lock:  # as another study has it while it downloads
        fcntl.flock(lock, fcntl.LOCK_EX)
        running = workshop.start(*words(*ONE_EPOCH))
        log = workshop.folder("cifar") / "engine.log"
        wait_until(lambda: log.exists() and "not in" in log.read_text(), "its look at the data")
        unpack(data)
    assert running.wait(60) == 0, running.stdout.read()
    assert site.asked == []

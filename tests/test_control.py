"""Speaking to an engine: over real sockets, with real threads and broken ends."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tuitune.control import (
    ControlError,
    choose_place,
    client as control_client,
    leave_place,
    private_folder,
    request,
    serve,
    server as control_server,
    socket_path,
)
from tuitune.control.client import PROTOCOL
from tuitune.control.requests import Add, Pause, RefusedError, Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def echo(message: Request, _by: str) -> dict[str, Any]:
    assert isinstance(message, Add)
    return {"heard": message.config}


@asynccontextmanager
async def served(path: Path, handler: control_server.Handler = echo) -> AsyncIterator[None]:
    server = await serve(path, handler)
    try:
        yield
    finally:
        server.close()


async def ask(path: Path, message: dict[str, Any]) -> dict[str, Any]:
    return await asyncio.to_thread(request, path, Add(message), 20.0)


def line(**message: Any) -> bytes:
    """A request as it is sent."""
    body = {"protocol": PROTOCOL, "by": "test", "request": {"do": "add", "config": message}}
    return json.dumps(body).encode() + b"\n"


def heard(**message: Any) -> dict[str, Any]:
    return {"heard": message, "protocol": PROTOCOL}


async def say(path: Path, text: bytes) -> bytes:
    """What comes back for raw bytes, up to the first line's end; b"" for a closed door."""
    reader, writer = await asyncio.open_unix_connection(str(path), limit=4 * control_server.LIMIT)
    writer.write(text)
    await writer.drain()
    try:
        return await reader.readline()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def test_a_request_is_answered(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "s"
        async with served(path):
            assert path.stat().st_mode & 0o777 == 0o600
            message = {"do": "kill", "trials": [1, 2], "name": "é\n", "big": "x" * 300_000}
            assert await ask(path, message) == {"heard": message}
            answers = await asyncio.gather(*(ask(path, {"n": n}) for n in range(30)))
            assert answers == [{"heard": {"n": n}} for n in range(30)]

    asyncio.run(scene())
    assert list(tmp_path.iterdir()) == []


def test_a_connection_may_ask_again(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "s"
        async with served(path):
            reader, writer = await asyncio.open_unix_connection(str(path))
            third = line(n=3)
            writer.write(line(n=1) + line(n=2) + third[:9])
            assert json.loads(await reader.readline()) == heard(n=1)
            assert json.loads(await reader.readline()) == heard(n=2)
            writer.write(third[9:])
            assert json.loads(await reader.readline()) == heard(n=3)
            writer.close()

    asyncio.run(scene())


@pytest.mark.parametrize("text", [b"stop\n", b"[1]\n", b"\xff\xfe\n", b"\n", b'{"a":\n'])
def test_nonsense_is_told_so(tmp_path: Path, text: bytes) -> None:
    async def scene() -> None:
        async with served(tmp_path / "s"):
            assert "one JSON object" in json.loads(await say(tmp_path / "s", text))["error"]
            assert await ask(tmp_path / "s", {}) == {"heard": {}}

    asyncio.run(scene())


def test_an_endless_line_is_told_so(tmp_path: Path) -> None:
    async def scene() -> None:
        async with served(tmp_path / "s"):
            endless = b"x" * (control_server.LIMIT + 100_000)
            assert "one JSON object" in json.loads(await say(tmp_path / "s", endless))["error"]

    asyncio.run(scene())


def test_a_failing_handler_is_told_of_and_outlived(tmp_path: Path) -> None:
    async def fail(message: Request, _by: str) -> dict[str, Any]:
        if isinstance(message, Add) and message.config:
            raise ZeroDivisionError("by zero")
        return {"ok": True}

    async def scene() -> None:
        told: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        async with served(tmp_path / "s", fail):
            answer = await ask(tmp_path / "s", {"n": 1})
            assert answer == {
                "error": "the engine failed at this request: ZeroDivisionError: by zero"
            }
            assert await ask(tmp_path / "s", {}) == {"ok": True}
        assert isinstance(told[0]["exception"], ZeroDivisionError)

    asyncio.run(scene())


def test_one_who_hangs_up_early_harms_nobody(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "s"
        async with served(path):
            for text in (b"", b'{"n": 1', line(n=1)):
                with socket.socket(socket.AF_UNIX) as peer:
                    peer.connect(str(path))
                    peer.sendall(text)
            assert await ask(path, {}) == {"heard": {}}

    asyncio.run(scene())


def test_closing_ends_conversations(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "s"
        server = await serve(path, echo)
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(line())
        await reader.readline()
        server.close()
        server.close()
        assert await reader.read() == b""
        writer.close()
        with pytest.raises(ControlError, match="no engine answers"):
            await ask(path, {})

    asyncio.run(scene())


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    with pytest.raises(ControlError, match="no engine answers"):
        request(path, Pause(), 1.0)

    async def scene() -> None:
        async with served(path):
            assert await ask(path, {}) == {"heard": {}}

    asyncio.run(scene())


def test_a_path_that_vanished_is_bound_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_server, "WATCH", 0.01)

    async def answered(path: Path) -> None:
        while True:
            try:
                assert await ask(path, {}) == {"heard": {}}
            except ControlError:
                await asyncio.sleep(0.01)
            else:
                return

    async def scene() -> None:
        folder = tmp_path / "sockets"
        async with served(folder / "s"):
            (folder / "s").unlink()
            await answered(folder / "s")
            (folder / "s").unlink()
            folder.rmdir()
            await answered(folder / "s")

    asyncio.run(scene())


def test_a_servers_successor_keeps_the_path(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "s"
        first = await serve(path, echo)
        async with served(path):
            first.close()
            assert await ask(path, {}) == {"heard": {}}

    asyncio.run(scene())


def test_no_engine_is_said(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="no engine answers"):
        request(tmp_path / "nothing", Pause(), 1.0)


def answering(path: Path, answer: bytes | None) -> threading.Thread:
    """A peer that takes one request, then answers so and hangs up; None: never answers."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()

    def run() -> None:
        peer, _ = listening.accept()
        peer.recv(1000)
        if answer is None:
            peer.recv(1000)  # until the other end gives up
        else:
            peer.sendall(answer)
        peer.close()
        listening.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize("answer", [b"", b'{"ok": tr', b"nonsense\n", b"[]\n"])
def test_an_engine_that_ends_meanwhile_is_said(tmp_path: Path, answer: bytes) -> None:
    thread = answering(tmp_path / "s", answer)
    with pytest.raises(ControlError, match="ended before it had answered"):
        request(tmp_path / "s", Pause(), 20.0)
    thread.join()


def test_an_engine_that_never_answers_is_said(tmp_path: Path) -> None:
    thread = answering(tmp_path / "s", None)
    with pytest.raises(ControlError, match=r"no answer within 0\.05 s"):
        request(tmp_path / "s", Pause(), 0.05)
    thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        b'{"error": "this engine knows no such request: None"}\n',
        b'{"error": "its training code is still being imported; ask again after that"}\n',
        b'{"protocol": 99, "done": [0]}\n',
    ],
)
def test_an_engine_of_another_version_is_told_apart_with_the_mend(
    tmp_path: Path, answer: bytes
) -> None:
    """The first two are what engines answered before answers had a number."""
    thread = answering(tmp_path / "s", answer)
    mend = rf"another version of tuitune, and did nothing; .*`kill {os.getpid()}`"
    with pytest.raises(ControlError, match=mend):
        request(tmp_path / "s", Pause(), 20.0)
    thread.join()


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"do": "stop", "finish": False}, "another version of tuitune than the command"),
        ({"protocol": 1, "request": {"do": "stop"}}, "another version of tuitune"),
        ({"protocol": PROTOCOL}, "no such request"),
        ({"protocol": PROTOCOL, "request": {"do": 3}}, "no such request"),
        ({"protocol": PROTOCOL, "request": {"do": "explode"}}, "there are stop, kill,"),
        ({"protocol": PROTOCOL, "request": {"do": "kill"}}, "can't read the request kill: "),
        ({"protocol": PROTOCOL, "request": {"do": "stop", "late": 1}}, "unknown field `late`"),
    ],
)
def test_a_request_that_is_not_understood_is_refused(
    tmp_path: Path, message: dict[str, Any], words: str
) -> None:
    async def never(_request: Request, _by: str) -> dict[str, Any]:
        raise AssertionError

    async def scene() -> None:
        async with served(tmp_path / "s", never):
            answer = json.loads(await say(tmp_path / "s", json.dumps(message).encode() + b"\n"))
            assert words in answer["error"]
            assert answer["protocol"] == PROTOCOL

    asyncio.run(scene())


def test_what_can_not_be_done_is_answered_in_words(tmp_path: Path) -> None:
    async def refuse(_request: Request, by: str) -> dict[str, Any]:
        raise RefusedError(f"not for {by}")

    async def scene() -> None:
        async with served(tmp_path / "s", refuse):
            assert await ask(tmp_path / "s", {}) == {"error": "not for command"}

    asyncio.run(scene())


def test_another_users_end_is_not_spoken_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        async with served(tmp_path / "s"):
            with monkeypatch.context() as patch:
                patch.setattr(control_server, "is_own", lambda _: False)
                assert await say(tmp_path / "s", line()) == b""
            with monkeypatch.context() as patch:
                patch.setattr(control_client, "is_own", lambda _: False)
                with pytest.raises(ControlError, match="another user listens"):
                    await ask(tmp_path / "s", {})

    asyncio.run(scene())


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_a_stranger_hears_nothing() -> None:
    code = (
        "import os, socket, sys; os.setuid(65534); s = socket.socket(socket.AF_UNIX); "
        "s.connect(sys.argv[1]); s.sendall(b'{}\\n'); print(s.recv(100))"
    )

    async def scene(folder: Path) -> subprocess.CompletedProcess[str]:
        async with served(folder / "s"):
            os.chmod(folder, 0o711)  # noqa: PTH101 - as if somebody had opened the folder
            os.chmod(folder / "s", 0o666)  # noqa: PTH101 - as above
            command = [sys.executable, "-c", code, str(folder / "s")]
            return await asyncio.to_thread(
                subprocess.run, command, capture_output=True, text=True, check=False
            )

    with tempfile.TemporaryDirectory() as folder:  # pytest's own let no stranger in
        done = asyncio.run(scene(Path(folder)))
    assert done.stdout in ("", "b''\n"), done
    assert "PermissionError" not in done.stderr, done  # the file system alone would have let it in


def test_sockets_have_short_paths_of_their_own(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 200) / ("e" * 200)
    paths = {socket_path(deep / str(n), kind) for n in range(3) for kind in ("control", "trials")}
    assert len(paths) == 6
    assert all(len(str(path)) < 80 for path in paths)
    folder = next(iter(paths)).parent
    assert folder == Path(f"/tmp/tuitune-{os.getuid()}")
    assert socket_path(deep / "x" / "..", "control") == socket_path(deep, "control")


def test_a_study_folder_says_where_its_sockets_are(tmp_path: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    before = socket_path(study, "control")
    choose_place(study)
    assert socket_path(study, "control") == before
    assert before.parent.stat().st_mode & 0o777 == 0o700
    shutil.copytree(study, tmp_path / "copy")
    assert socket_path(tmp_path / "copy", "control") != before  # its engine is the first's alone
    study.rename(tmp_path / "moved")
    assert socket_path(tmp_path / "moved", "control") == before
    leave_place(tmp_path / "moved")
    assert list((tmp_path / "moved").iterdir()) == []
    assert before.parent.exists()
    (tmp_path / "copy" / ".sockets").write_text("nonsense")
    assert socket_path(tmp_path / "copy", "control").parent == before.parent


def test_a_folder_for_sockets_must_be_ones_own(tmp_path: Path) -> None:
    assert private_folder(tmp_path / "new").stat().st_mode & 0o777 == 0o700
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    assert private_folder(tmp_path / "open").stat().st_mode & 0o777 == 0o700
    (tmp_path / "link").symlink_to(tmp_path / "new")
    (tmp_path / "file").touch()
    for name in ("link", "file", "missing/folder"):
        with pytest.raises(ControlError, match=rf"{name}: "):
            private_folder(tmp_path / name)
    with pytest.raises(ControlError, match=r"can't hold sockets|another user's"):
        asyncio.run(serve(tmp_path / "file" / "s", echo))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", 65534, 65534)
    with pytest.raises(ControlError, match="another user's"):
        private_folder(tmp_path / "theirs")


def test_a_path_too_long_for_a_socket_is_said(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="can't listen there"):
        asyncio.run(serve(tmp_path / ("s" * 150), echo))
    with pytest.raises(ControlError, match="can't be asked"):
        request(tmp_path / ("s" * 150), Pause(), 1.0)


def test_asking_needs_no_event_loop() -> None:
    code = "import sys; import tuitune.control; print('asyncio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"

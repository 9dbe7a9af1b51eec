"""`serve`: the app of a study in a browser, by textual-serve, behind a token in its address."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import os
import secrets
import shlex
import signal
import socket
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from tuitune.cli.arguments import Refusal
from tuitune.cli.studies import open_study

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    from tuitune.cli.app import AppOptions

_FONT_SIZES = range(6, 41)
_FONT_SIZE = 16
_PATIENCE = 0.5  # s for open connections, at the end
_POLICY = (
    "default-src 'self'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self' ws: wss:"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
# textual.js connects each element of the class textual-terminal. It starts once its font is there,
# else it measures another one, and gets the keys without a click.
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<link rel="stylesheet" href="static/css/xterm.css">
<style>
@font-face {{
  font-family: "Roboto Mono";
  font-weight: 100 700;
  src: url("static/fonts/RobotoMono-VariableFont_wght.ttf");
}}
html, body, #terminal {{ height: 100%; margin: 0; background: #1c1c1c; overflow: hidden; }}
#ended {{ display: none; position: fixed; inset: 0; z-index: 10; padding: 20vh 2em;
  background: #1c1c1ce6; color: #d0d0d0; font: 16px system-ui, sans-serif; text-align: center; }}
#ended a {{ color: #87afd7; }}
body.-closed #ended {{ display: block; }}
</style>
<script nonce="{nonce}">
const started = new MutationObserver(() => {{
  const keys = document.querySelector(".xterm-helper-textarea");
  if (keys && document.body.classList.contains("-first-byte")) {{
    keys.focus();
    started.disconnect();
  }}
}});
function start() {{
  const script = document.createElement("script");
  script.src = "static/js/textual.js";
  script.onload = () => window.onload();
  document.body.append(script);
  started.observe(document, {{ attributes: true, childList: true, subtree: true }});
}}
window.addEventListener("load", () => {{
  const fonts = ["16px", "bold 16px"].map((font) => document.fonts.load(`${{font}} "Roboto Mono"`));
  Promise.allSettled(fonts).then(start);
}});
</script>
</head>
<body>
<div id="terminal" class="textual-terminal" data-session-websocket-url="{websocket}"
  data-font-size="{size}"></div>
<div id="ended"><p>The app has ended. A study that runs goes on.</p>
<p><a href="">Open it again</a></p></div>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a browser finds the app. port: 0 for a free one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def is_every(self) -> bool:
        """Whether it stands for all addresses of this machine."""
        try:
            return ipaddress.ip_address(self.host).is_unspecified
        except ValueError:
            return False

    def address(self, port: int, token: str) -> str:
        """What a browser opens."""
        name = socket.gethostname() if self.is_every else self.host
        return f"http://{f'[{name}]' if ':' in name else name}:{port}/{token}/"


def serve_study(text: str | None, runs: Path, place: Place, look: AppOptions) -> int:
    """Serve the app of a study until a signal ends it; the exit status."""
    try:
        import textual_serve.server  # noqa: F401, PLC0415 - an extra, and slow to import
    except ImportError as error:
        words = "the browser needs textual-serve, which is not installed: pip install textual-serve"
        raise Refusal(words) from error
    study = open_study(text, runs)
    os.environ["TERM"] = "xterm-256color"  # what the browser shows, whatever this terminal is
    try:
        asyncio.run(_serve(study.path, place, look))
    except OSError as error:
        # a name's look-up has numbers of its own, below 0
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        where = f"{place.host} port {place.port}" if place.port else place.host
        raise Refusal(f"{where}: {why}; give another one by --host or --port") from error
    return 0


async def _serve(folder: Path, place: Place, look: AppOptions) -> None:
    from aiohttp import web  # noqa: PLC0415 - comes with textual-serve

    token = secrets.token_urlsafe(24)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as after nohup
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
    app = _application(folder, token, look)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_PATIENCE)
    await runner.setup()
    try:
        site = web.TCPSite(runner, place.host, place.port)
        await site.start()
        port = runner.addresses[0][1]
        _announce(folder.name, place, port, place.address(port, token))
        await ended.wait()
    finally:
        await runner.cleanup()


def _announce(name: str, place: Place, port: int, address: str) -> None:
    print(f"{name}: {address}", flush=True)
    if place.is_loopback:
        print(
            f"Ctrl-C ends this, not the study. From another machine: "
            f"ssh -L {port}:localhost:{port} {socket.gethostname()}, then the same address",
            flush=True,
        )
    else:
        print(
            "Ctrl-C ends this, not the study. Whoever has this address can see and change the "
            "study (--readonly: only see), and the connection is not encrypted",
            flush=True,
        )


def _command(folder: Path, look: AppOptions) -> str:
    """What a shell runs for each browser window."""
    words = [sys.executable, "-m", "tuitune", "attach", str(folder)]
    words += ["--server", str(os.getpid())]
    words += ["--readonly"] if look.readonly else []
    words += ["--ascii"] if look.ascii_only else []
    words += ["--no-color"] if look.no_color else []
    words += ["--theme", look.theme] if look.theme else []
    return f"exec {shlex.join(words)}"


def _application(folder: Path, token: str, look: AppOptions) -> web.Application:
    """The page, its files and its websocket below /TOKEN/; anything else is refused."""
    from aiohttp import web  # noqa: PLC0415
    from textual_serve.server import Server  # noqa: PLC0415

    server = Server(_command(folder, look), title=folder.name)

    async def guard(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        given = request.path.removeprefix("/").partition("/")[0]  # OPTIONS has the path "*"
        if not hmac.compare_digest(given.encode(), token.encode()):
            raise web.HTTPForbidden(text="refused: the address lacks the token that was printed\n")
        return await handler(request)

    async def page(request: web.Request) -> web.Response:
        secure = request.headers.get("X-Forwarded-Proto", request.scheme) == "https"
        websocket = f"{'wss' if secure else 'ws'}://{request.host}/{token}/ws"
        given = request.query.get("fontsize", "")
        size = next((one for one in _FONT_SIZES if str(one) == given), _FONT_SIZE)
        nonce = secrets.token_urlsafe(12)
        text = _PAGE.format(
            title=escape(folder.name), websocket=escape(websocket), size=size, nonce=nonce
        )
        headers = _HEADERS | {"Content-Security-Policy": _POLICY.format(nonce=nonce)}
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def with_slash(_: web.Request) -> web.Response:
        raise web.HTTPFound(f"/{token}/")

    app = web.Application(middlewares=[web.middleware(guard)])
    app.router.add_get(f"/{token}", with_slash)
    app.router.add_get(f"/{token}/", page)
    app.router.add_get(f"/{token}/ws", server.handle_websocket)
    app.router.add_static(f"/{token}/static", server.statics_path)
    return app

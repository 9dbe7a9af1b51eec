"""How the app reads a terminal: as Textual does, but for bytes that are no UTF-8."""

import os
import select
from codecs import getincrementaldecoder

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

_PIECE = 4096  # bytes
_WAIT = 0.1  # s until an escape key, which begins other keys too, is known to stand alone


class TerminalDriver(LinuxDriver):
    """Reads any bytes.

    Textual's own ends the app at the first that is no UTF-8: an é of a terminal set to Latin-1, or
    noise on a serial line. Here it is a character that no action has.
    """

    def run_input_thread(self) -> None:
        """Passes on what the terminal sends, until the app ends."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")(errors="replace").decode
        while not self.exit_event.is_set():
            ready, _, _ = select.select([self.fileno], [], [], _WAIT)
            text = decode(os.read(self.fileno, _PIECE)) if ready else ""
            if text:  # to the parser, an empty one is the end
                for event in parser.feed(text):
                    self.process_message(event)
            for event in parser.tick():
                self.process_message(event)

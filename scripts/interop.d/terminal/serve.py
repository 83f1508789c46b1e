"""Presses the keys of `bearer serve` on a terminal of its own: `serve.py <path of bearer>`."""

import os
import pty
import re
import select
import sys
import termios
import time

TIMEOUT = 20


def main():
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.argv[1], ["bearer", "serve", "--user", "alice"])
    screen = Screen(terminal)
    screen.wait("rotates the keys")
    local_modes = termios.tcgetattr(terminal)[3]
    assert not local_modes & (termios.ICANON | termios.ECHO), "keys do not arrive at once"

    screen.press("r", r"rotated: \S+ signs now; 3 keys")
    screen.press("f", "fault down:")
    screen.press("f", "fault hang:")
    screen.press("h", "healed:")
    os.write(terminal, b"xq")
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status
    local_modes = termios.tcgetattr(terminal)[3]
    assert local_modes & termios.ICANON and local_modes & termios.ECHO, "the terminal is not as before"
    print(screen.plain())


class Screen:
    def __init__(self, terminal):
        self.terminal = terminal
        self.seen = ""

    def plain(self):
        return re.sub(r"\x1b\[[0-9;]*m", "", self.seen)

    def press(self, key, expected):
        os.write(self.terminal, key.encode())
        self.wait(expected)

    def wait(self, expected):
        end = time.monotonic() + TIMEOUT
        while not re.search(expected, self.plain()):
            ready, _, _ = select.select([self.terminal], [], [], max(0, end - time.monotonic()))
            assert ready, f"{expected!r} is not in {self.plain()!r}"
            self.seen += os.read(self.terminal, 4096).decode()


main()

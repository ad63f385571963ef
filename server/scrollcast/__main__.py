"""The `scrollcast` command, also as `python -m scrollcast`.

What the command is made of takes its time to load, so nothing of it is imported before Ctrl+C is seen to.
"""

from __future__ import annotations

import sys

__all__ = ["run"]

INTERRUPTED = 130
"""The exit status that shells give to a command that Ctrl+C has ended."""


def run() -> None:
    """Run the command of this process, and exit with its status.

    Ctrl+C ends it without a word: while it loads and when it is done as it ends a program that does nothing about it,
    in between as `main` says. Where whoever started the process has it ignored, it stays so.
    """
    try:
        import signal

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # which ends an import in a traceback
            signal.signal(signal.SIGINT, signal.SIG_DFL)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    from scrollcast.cli import main

    try:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        status = main()
    except KeyboardInterrupt:  # before the command line was read
        status = INTERRUPTED
    finally:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(status)


if __name__ == "__main__":
    run()

#!/usr/bin/env python
"""Quorum's command line: `manage.py help` lists the commands."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        # Django is loaded in there, since that takes long enough to be interrupted, too.
        run(sys.argv)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read what is printed has read enough; Python would complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if "--traceback" in sys.argv:
            raise
        told = " ".join(str(error).split())
        sys.exit(f"It stopped unexpectedly: {type(error).__name__}: {told} (--traceback shows where)")


def run(arguments: list[str]) -> None:
    if arguments[1:] in ([], ["help"], ["--help"], ["-h"]):
        from studies.management.guide import overview

        print("\n".join(overview()))
        return

    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(arguments)
    except ImproperlyConfigured as error:
        sys.exit(f"A setting is wrong: {error}")


if __name__ == "__main__":
    main()

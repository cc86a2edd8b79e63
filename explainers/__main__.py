"""The methods on the command line: `python -m explainers lime photo.png out.png --classifier resnet18`."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    try:
        # Here, since an interruption while it is loaded ends with one line, too.
        from .command_line import main

        status = main()
    except KeyboardInterrupt:
        print("explainers: interrupted", file=sys.stderr)
        status = 130
    sys.exit(status)

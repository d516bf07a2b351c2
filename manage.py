#!/usr/bin/env python
"""The command line: `manage.py help` lists the commands, `manage.py demo` starts everything."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "debtreg.settings")
    if sys.argv[1:2] in (["demo"], ["run"]):
        # Settings stop without a secret key: on one machine it is made before they are read.
        from debtreg import local

        local.prepare()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()

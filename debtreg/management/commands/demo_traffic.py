"""The demo company's traffic, going on."""

import time
from typing import Any

from django.core.management.base import BaseCommand

from debtreg.actions import demo

EVERY_SECONDS = 60


class Command(BaseCommand):
    help = """Go on reading the SLOs of the demo company until stopped; `manage.py demo` runs it.

    Example: manage.py demo_traffic"""

    def handle(self, *args: Any, **options: Any) -> None:
        while True:
            demo.read_on()
            time.sleep(EVERY_SECONDS)

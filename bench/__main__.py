"""`make bench`, or `python -m bench [TABLE ...] [--quick]`: see --help."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

from bench import (
    budgets,
    bulk_post,
    database,
    imports,
    orm,
    planning,
    ranking,
    scenarios,
    scoring,
    uncertainty,
)

TABLES = {
    "scoring": scoring,
    "orm": orm,
    "ranking": ranking,
    "bulk": bulk_post,
    "import": imports,
    "scenarios": scenarios,
    "planning": planning,
    "uncertainty": uncertainty,
    "budgets": budgets,
}
SIZES = [10_000, 100_000, 1_000_000]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure the product beside the floor or the plain way, on a private"
        " PostgreSQL that is set up as for real use. Prints tables and writes JSON.",
        epilog="Example: make bench ARGS='scoring --quick'",
    )
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(TABLES)}; all")
    parser.add_argument("--quick", action="store_true", help="only the smallest portfolio")
    parser.add_argument("--json", type=Path, help="where to write the figures (var/bench.json)")
    options = parser.parse_args()
    if unknown := set(options.tables) - set(TABLES):
        parser.error(f"no table is called {', '.join(sorted(unknown))}")

    sizes = SIZES[:1] if options.quick else SIZES
    path = options.json or Path(os.environ.get("VAR_DIR", "var")) / "bench.json"
    start = time.perf_counter()
    with database.server() as server:
        about = {
            "machine": f"{platform.machine()}, {os.cpu_count()} processors",
            "python": platform.python_version(),
            "load": [round(load, 1) for load in os.getloadavg()],
            "postgresql": server.settings(),
            "started": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        print_lines(*(f"{name}: {_text(value)}" for name, value in about.items()))
        figures = {}
        for name in options.tables or TABLES:
            module = TABLES[name]
            figures[name] = module.measure(server, sizes)
            print_lines("", f"{name}: {module.TITLE}", module.NOTE)
            module.show(figures[name]).print()
        about["seconds"] = round(time.perf_counter() - start)
        about["load_at_end"] = [round(load, 1) for load in os.getloadavg()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"about": about, "figures": figures}, indent=1) + "\n")
    print_lines(f"{about['seconds']} s; every figure is in {path}. ! marks what missed its target.")
    return 0


def print_lines(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {text}" for name, text in value.items())
    return str(value)


if __name__ == "__main__":
    raise SystemExit(main())

"""Table `uncertainty`: a scoring run with percentiles beside one without, and plain Monte Carlo."""

from __future__ import annotations

import time
from typing import Any

from bench import child
from bench.database import Server
from bench.report import Table, best, ratio
from bench.scoring import LARGE

TITLE = "A first scoring run with uncertainty beside one without"
NOTE = (
    "draws: 1,000 PERT draws of every input of 10,000 such items with numpy, all at once for each"
    " input. Best of the repeats, which alternate."
)
DRAWS, DRAWN = 1_000, 10_000
TARGET = 2.0


def measure(server: Server, sizes: list[int]) -> dict[str, Any]:
    found = {}
    for items in sizes:
        environment = server.portfolio(items)
        one: dict[str, Any] = {"with": [], "without": []}
        for _ in range(2):
            for name in ("with", "without"):
                answer = child.call("bench.uncertainty:run", environment, certain=name == "without")
                one[name].append(answer)
        found[str(items)] = one
    found["draws"] = child.call("bench.uncertainty:draws", server.portfolio(sizes[0]))
    return found


def show(result: dict[str, Any]) -> Table:
    table = Table("items x 3", "with s", "without s", "ratio", "at most")
    for size, found in result.items():
        if size == "draws":
            continue
        with_it, without = best(found["with"])["s"], best(found["without"])["s"]
        table.row(
            *(f"{int(size):,}", f"{with_it:.2f}", f"{without:.2f}"),
            # What a process does for the first time is most of it where there are few items.
            ratio(with_it, without, TARGET if int(size) == LARGE else None),
            str(TARGET) if int(size) == LARGE else "",
        )
    drawn = result["draws"]
    table.row(f"{DRAWN:,} by draws", f"{drawn['s']:.2f}", f"ours {drawn['ours']:.2f}", "", "")
    return table


# --- In child processes ---------------------------------------------------------------------------


def run(*, certain: bool) -> dict[str, Any]:
    from bench import scoring
    from debtreg import frames

    if certain:
        frames._uncertainty = lambda *_: float("nan")  # type: ignore[assignment]
    return scoring.run(reset=True)


def draws() -> dict[str, Any]:
    """The same percentiles of as many items by drawing, and by scoring alone."""
    import numpy as np

    import scoring
    from debtreg import frames

    chunk = next(frames.chunks())
    items, impacts = (part.frame() for part in chunk.fetched)
    items = items.head(DRAWN).copy()
    impacts = impacts[impacts["item_id"].isin(items["item_id"])].reset_index(drop=True)
    frames.complete(items, impacts, chunk.catalog)
    scores, detail = frames.score_frames(items, impacts, chunk.catalog)
    start = time.perf_counter()
    scoring.add_uncertainty(items, scores, detail, chunk.catalog.policy)
    ours = time.perf_counter() - start

    rng = np.random.default_rng(3)

    def drawn(rows: Any, stem: str) -> Any:
        low, likely, high = (rows[f"{stem}_{point}"].to_numpy() for point in scoring.POINTS)
        span = np.where(high > low, high - low, 1.0)
        lean = np.where(high > low, (likely - low) / span, 0.5)
        value = rng.beta(1 + 4 * lean, 5 - 4 * lean, (DRAWS, len(low)))
        return np.where(high > low, low + span * value, likely)

    start = time.perf_counter()
    part = detail["weight"].to_numpy() * detail["effectiveness"].to_numpy()
    benefit = np.ones((DRAWS, len(detail))) * part
    for stem in scoring.FACTORS:
        benefit *= drawn(detail, stem)
    benefit[:, detail["cost"].isna().to_numpy()] = 0.0
    row = detail["item_row"].to_numpy()
    order = np.argsort(row, kind="stable")
    starts = np.flatnonzero(np.diff(row[order], prepend=-1))
    total = np.add.reduceat(benefit[:, order], starts, axis=1)
    cost = drawn(items, "effort") * drawn(items, "day_rate") + items["cash"].to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        roi = total / cost[:, row[order][starts]]
    np.percentile(roi[:, np.isfinite(roi).all(axis=0)], [5, 50, 95], axis=0)
    return {"s": time.perf_counter() - start, "ours": ours}

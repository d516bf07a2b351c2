"""Table `import`: a ledger of 100,000 rows, from the file to scored debts."""

from __future__ import annotations

import datetime
import random
import time
from pathlib import Path
from typing import Any

from bench import child
from bench.database import Server
from bench.report import Table, best, ratio

TITLE = "Import of a workbook: preview, then commit, as the worker does them"
NOTE = "floor: reading all cells of the same workbook with calamine. Best of the repeats."
HEADS = (
    *("编号", "债务名称", "所属系统", "团队", "债务类型", "优先级", "影响描述", "SLA指标"),
    *(
        "工作量（人天）",
        "年化成本（元）",
        "负责人",
        "提出日期",
        "计划完成",
        "状态",
        "偿还方案",
        "备注",
    ),
)


def measure(server: Server, sizes: list[int]) -> dict[str, Any]:
    return {str(rows): _measure(server, rows) for rows in sizes if rows <= 100_000}


def _measure(server: Server, rows: int) -> dict[str, Any]:
    path = _workbook(rows)
    found: dict[str, list[dict[str, Any]]] = {"floor": [], "preview": [], "commit": []}
    for number in range(2):
        environment = server.empty(f"ledger_{rows}_{number}")
        child.call("bench.imports:catalog", environment)
        found["floor"].append(child.call("bench.imports:floor", environment, path=str(path)))
        for step in ("preview", "commit"):
            found[step].append(
                child.call("bench.imports:step", environment, path=str(path), name=step)
            )
    return found


def _workbook(rows: int) -> Path:
    """Written once, and kept."""
    import xlsxwriter

    path = child.ROOT / "var" / f"bench-ledger-{rows}.xlsx"
    if path.exists():
        return path
    path.parent.mkdir(exist_ok=True)
    draw = random.Random(rows)
    with xlsxwriter.Workbook(path, {"constant_memory": True, "in_memory": False}) as book:
        sheet = book.add_worksheet("债务台账")
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        sheet.write_row(0, 0, HEADS)
        for row in range(1, rows + 1):
            started = datetime.date(2023, 1, 1) + datetime.timedelta(draw.randrange(1200))
            effort = draw.choice([3, 5, 8, 0.5, "3-5人天", "4h", "待评估", ""])
            cost = draw.choice(["", "", 12000, 5200.5, "1.8万", "1-3万"])
            cells = [
                *(f"TD-{row:06}", f"第 {row} 项:重试没有退避", f"service-{draw.randrange(200)}"),
                *(
                    f"Team {draw.randrange(12)}",
                    draw.choice(["可观测性", "测试", "稳定性", "安全"]),
                ),
                *(draw.choice(["高", "中", "低"]), "联调阶段才发现不兼容", ""),
                *(effort, cost, f"工程师 {draw.randrange(300)}", started, ""),
                *(
                    draw.choice(["待处理", "进行中", "已完成"]),
                    "引入消费者驱动契约",
                    "架构评审提出",
                ),
            ]
            for column, cell in enumerate(cells):
                if isinstance(cell, datetime.date):
                    sheet.write_datetime(
                        row, column, datetime.datetime.combine(cell, datetime.time()), day
                    )
                elif cell != "":
                    sheet.write(row, column, cell)
    return path


def show(result: dict[str, Any]) -> Table:
    table = Table("rows", "step", "s", "rows/s", "floor s", "ratio", "at most", "peak MB")
    for size, found in result.items():
        floor = best(found["floor"])
        table.row(f"{int(size):,}", "reading", *[""] * 5, str(floor["peak_mb"]))
        total = 0.0
        for step in ("preview", "commit"):
            one = best(found[step])
            total += one["s"]
            table.row(
                *("", step, f"{one['s']:.2f}", f"{int(size) / one['s']:,.0f}"),
                *(f"{floor['s']:.2f}", ratio(one["s"], floor["s"]), "", str(one["peak_mb"])),
            )
        table.row(
            *("", "both", f"{total:.2f}", f"{int(size) / total:,.0f}", f"{floor['s']:.2f}"),
            *(ratio(total, floor["s"], 4), "4", ""),
        )
    return table


# --- In child processes ---------------------------------------------------------------------------


def catalog() -> None:
    from bench import portfolio

    portfolio.catalog()


def floor(*, path: str) -> dict[str, Any]:
    from python_calamine import CalamineWorkbook

    start = time.perf_counter()
    book = CalamineWorkbook.from_path(path)
    cells = sum(len(row) for row in book.get_sheet_by_name(book.sheet_names[0]).to_python())
    return {"s": time.perf_counter() - start, "cells": cells}


def step(*, path: str, name: str) -> dict[str, Any]:
    from debtreg.actions import imports
    from debtreg.models import JobState, LedgerImport

    start = time.perf_counter()
    if name == "preview":
        with Path(path).open("rb") as file:
            job = imports.start(file=file, filename="ledger.xlsx", source="bench", by=None)
    else:
        job = imports.commit(import_id=LedgerImport.objects.latest("pk").pk, by=None)
    imports.run(job.pk, "bench")
    seconds = time.perf_counter() - start
    job.refresh_from_db()
    if job.state != JobState.DONE or job.refusal:
        raise SystemExit(f"The import failed: {job.error} {job.hint}")
    return {"s": seconds, "summary": {k: job.summary.get(k) for k in ("imported", "created")}}

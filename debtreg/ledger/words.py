"""The words that ledgers use, English and Chinese, in the form that `plain` brings text into."""

import re
import unicodedata
from collections.abc import Iterable, Mapping


def plain(text: str) -> str:
    """Text as words are compared: NFKC, lower case, single spaces, straight apostrophes."""
    folded = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return " ".join(folded.split())


def _lists(**words: str) -> dict[str, tuple[str, ...]]:
    return {name: tuple(word.strip() for word in text.split("|")) for name, text in words.items()}


def meanings(lists: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Word -> the name of the list that it is in."""
    return {word: name for name, words in lists.items() for word in words}


def any_of(words: Iterable[str]) -> str:
    """A regular expression for one of the words, the longest first; space and hyphen are alike."""
    longest_first = sorted(words, key=len, reverse=True)
    return "(?:" + "|".join(re.sub(r"\\[ -]", "[ -]", re.escape(w)) for w in longest_first) + ")"


HEADERS = _lists(
    id="""
        id | no | # | key | ref | td id | debt id | ticket | issue | 编号 | 序号 | 债务编号 |
        单号 | 工单号
    """,
    title="""
        title | name | item | summary | debt | issue description | problem | 标题 | 名称 |
        债务名称 | 债项 | 技术债 | 问题 | 事项 | 主题
    """,
    description="""
        description | details | current state | cause | root cause | background | notes | 描述 |
        问题描述 | 说明 | 详情 | 现状 | 当前表现 | 原因 | 背景 | 备注
    """,
    service="""
        service | system | application | component | module | domain | location | scope | 服务 |
        系统 | 应用 | 模块 | 组件 | 所属系统 | 层级 | 领域 | 影响范围 | 所在位置
    """,
    type="type | category | classification | tag | 类型 | 分类 | 债务类型 | 类别 | 标签",
    priority="""
        priority | severity | risk | rank | urgency | level | rating | 优先级 | 严重程度 |
        严重级别 | 等级 | 紧急程度 | 风险等级 | 重要性
    """,
    impact="""
        impact | consequence | business impact | risk description | 影响 | 影响描述 | 业务影响 |
        后果 | 风险 | 若不处理的风险
    """,
    sla="""
        sla | slo | latency target | p99 | error budget | dimension | sla指标 | 时延目标 |
        延迟指标 | 响应时间 | 可用性 | 错误率 | 指标维度
    """,
    effort="""
        effort | estimate | estimated effort | size | remediation effort | principal |
        cost to fix | story points | man days | person days | hours | 工作量 | 预估工时 | 工时 |
        预计人天 | 人天 | 人日 | 修复成本 | 估时 | 故事点 | 规模
    """,
    annual_cost="""
        interest | annual interest | annual cost | cost of delay | ale | loss | 年化成本 |
        年度损失 | 利息 | 延迟成本 | 损失金额 | 年化损失
    """,
    probability="""
        probability | likelihood | frequency | aro | 概率 | 可能性 | 发生频率 | 年发生次数
    """,
    owner="owner | assignee | responsible | dri | 负责人 | 责任人 | 处理人 | 跟进人",
    team="team | squad | 团队 | 小组 | 部门 | 归属",
    status="status | state | progress | decision | 状态 | 进展 | 进度 | 处理状态 | 判定",
    created="""
        created | date | date identified | opened | 日期 | 提出日期 | 登记时间 | 发现日期 |
        发现时间
    """,
    due="due | due date | ddl | eta | expires | 截止日期 | 计划完成 | 期限 | 到期",
    closed="closed | resolved | 完成日期 | 解决时间",
    plan="""
        solution | plan | remediation plan | suggested fix | next action | exit condition |
        解决方案 | 处理 | 处理措施 | 偿还方案 | 整改措施 | 建议方案 | 下一步 | 退出条件 |
        验收标准
    """,
    depends_on="""
        depends on | blocked by | related | prerequisite | linked | 依赖 | 前置 | 前置条件 |
        关联 | 关联债务 | 阻塞项
    """,
)
# Headers that may mean either field; only a person knows.
AMBIGUOUS_HEADERS = _lists(area="service | type", target="sla | due")
# Below a header of effort or annual cost in a two-row header.
POINTS = _lists(
    low="low | min | best | 乐观 | 最小 | 最低",
    likely="likely | most likely | mode | 最可能",
    high="high | max | worst | 悲观 | 最大 | 最高",
)
HEADER_UNITS = {
    "人天": "人天",
    "人日": "人日",
    "预计人天": "人天",
    "man days": "d",
    "person days": "d",
    "hours": "h",
    "story points": "sp",
    "故事点": "sp",
}

PRIORITIES = _lists(
    P0="p0 | 紧急 | 致命 | blocker | critical | 高危",
    P1="p1 | 高 | high | major | 严重",
    P2="p2 | 中 | medium | 一般 | normal",
    P3="p3 | 低 | low | minor | 轻微 | 可选",
)
STATUSES = _lists(
    open="open | todo | to do | 待处理 | 未开始 | 🔴",
    doing="doing | in progress | 处理中 | 进行中 | 🟡",
    done="done | closed | fixed | 已完成 | 已修复 | ✅",
    accepted="accepted | 已豁免 | 挂起 | 暂缓 | won't fix",
)
# Alone it may also mean accepted.
AMBIGUOUS_STATUS = "🟡"

UNKNOWN = frozenset(
    _lists(
        all="""
        tbd | tba | n/a | na | ? | - | – | — | / | unknown |
        未知 | 待定 | 待评估 | 待测算 | 无数据
        """
    )["all"]
)
# In a list of dependencies these say that there are none.
NOTHING = UNKNOWN | {"无", "没有", "none", "nil"}
TOTALS = frozenset(("合计", "总计", "小计", "total", "subtotal", "sum"))
DUPLICATE_MARKS = ("(重复)", "(副本)", "(duplicate)", "(copy)")
LIST_SEPARATORS = re.compile(r"[、,;/\n]")
LONGEST_LIST = 100  # services or ids in one cell

# Around a number.
APPROXIMATE = ("~", "≈", "约", "大约", "左右", "about", "approx", "circa")
AT_LEAST = (">", ">=", "≥", "+", "以上", "至少", "at least", "or more")
AT_MOST = ("<", "<=", "≤", "以内", "以下", "不超过", "up to", "or less")
RANGE = r"(?:——|[-‐‒–—―−~〜至到]|\bto\b|\.{2,3})"

HOURS_A_DAY, DAYS_A_WEEK, DAYS_A_MONTH = 8, 5, 20
# Person-days of one unit.
EFFORT_UNITS = {
    **dict.fromkeys(
        ("人天", "人日", "工作日", "天", "pd", "d", "day", "days", "person-days", "man-days"), 1.0
    ),
    **dict.fromkeys(("人周", "周", "w", "week", "weeks"), float(DAYS_A_WEEK)),
    **dict.fromkeys(("人月", "月", "month", "months"), float(DAYS_A_MONTH)),
    **dict.fromkeys(("小时", "人时", "h", "hour", "hours"), 1 / HOURS_A_DAY),
}
# Story points and T-shirt sizes: what they are worth only the team can say.
UNSIZED_UNITS = ("sp", "story points", "points", "故事点", "xs", "s", "m", "l", "xl", "t-shirt")

MULTIPLIERS = {
    "千": 1e3,
    "k": 1e3,
    "万": 1e4,
    "w": 1e4,
    "百万": 1e6,
    "千万": 1e7,
    "亿": 1e8,
}
CURRENCIES = _lists(
    CNY="cny | rmb | 人民币 | 元 | ¥ | ￥",
    USD="usd | us$ | $ | 美元",
    EUR="eur | € | 欧元",
    CHF="chf",
    GBP="gbp | £",
)
PERIODS = _lists(
    year="/年 | 每年 | /year | per year | /y",
    quarter="/季度 | /季 | 每季度 | 每季 | /quarter | per quarter",
    month="/月 | 每月 | /month | per month",
    week="/周 | 每周 | /week | per week",
)
TIMES_A_YEAR = {"year": 1, "quarter": 4, "month": 12, "week": 52}

# What Excel writes into a cell whose formula failed.
ERROR_VALUES = frozenset(
    _lists(
        all="""
        #REF! | #N/A | #VALUE! | #DIV/0! | #NAME? | #NULL! | #NUM! | #SPILL! | #CALC! | #FIELD! |
        #BLOCKED! | #UNKNOWN! | #CONNECT! | #BUSY! | #GETTING_DATA
        """
    )["all"]
)

# What a field's text is, for sentences.
FIELD_NAMES = {
    "effort": "an effort",
    "annual_cost": "an amount",
    "created": "a date",
    "due": "a date",
    "closed": "a date",
    "priority": "a priority",
    "status": "a status",
    "team": "a team of the catalog",
    "depends_on": "a list of ids",
}

# Every warning: what was done with the cell, and what a person may do. `text` is the cell.
WARNINGS = {
    "unreadable": "“{text}” cannot be read as {field}, so the value is unknown; the text is kept. "
    "Correct the cell or enter the value by hand.",
    "approximate": "“{text}” is a rough estimate: low, likely and high are all the same. Widen it "
    "to the range that you would bet on.",
    "open_range": "“{text}” gives one end only; what is not given stays unknown. Add what is "
    "missing.",
    "range_reversed": "“{text}” runs from high to low and was read from low to high. Check it.",
    "unit_assumed": "“{text}” has no unit and its header has none: read as person-days. Write the "
    "unit into the header, as in “Effort (h)”, if it is another.",
    "unit_unmapped": "“{text}” has no fixed number of person-days, so the effort is unknown; the "
    "text is kept. Say how many days one is for this team, or estimate in days.",
    "not_positive": "An effort of “{text}” is not more than 0, so it is unknown. Estimate it.",
    "negative": "“{text}” is an annual cost below 0 and was kept so. Check the sign.",
    "annualised": "“{text}” is per month, quarter or week and was multiplied to a year.",
    "foreign_currency": "“{text}” is not in the ledger's currency. Amount and currency are kept, "
    "nothing is converted; enter it in the ledger's currency to have it counted.",
    "number_format_mixed": "The separator in “{text}” does not fit this file's other numbers and "
    "was read as a decimal mark. Check the value.",
    "merged_amount": "“{text}” is merged over several rows: it went to the first, the others stay "
    "unknown. Divide it among them.",
    "formula_without_value": "The file holds no result for the formula “{text}”, so the value is "
    "unknown. Open it in a spreadsheet program, save it, and import it again.",
    "error_value": "The cell shows {text}, so the value is unknown. Mend the formula.",
    "formula_text": "“{text}” starts like a formula. It is kept as text, never run, and made "
    "harmless in exports.",
    "control_chars_removed": "Control characters were taken out of “{text}”.",
    "date_without_year": "“{text}” has no year, so the date is unknown. Add the year.",
    "date_is_period": "“{text}” is a period: its first day was taken for a start, its last for an "
    "end.",
    "date_ambiguous": "“{text}” may be two different days, so the date is unknown. Write it as "
    "year-month-day.",
    "status_missing": "There is no status, so the debt counts as open. Set one if it is not.",
    "status_ambiguous": "“{text}” alone may also mean accepted; it was read as in progress. Check "
    "it.",
    "service_missing": "No service is named. Choose one, so that the debt can be priced.",
    "service_unknown": "“{text}” is no service, name or alias of the catalog. The text is kept and "
    "no service linked; add the alias or choose the service.",
    "service_multiple": "“{text}” names several services: the first counts, the others are kept "
    "beside it. Split the debt if each has its own cost.",
    "dependency_unknown": "“{text}” is no id in this sheet, so there is no link. Correct the id.",
    "dependency_self": "The row names itself (“{text}”) as its own condition; that link was left "
    "out.",
    "dependency_cycle": "“{text}” closes a circle: these rows wait for each other. The links are "
    "kept; decide which comes first.",
    "dependency_ambiguous": "“{text}” is the id of several rows, so the link was left out. Give "
    "each row its own id.",
    "id_missing": "The row has no id, so sheet, title and service tell it apart. Give it an id.",
    "duplicate_id": "An earlier row has the id “{text}” too. Both came in; give each its own.",
    "duplicate_candidate": "“{text}” may be an earlier row again. Both came in; merge them if so.",
    "title_missing": "The row has content but no title, so it waits. Give it a title.",
    "title_too_long": "The title has over 200 characters: shortened for display, kept in full.",
    "row_ragged": "The line has {text}. Check its separators and quotation marks.",
    "row_hidden": "The row is hidden or filtered away in the sheet. It came in all the same.",
    "column_unmapped": "No field is known for the column “{text}”. Its values are kept with the "
    "rows; choose a field if there is one.",
    "header_duplicate": "The field of the column “{text}” is taken by an earlier column, which "
    "counts. The values of this one are kept with the rows.",
    "header_ambiguous": "“{text}” may mean {field}. Choose; until then its values are kept "
    "with the rows.",
    "sheet_hidden": "The sheet “{text}” is hidden. It comes in only when it is chosen.",
    "sheet_without_title": "The sheet “{text}” has no header row with a title column, so it is no "
    "ledger.",
}
SKIP_REASONS = {
    "total": "a sum line",
    "note": "a heading or footnote",
    "repeated_header": "the header again",
}
REFUSALS = {
    "empty_file": "no content",
    "no_rows": "a header and nothing below it",
    "not_a_ledger": "no title column anywhere",
    "wrong_format": "the content is not what the name says",
    "corrupt_file": "cannot be opened",
    "unpacks_too_big": "too big once unpacked",
    "too_many_rows": "over the row limit",
}

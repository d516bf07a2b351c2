"""A company of any size, made by the database itself: the same rows every time.

12 teams, 200 services, prices for most of them. Each item has three impacts; about 12 % of them
have no estimate, 8 % no price, 5 % are resolved, and 2 % return more than the threshold.
"""

from datetime import timedelta

from django.db import connection, transaction
from django.utils import timezone

from debtreg import terms
from debtreg.models import (
    Contract,
    DebtImpact,
    DebtItem,
    Guarantee,
    Iteration,
    Price,
    Service,
    Team,
    Terms,
)

ITEMS = DebtItem._meta.db_table
IMPACTS = DebtImpact._meta.db_table
IMPACTS_EACH = 3

FILL_ITEMS = f"""
INSERT INTO {ITEMS} (
    id, title, description, category, service_id, team_id, status,
    effort_low, effort_likely, effort_high, effort_unit, cash, confidence,
    owner, tags, plan, stated_priority, created_on, external_ref, ledger_id,
    pinned, veto_reason, accept_reason, revision, created_at, updated_at)
SELECT n,
    (ARRAY['Retries without back-off', 'No timeout towards the provider', 'Query without an index',
           'Secret in a file', 'Manual release', 'Two writers of one table', 'Untested fallback',
           'Cache without a limit'])[1 + floor(8 * a)::int] || ' in module ' || n,
    repeat('What was taken as a short cut then, and what it does today. ', 1 + floor(3 * b)::int),
    (ARRAY['reliability', 'performance', 'security', 'tests', 'build'])[1 + floor(5 * c)::int],
    CASE WHEN d < 0.98 THEN 1 + floor(200 * e)::int END,
    CASE WHEN d < 0.98 THEN 1 + floor(200 * e)::int %% 12 END,
    CASE WHEN f < 0.90 THEN 'open' WHEN f < 0.93 THEN 'doing' WHEN f < 0.95 THEN 'accepted'
         ELSE 'done' END,
    CASE WHEN g < 0.58 THEN effort * 0.6 WHEN g < 0.88 THEN effort END,
    CASE WHEN g < 0.88 THEN effort END,
    CASE WHEN g < 0.58 THEN effort * 2 WHEN g < 0.88 THEN effort END,
    CASE WHEN h < 0.88 THEN 'person_day' WHEN h < 0.96 THEN 'hour' ELSE 'story_point' END,
    CASE WHEN i < 0.05 THEN round((2000 * j)::numeric, 2) ELSE 0 END,
    CASE WHEN j < 0.4 THEN '' WHEN j < 0.6 THEN 'high' WHEN j < 0.85 THEN 'medium' ELSE 'low' END,
    'engineer ' || floor(300 * k)::int, '["bench"]',
    CASE WHEN k < 0.5 THEN '' ELSE 'Do what the runbook says, then remove the old way.' END,
    '', CURRENT_DATE - floor(900 * b)::int, 'BENCH-' || n, '',
    i > 0.999, CASE WHEN k > 0.995 THEN 'Not this quarter.' ELSE '' END, '', 1, now(), now()
FROM (
    SELECT n, random() a, random() b, random() c, random() d, random() e, random() f, random() g,
        random() h, random() i, random() j, random() k,
        round((0.5 * ceil(3.4 / power(0.02 + random(), 0.9)))::numeric, 1)::float8 AS effort
    FROM generate_series(1, %s) n
) drawn
"""

# Sizes follow a power law: most impacts cost little, a few very much.
FILL_IMPACTS = f"""
INSERT INTO {IMPACTS} (
    item_id, kind, frequency_low, frequency_likely, frequency_high, share_low, share_likely,
    share_high, magnitude_low, magnitude_likely, magnitude_high, unit_price_low, unit_price_likely,
    unit_price_high, currency, effectiveness, guarantee_id, grade, note, stated_on)
SELECT item_id, kind,
    CASE WHEN range THEN frequency * 0.7 ELSE frequency END, frequency,
    CASE WHEN range THEN frequency * 1.6 ELSE frequency END,
    CASE WHEN range THEN share * 0.5 ELSE share END, share,
    CASE WHEN range AND share > 0 THEN least(1, share * 1.5) ELSE share END,
    CASE WHEN range THEN magnitude * 0.8 ELSE magnitude END, magnitude,
    CASE WHEN range THEN magnitude * 1.5 ELSE magnitude END,
    unit_price, unit_price, unit_price,
    CASE WHEN d < 0.01 THEN 'USD' ELSE '' END,
    CASE WHEN d < 0.7 THEN 1 ELSE 0.9 END,
    CASE WHEN e < 0.1 AND kind IN ('latency', 'downtime', 'credits')
         THEN 1 + floor(1000 * e)::int END,
    CASE WHEN f < 0.2 THEN 'measured' WHEN f < 0.5 THEN 'inferred' ELSE 'estimated' END,
    CASE WHEN f < 0.3 THEN 'from the incident reviews of last year' ELSE '' END,
    current_date
FROM (
    SELECT item_id, kind, d, e, f, c < 0.55 AS range,
        CASE WHEN known AND kind NOT IN ('latency', 'stated') THEN
            round((size * CASE kind WHEN 'errors' THEN 400 WHEN 'downtime' THEN 0.5
                WHEN 'credits' THEN 0.5 WHEN 'compliance' THEN 0.1 ELSE 4 END)::numeric, 2)::float8
        END AS frequency,
        CASE WHEN known AND kind NOT IN ('toil', 'drag', 'stated') THEN
            round(least(0.9, 0.002 + 0.02 * size)::numeric, 4)::float8 END AS share,
        CASE WHEN known AND kind = 'latency' THEN round((4 * size)::numeric, 1)::float8
             WHEN known AND kind = 'downtime' THEN round((6 * size)::numeric, 1)::float8
        END AS magnitude,
        CASE WHEN kind = 'stated' AND known THEN round((900 * size)::numeric, 2)
             WHEN priced AND kind = 'errors' THEN 2.5
             WHEN priced AND kind = 'downtime' THEN 90
             WHEN priced AND kind IN ('toil', 'drag') THEN 180 END AS unit_price
    FROM (
        SELECT d.id AS item_id, c, random() d, random() e, random() f,
            power(0.0005 + random(), -0.55) AS size,
            -- Of some items nobody knows what they do, of some impacts neither.
            d.id %% 17 <> 0 AND random() < 0.93 AS known,
            random() < 0.12 AS priced,
            CASE WHEN b < 0.25 THEN 'latency' WHEN b < 0.40 THEN 'errors'
                 WHEN b < 0.55 THEN 'downtime' WHEN b < 0.60 THEN 'credits'
                 WHEN b < 0.70 THEN 'compliance' WHEN b < 0.86 THEN 'toil'
                 WHEN b < 0.97 THEN 'drag' ELSE 'stated' END AS kind
        FROM {ITEMS} d
        CROSS JOIN LATERAL (
            SELECT random() b, random() c FROM generate_series(1, {IMPACTS_EACH}) WHERE d.id > 0
        ) draws
        ORDER BY d.id
    ) drawn
) made
"""


def make(items: int) -> None:
    """Fill an empty, migrated database."""
    with transaction.atomic():
        catalog()
        with connection.cursor() as cursor:
            # Foreign keys hold by construction; checking them takes longer than making the rows.
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("SET LOCAL work_mem = '256MB'")
            cursor.execute("SET LOCAL maintenance_work_mem = '256MB'")
            cursor.execute("SELECT setseed(0.42)")
            cursor.execute(
                "SELECT indexdef FROM pg_indexes WHERE indexname = 'debtitem_title_trigrams'"
            )
            later = [row[0] for row in cursor.fetchall()]
            cursor.execute("DROP INDEX IF EXISTS debtitem_title_trigrams")
            cursor.execute(FILL_ITEMS, [items])
            cursor.execute(FILL_IMPACTS, [])
            for statement in later:
                cursor.execute(statement)
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [ITEMS, items])
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE, FREEZE)")
        cursor.execute("CHECKPOINT")


def catalog() -> None:
    """Teams, services, prices, guarantees, iterations."""
    teams = Team.objects.bulk_create(
        Team(
            slug=f"team-{n}",
            name=f"Team {n}",
            day_rate=1400 + 100 * n if n % 3 == 0 else None,
            days_per_point=0.5 if n % 2 else None,
        )
        for n in range(1, 13)
    )
    services = Service.objects.bulk_create(
        Service(
            slug=f"service-{n}",
            name=f"Service {n}",
            team=teams[n % 12],
            requests_per_year=None if n % 20 == 0 else 1e6 * (1 + n * n % 97),
        )
        for n in range(200)
    )
    for kind, low, likely, high in (
        ("day_rate", 1600, 1600, 1600),
        ("toil", 200, 200, 200),
        ("drag", 200, 200, 200),
        ("compliance", 20000, 40000, 90000),
    ):
        Price.objects.create(kind=kind, low=low, likely=likely, high=high)
    Price.objects.bulk_create(
        Price(service=service, kind=kind, low=price * 0.5, likely=price, high=price * 2)
        for n, service in enumerate(services)
        if n % 12
        for kind, price in (
            ("latency", 1e-6 * (1 + n % 9)),
            ("errors", 0.5 + n % 7),
            ("downtime", 40 + n % 90),
            *([("credits", 20_000)] if n % 3 == 0 else []),
        )
    )
    contracts = Contract.objects.bulk_create(Contract(reference=f"SLA-{n}") for n in range(25))
    guarantees = Guarantee.objects.bulk_create(
        Guarantee(
            contract=contracts[n % 25],
            provider=services[n],
            scope_text=f"* → service-{n}",
            metric="p99_response_time",
            weight=1 + n % 4 / 2,
        )
        for n in range(100)
    )
    written = {"target_text": "≤300ms"}
    Terms.objects.bulk_create(
        Terms(
            guarantee=guarantee,
            version=1,
            confirmed_at=timezone.now(),
            **written,
            **terms.read(guarantee.metric, written),
        )
        for guarantee in guarantees
    )
    monday = timezone.localdate() - timedelta(days=timezone.localdate().weekday())
    Iteration.objects.bulk_create(
        Iteration(
            team=team,
            name=f"Sprint {n + 1}",
            starts_on=monday + timedelta(days=14 * n),
            ends_on=monday + timedelta(days=14 * n + 13),
            capacity_days=40,
        )
        for team in teams
        for n in range(6)
    )

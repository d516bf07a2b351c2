"""The settings, and the only reader of the environment. `.env.example` describes each variable."""

import re
import zoneinfo
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from babel.numbers import is_currency
from csp.constants import NONE, SELF

from debtreg import cpus, local, logs
from debtreg.env import Env

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env()

# Everything that the product writes on disk: the embedded database, sockets, uploads.
VAR_DIR = env.folder("VAR_DIR", BASE_DIR / "var")
# What `make demo` noted for this checkout. The real environment goes before it.
env.read_env(VAR_DIR / "env")

# --- Web ------------------------------------------------------------------------------------------

# The address to listen on; 0.0.0.0 takes calls from other machines.
LISTEN = env.text("LISTEN", "127.0.0.1", pattern=r"[\w.:\[\]-]+", needs="an address")
PORT = env.whole("PORT", 8000, least=1, most=65535)
SECRET_KEY = env.secret("SECRET_KEY", least=50)
# Keys that were SECRET_KEY before: what they have signed stays valid.
SECRET_KEY_FALLBACKS = env.secrets("SECRET_KEY_FALLBACKS", least=50)
DEBUG = env.flag("DEBUG", False)
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS", [])
env.check(
    "CSRF_TRUSTED_ORIGINS",
    CSRF_TRUSTED_ORIGINS,
    lambda: all(re.match(r"https?://[^/]+$", origin) for origin in CSRF_TRUSTED_ORIGINS),
    "origins such as https://debt.example.com",
)
# True: a proxy in front speaks TLS and sets X-Forwarded-Proto. False: plain HTTP, for localhost.
HTTPS = env.flag("HTTPS", True)
# True: readings may be fetched from this machine itself, as in development. Whoever may add a
# connection could else reach what listens here for nobody outside, such as the broker.
LOOPBACK_CONNECTIONS = env.flag("LOOPBACK_CONNECTIONS", False)
# Processes and threads of the web server, processes of the worker.
WEB_PROCESSES = env.whole("WEB_PROCESSES", min(cpus.available(), 8), least=1, most=64)
WEB_THREADS = env.whole("WEB_THREADS", 8, least=1, most=128)
# Seconds that a request or a job in progress gets to end after SIGTERM.
STOP_GRACE_SECONDS = env.whole("STOP_GRACE_SECONDS", 25, least=1, most=3600)
# Where collectstatic put hashed files. Empty: files are served as they lie in the packages.
STATIC_ROOT = env.text("STATIC_ROOT", "") or None
# Who may read /metrics: bearers of this token; empty: whoever reaches the port.
METRICS_TOKEN = env.secret("METRICS_TOKEN", "", least=16)

ROOT_URLCONF = "debtreg.urls"
WSGI_APPLICATION = "debtreg.wsgi.application"
AUTH_USER_MODEL = "debtreg.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CSRF_FAILURE_VIEW = "debtreg.web.errors.csrf_failure"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "/"

INSTALLED_APPS = [
    "debtreg",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "django_htmx",
    "csp",
    "django_structlog",
    "django_prometheus",
]
MIDDLEWARE = [
    "debtreg.ops.Probes",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "debtreg.tracing.Middleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "debtreg.web.languages.Languages",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "debtreg.web.errors.Pages",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = STATIC_ROOT is None
WHITENOISE_ALLOW_ALL_ORIGINS = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if STATIC_ROOT
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# The largest file that a person may upload, in MiB.
UPLOAD_LIMIT_MB = env.whole("UPLOAD_LIMIT_MB", 50, least=1, most=2048)
# The largest body that is not a file, in bytes: a bulk call of 5,000 items takes 5 to 15 MB.
DATA_UPLOAD_MAX_MEMORY_SIZE = 32 * 1024 * 1024
# A scenario's form has five fields for each of its 200 members.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000

# --- Security -------------------------------------------------------------------------------------

SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 14 * 24 * 3600
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    },
}
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# --- Language, time, money ------------------------------------------------------------------------

# Logs, the API and what is stored are in the first; a page is in what its reader has chosen.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LANGUAGE_COOKIE_NAME = "language"
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.text("TIME_ZONE", "UTC")
env.check(
    "TIME_ZONE",
    TIME_ZONE,
    lambda: zoneinfo.ZoneInfo(TIME_ZONE),
    "a name of the tz database, such as Asia/Shanghai",
)
# The one currency of this installation, ISO 4217. Amounts are never converted.
CURRENCY = env.text("CURRENCY", "CNY")
env.check("CURRENCY", CURRENCY, lambda: is_currency(CURRENCY), "an ISO 4217 code such as CNY")
# How long after a repair its benefit is to be measured, in days.
OUTCOME_DUE_DAYS = env.whole("OUTCOME_DUE_DAYS", 90, least=7, most=730)
# How long single readings of SLIs are kept, in days; what they add up to stays.
READINGS_KEPT_DAYS = env.whole("READINGS_KEPT_DAYS", 400, least=370, most=3660)

# --- Database -------------------------------------------------------------------------------------

DATABASES: dict[str, dict[str, Any]] = {
    "default": env.database("DATABASE_URL", f"sqlite:///{VAR_DIR / 'debtreg.sqlite3'}")
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # IMMEDIATE takes the write lock at BEGIN, where it can wait; a read that turns into a write
    # cannot, and fails with "database is locked". Write transactions must stay short.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;"
        "PRAGMA foreign_keys=ON;PRAGMA cache_size=-65536;",
    }
    DATABASES["default"]["TEST"] = {"NAME": VAR_DIR / "test.sqlite3"}
else:
    # One lasting connection per web thread and worker process; a pool brought nothing more.
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)

# --- Jobs and cache -------------------------------------------------------------------------------

BROKER_URL = env.text(
    "BROKER_URL",
    f"filesystem://{VAR_DIR / 'queue'}",
    pattern=r"(rediss?|redis\+socket|filesystem)://.+",
    needs="a URL of redis://, rediss://, redis+socket:// or filesystem://",
)
# A job whose worker has not been heard of for so long is taken over by the next, in seconds.
JOB_LEASE_SECONDS = env.whole("JOB_LEASE_SECONDS", 30, least=2, most=3600)
# How often lost jobs are looked for, in seconds.
SWEEP_SECONDS = env.whole("SWEEP_SECONDS", 5, least=1, most=3600)
# When the nightly scoring run starts, in TIME_ZONE.
NIGHTLY_AT = env.text(
    "NIGHTLY_AT", "02:30", pattern=r"([01]\d|2[0-3]):[0-5]\d", needs="a time from 00:00 to 23:59"
)
# How often readings are fetched and error budgets worked out, in seconds.
MEASURE_SECONDS = env.whole("MEASURE_SECONDS", 120, least=1, most=3600)
WORKER_PROCESSES = env.whole("WORKER_PROCESSES", cpus.available(), least=1, most=256)

_broker = urlsplit(BROKER_URL)
if _broker.scheme == "filesystem":
    _queue = Path(_broker.path or VAR_DIR / "queue")
    CELERY_BROKER_URL = "filesystem://"
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
        "data_folder_in": str(_queue),
        "data_folder_out": str(_queue),
        "control_folder": str(_queue / "control"),
    }
    env.make("BROKER_URL", _queue / "control")
    REDIS_URL = None
    CACHES: dict[str, dict[str, Any]] = {
        "default": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": VAR_DIR / "cache",
        }
    }
else:
    CELERY_BROKER_URL = BROKER_URL
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "visibility_timeout": 3600,
        "unacked_restore_throttle": 1,
        "socket_connect_timeout": 3,
    }
    REDIS_URL = local.client_url(BROKER_URL)
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
            "KEY_PREFIX": "debtreg",
            "OPTIONS": {"socket_connect_timeout": 3, "socket_timeout": 5},
        }
    }

CELERY_TIMEZONE = TIME_ZONE
# Jobs keep their state and progress in the database, so Celery keeps no results.
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TRACK_STARTED = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONCURRENCY = WORKER_PROCESSES
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = float(STOP_GRACE_SECONDS)
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A request that enqueues while the broker is away must not hang: the sweeper enqueues later.
CELERY_BROKER_CONNECTION_TIMEOUT = 3
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.1, "interval_max": 0.2}
CELERY_TASK_SOFT_TIME_LIMIT = 3600
CELERY_TASK_TIME_LIMIT = 3660
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "beat")

# --- REST API -------------------------------------------------------------------------------------

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "debtreg.api.auth.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["debtreg.api.parsers.JSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["debtreg.api.pages.Filters"],
    "DEFAULT_PAGINATION_CLASS": "debtreg.api.pages.KeysetPagination",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "debtreg.api.errors.handler",
    # OPTIONS would tell what the document tells better.
    "DEFAULT_METADATA_CLASS": None,
    # The media type is a matter of Accept alone; ?format= would be one more thing to document.
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "debtreg",
    "DESCRIPTION": "A technical-debt registry that prices debt and promotes what pays.\n\n"
    "Money and rates are texts of plain decimals, in the installation's currency. What is not "
    "known is null, never 0. A number may be sent as a number, as its text, or, where it is "
    "uncertain, as {low, likely, high}. Lists come in pages: follow `next`. Every error is "
    "{code, message, hint, fields}. A POST with an Idempotency-Key may be repeated safely.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    # What may be sent and what comes back differ: numbers come back as texts.
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "Step": "debtreg.models.STEP_CHOICES",
    }
    | {
        name: f"debtreg.models.{name}"
        for name in (
            *("Criticality", "DebtStatus", "EntryState", "Grade", "ImpactKind", "IterationState"),
            *("JobState", "OutcomeState", "Priority", "ReadingGrade", "ScoreState", "SourceFormat"),
        )
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "debtreg.api.schema.add_common",
    ],
}

# --- Logs -----------------------------------------------------------------------------------------

LOG_LEVEL = env.text(
    "LOG_LEVEL",
    "INFO",
    pattern="DEBUG|INFO|WARNING|ERROR|CRITICAL",
    needs="DEBUG, INFO, WARNING, ERROR or CRITICAL",
)
SERVICE_NAME = env.text("SERVICE_NAME", "debtreg")
LOGGING_CONFIG = "debtreg.logs.configure"
LOGGING = logs.settings(level=LOG_LEVEL, service_name=SERVICE_NAME)
DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = False

env.stop_if_wrong()

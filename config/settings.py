"""One settings file, from the environment. It works with nothing set; docs/settings.md lists every variable."""

import os
from pathlib import Path

import dj_database_url
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from config import env
from datasets_app.ingest.hub.remote import CDN_HOSTS, endpoint_here

BASE_DIR = Path(__file__).resolve().parent.parent
VAR = Path(env.text("TOKENYARD_VAR", str(BASE_DIR / "var"))).expanduser().resolve()
VAR.mkdir(parents=True, exist_ok=True)
STORAGE_ROOT = Path(env.text("TOKENYARD_STORAGE", str(VAR / "storage"))).expanduser().resolve()
SCRATCH_ROOT = Path(env.text("TOKENYARD_SCRATCH", str(VAR / "scratch"))).expanduser().resolve()
SCRATCH_ROOT.mkdir(parents=True, exist_ok=True)

DEBUG = env.flag("TOKENYARD_DEBUG")
SECRET_KEY = env.text("TOKENYARD_SECRET_KEY") or env.key_file(VAR / "secret.key")
HUB_TOKEN_KEYS = env.token_keys("TOKENYARD_TOKEN_KEY", VAR / "token.key")
ALLOWED_HOSTS = env.words("TOKENYARD_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("TOKENYARD_TRUSTED_ORIGINS")

HTTPS = env.flag("TOKENYARD_HTTPS")
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("TOKENYARD_BEHIND_PROXY") else None
# Also while debugging: its pages would show what was sent.
DEFAULT_EXCEPTION_REPORTER_FILTER = "datasets_app.reporting.SecretsFilter"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "tokenyard_session"
CSRF_COOKIE_NAME = "tokenyard_csrf"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}

INSTALLED_APPS = [
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "channels",
    "config",
    "csp",
    "django_htmx",
    "datasets_app",
    "tokenizations",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    # Around the static files too: a page full of running cards would be heavy otherwise.
    "django.middleware.gzip.GZipMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "datasets_app.accounts.SignInRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
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
                "datasets_app.page.page",
            ],
        },
    }
]


def database() -> dict[str, object]:
    url = env.text("DATABASE_URL")
    if not url:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": VAR / "tokenyard.sqlite3",
            "CONN_MAX_AGE": 0,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
            },
            # a file, so that threads and processes of a test share it
            "TEST": {"NAME": VAR / "test.sqlite3"},
        }
    settings: dict[str, object] = dict(dj_database_url.parse(url))
    if settings["ENGINE"] != "django.db.backends.postgresql":
        raise ImproperlyConfigured("DATABASE_URL has to be a PostgreSQL address (postgres://…), or unset for SQLite.")
    pool = {"min_size": 0, "max_size": env.number("TOKENYARD_DATABASE_POOL", 8), "timeout": 20}
    return {**settings, "CONN_MAX_AGE": 0, "OPTIONS": {"pool": pool}}


DATABASES = {"default": database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

EMBEDDED_REDIS = not env.text("REDIS_URL")
REDIS_URL = env.text("REDIS_URL") or env.embedded_redis_url(VAR)
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        # redis-py 8 ends every idle socket after 5 s otherwise
        "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": None}], "prefix": "tokenyard"},
    }
}

LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "datasets:list"
LOGOUT_REDIRECT_URL = "sign_in"
SIGN_IN_LINK_SECONDS = env.number("TOKENYARD_SIGN_IN_LINK_SECONDS", 24 * 3600)
PASSWORD_RESET_TIMEOUT = SIGN_IN_LINK_SECONDS
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
USE_THOUSAND_SEPARATOR = False

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 60

FILE_UPLOAD_TEMP_DIR = SCRATCH_ROOT
FILE_UPLOAD_HANDLERS = ["datasets_app.received.ReceivedFileHandler"]
DATA_UPLOAD_MAX_NUMBER_FILES = 1000
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 2**20
SOCKETS_PER_USER = env.number("TOKENYARD_SOCKETS_PER_USER", 200)
UPLOAD_LIMIT_BYTES = env.number("TOKENYARD_UPLOAD_LIMIT_GB", 50) * 10**9
UNPACKED_LIMIT_BYTES = env.number("TOKENYARD_UNPACKED_LIMIT_GB", 200) * 10**9
UPLOAD_QUOTA_BYTES = env.number("TOKENYARD_UPLOAD_QUOTA_GB", 200) * 10**9
UPLOAD_CHUNK_BYTES = 8 * 2**20
IMPORT_DIRS = env.folders("TOKENYARD_IMPORT_DIRS")
# The addresses that take more than a form's worth of bytes, and how much; only who is signed in may send that.
BODY_LIMITS = {
    "/datasets/add/": UPLOAD_LIMIT_BYTES + DATA_UPLOAD_MAX_MEMORY_SIZE,
    "/datasets/uploads/<uuid>/<number>/": UPLOAD_CHUNK_BYTES,
    "/tokenizers/add/": 210 * 10**6,
}

# Which Hub is asked is decided here alone, and read by its clients themselves; HF_HOME too.
HUB_ENDPOINT = env.address("HF_ENDPOINT", endpoint_here())
# Where it may redirect downloads to; by default where the real Hub does. The token never goes along.
HUB_HOSTS = env.host_patterns("TOKENYARD_HUB_HOSTS") or list(CDN_HOSTS)

BROKER = "config.broker.broker"
SLOTS = env.number("TOKENYARD_SLOTS", os.cpu_count() or 1)
IMPORT_SLOTS = env.number("TOKENYARD_IMPORT_SLOTS", 4)
CHILD_MEMORY_BYTES = env.number("TOKENYARD_CHILD_MEMORY_MB", 4096) * 2**20
REFERENCE_ROW_BYTES = env.number("TOKENYARD_REFERENCE_ROW_MB", 4) * 2**20
ERRORED_SHARE = env.share("TOKENYARD_ERRORED_SHARE", 0.001)
KEEPER_SECONDS = 3

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "class": "datasets_app.masking.Formatter",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.text("TOKENYARD_LOG_LEVEL", "INFO").upper()},
    "loggers": {
        # Without Django's own handlers, which mask nothing.
        "django": {"level": "INFO"},
        "django.server": {"level": "INFO", "propagate": True},
        "daphne": {"level": "WARNING"},
        "django.channels.server": {"level": "WARNING"},
        "dramatiq": {"level": "WARNING"},
    },
}

"""Every setting, read from the environment once; nothing else reads it.

With no variable set, everything lives in one data folder on one machine ("embedded").
DATABASE_URL, BROKER_URL, STORAGE_URL and CACHE_URL move the parts to services.
docs/reference/settings.md lists the variables.
"""

import hashlib
import os
from datetime import timedelta
from pathlib import Path

import dj_database_url
from django.templatetags.static import static
from django.urls import reverse_lazy

from studies.operations import logs

from .environment import Environment, kept_key, last_address, sqlite, storage
from .processors import processors, threads_of_a_worker

env = Environment(os.environ)
BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.text("DATA_DIR", str(BASE_DIR / "data"))).expanduser().resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True)

# --- Where things are kept --------------------------------------------------------------------------------------------
DATABASE_URL = env.text("DATABASE_URL")
BROKER_URL = env.text("BROKER_URL")
EMBEDDED = not (DATABASE_URL or BROKER_URL)

if DATABASE_URL and not DATABASE_URL.startswith("sqlite"):
    DATABASES = {"default": dj_database_url.parse(DATABASE_URL, conn_max_age=600, conn_health_checks=True)}
else:
    # In the form sqlite:////absolute/path.
    DATABASES = {"default": sqlite(Path(DATABASE_URL.removeprefix("sqlite:///") or DATA_DIR / "quorum.sqlite3"))}
DATABASES["default"]["ATOMIC_REQUESTS"] = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

if CACHE_URL := env.text("CACHE_URL"):
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": CACHE_URL}}
    # A cache is there to save time: nobody waits for one that is away.
    CACHES["default"]["OPTIONS"] = {"socket_connect_timeout": 1, "socket_timeout": 1}
else:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    # Of each participant there is a count of their requests.
    CACHES["default"]["OPTIONS"] = {"MAX_ENTRIES": 20_000}

# --- Security ---------------------------------------------------------------------------------------------------------
DEBUG = env.flag("DEBUG")
SECRET_KEY = env.secret_key(DATA_DIR, required=not EMBEDDED)
#: Of `manage.py serve`, which is where the site is unless SITE_URL says otherwise.
PORT = env.number("PORT", 8000)
OWN_SITE_URL = env.text("SITE_URL").rstrip("/")
SITE_URL = OWN_SITE_URL or last_address(DATA_DIR) or f"http://127.0.0.1:{PORT}"
DOCS_URL = env.text("DOCS_URL").rstrip("/")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
HTTPS = SITE_URL.startswith("https://")
CSRF_TRUSTED_ORIGINS = [SITE_URL] if HTTPS else []
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
if HTTPS:
    SECURE_SSL_REDIRECT = True
    # What looks after the server asks from beside it, without the proxy.
    SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$", "^metrics$"]
    SECURE_HSTS_SECONDS = 30 * 24 * 3600
# Whether all hosts beneath this one, and lists in browsers, are bound to HTTPS too is the domain's owner's to say.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# How many proxies of our own a request has passed; what they saw tells the login where a guess comes from.
PROXIES = env.count("PROXIES", 0)
# Origins that may show participants' pages in a frame; everything else is never framed.
FRAME_ANCESTORS = env.words("FRAME_ANCESTORS")
# Requests a minute: to one participant's page, and to join from one address.  0: no limit.
TOKEN_LIMIT = env.count("TOKEN_LIMIT", 6000)
JOIN_LIMIT = env.count("JOIN_LIMIT", 300)
# People who hold places of a study and have not answered anything yet: from one address, and by its link in all.
BEGINNERS_PER_ADDRESS = env.count("BEGINNERS_PER_ADDRESS", 30)
BEGINNERS_PER_LINK = env.count("BEGINNERS_PER_LINK", 300)
# Days after a study has closed until what leads to its people is removed; 0: never by itself.
RETENTION_DAYS = env.count("RETENTION_DAYS", 365)
#: Pay per hour below which the checklist warns, in whatever currency a study pays.
LEAST_PAY_PER_HOUR = env.count("LEAST_PAY_PER_HOUR", 9)
# After so many seconds a simulation that a page of the desk waits for is ended.
ESTIMATE_SECONDS = env.number("ESTIMATE_SECONDS", 30)
# The same of the export of a large study.  A million answers take a minute.
EXPORT_SECONDS = env.number("EXPORT_SECONDS", 300)
# Who is given /metrics: whoever has the token, and these addresses or networks.
METRICS_TOKEN = env.text("METRICS_TOKEN")
METRICS_ADDRESSES = env.words("METRICS_ADDRESSES")
# Every account at the desk needs a second factor; otherwise each may have one.
REQUIRE_SECOND_FACTOR = env.flag("REQUIRE_SECOND_FACTOR")
# Participants' pages know no cookie: what the desk sets does not reach them, in the researcher's own browser either.
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = "/admin/"
# Browsers send cookies to every port of a host: two installations on one have names of their own for them.
COOKIES_OF = hashlib.sha256(f"cookies of {SECRET_KEY}".encode()).hexdigest()[:8]
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"quorum_session_{COOKIES_OF}", f"quorum_csrf_{COOKIES_OF}"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    # Of accounts made before; hashed anew at their next login.
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# --- Recruiters -------------------------------------------------------------------------------------------------------
# What their ids of people are hashed with.  It lies apart from the database; with another one everybody is a stranger.
RECRUIT_KEY = env.text("RECRUIT_KEY") or (kept_key(DATA_DIR / "recruit_key") if EMBEDDED else "")
# Days until the ids themselves are deleted, which stand there for payment alone.
RECRUIT_ID_DAYS = env.number("RECRUIT_ID_DAYS", 90)
# The account at Prolific that studies are posted with; without a token they are posted by hand.
PROLIFIC_TOKEN = env.text("PROLIFIC_TOKEN")
PROLIFIC_WORKSPACE, PROLIFIC_PROJECT = env.text("PROLIFIC_WORKSPACE"), env.text("PROLIFIC_PROJECT")
# What its messages to us are signed with.
PROLIFIC_SECRET = env.text("PROLIFIC_SECRET")
PROLIFIC_URL = env.text("PROLIFIC_URL", "https://api.prolific.com").rstrip("/")

# --- The login --------------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
# So many wrong passwords for one account from one address, and it has to wait.  An account alone is never locked:
# anybody could then lock anybody out.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "studies.lib.client_address.address_of"
AXES_LOCKOUT_CALLABLE = "studies.accounts.admin_site.locked_out"
AXES_ENABLE_ADMIN = False
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
OTP_TOTP_ISSUER = "Quorum"

# --- Django -----------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "studies.apps.ResearcherSiteConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "studies",
    # Django apps of others, with protocols, recruiters and methods of their own.
    *env.packages("PLUGIN_APPS", group="quorum.apps"),
]
MIDDLEWARE = [
    "studies.operations.proxies.ForwardedProtoMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "studies.operations.bodies.NoBodyForStrangersMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "studies.operations.outages.ServiceUnavailableMiddleware",
]
LOGIN_REDIRECT_URL = "admin:index"
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
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
LANGUAGE_CODE = "en"
# Of participants' pages, which choose for themselves (studies.views.pages); the desk is in English.
LANGUAGES = [("en", "English"), ("fr", "Français"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env.text("TIME_ZONE", "UTC")
USE_TZ = True

# --- Files ------------------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "static"]
# Before `collectstatic` has run, WhiteNoise serves the files where they lie.
WHITENOISE_USE_FINDERS = not (STATIC_ROOT / "staticfiles.json").exists()
# Where browsers get pictures without this program, the bucket's address for instance; empty: from here.
PICTURES_URL = env.text("PICTURES_URL").rstrip("/")
STORAGES = {
    "default": storage(env.text("STORAGE_URL"), DATA_DIR),
    "staticfiles": {"BACKEND": "studies.operations.static_files.StaticFiles"},
}

# --- Bringing things in -----------------------------------------------------------------------------------------------
# Folders of the machine (of web and workers alike) that the desk may bring things in from; none unless they are named.
IMPORT_FOLDERS = [Path(folder).expanduser() for folder in env.words("IMPORT_FOLDERS")]
# Python files from these run with the rights of the worker.
MODULE_FOLDERS = [Path(folder).expanduser() for folder in env.words("MODULE_FOLDERS")]
UPLOAD_MAX_BYTES = env.number("UPLOAD_MAX_BYTES", 2 * 1024**3)
IMPORT_MAX_FILES = env.number("IMPORT_MAX_FILES", 100_000)
IMPORT_MAX_BYTES = env.number("IMPORT_MAX_BYTES", 64 * 1024**3)
IMPORT_MAX_FILE_BYTES = env.number("IMPORT_MAX_FILE_BYTES", 64 * 1024**2)
IMPORT_MAX_RATIO = env.number("IMPORT_MAX_RATIO", 100)
IMPORT_MAX_PIXELS = env.number("IMPORT_MAX_PIXELS", 50_000_000)
CHECKPOINT_MAX_BYTES = env.number("CHECKPOINT_MAX_BYTES", 4 * 1024**3)
# Uploads of anybody but staff are cut off, however a form asks for them.
FILE_UPLOAD_HANDLERS = ["studies.catalog.importing.uploads.StaffUploads"]
FILE_UPLOAD_TEMP_DIR = DATA_DIR / "uploading"
FILE_UPLOAD_TEMP_DIR.mkdir(exist_ok=True)

# --- Workers ----------------------------------------------------------------------------------------------------------
DEVICE = env.text("DEVICE")  # empty: cuda where there is one, else cpu
# Worker processes of this machine, and threads that each computes with: the processors but one, shared by the workers.
WORKERS_HERE = env.number("WORKERS_HERE", 1)
WORKER_THREADS = env.number("WORKER_THREADS", threads_of_a_worker(processors(), WORKERS_HERE))
# Seconds after which the work of a worker that went silent is given to another; no batch may take longer.
WORK_LEASE = env.number("WORK_LEASE", 600)
SWEEP_SECONDS = 30
# Sweeps that no worker was there for are forgotten, but not by one whose clock is an hour off.
FORGET_SWEEPS_SECONDS = 3 * 3600
CELERY_BROKER_URL = BROKER_URL or "filesystem://localhost/"
if CELERY_BROKER_URL.startswith("filesystem://"):
    _queue = DATA_DIR / "queue"
    _queue.mkdir(exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_queue),
        "data_folder_out": str(_queue),
        "control_folder": str(DATA_DIR / "control"),
        "polling_interval": 0.2,
    }
else:
    # Redis redelivers what is not acknowledged within this time: far above the longest chunk.
    CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 6 * 3600}
# Workers and beat write their lines as the web does (LOGGING below), not in a layout of Celery's own.
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Who rings does not wait for a queue that is down: the sweeper rings again.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 2, "interval_start": 0, "interval_step": 0.2}
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat")
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "studies.tasks.sweep", "schedule": SWEEP_SECONDS, "options": {"expires": FORGET_SWEEPS_SECONDS}},
    "verify_files": {"task": "studies.tasks.verify_files", "schedule": 24 * 3600, "options": {"expires": 3600}},
    "forget": {"task": "studies.tasks.forget", "schedule": 3600, "options": {"expires": 3600}},
}

# --- The researcher's desk --------------------------------------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": "Quorum",
    "SITE_HEADER": "Quorum",
    "SITE_SUBHEADER": "Studies of image classifiers",
    "SITE_URL": None,
    "SITE_ICON": lambda request: static("researchers/quorum.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("favicon.svg")}],
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [lambda request: static("researchers/admin.css")],
    "SCRIPTS": [lambda request: static("researchers/admin.js")],
    "LOGIN": {"image": lambda request: static("researchers/login.svg")},
    "DASHBOARD_CALLBACK": "studies.admin.dashboard.with_studies",
    "COLORS": {
        "primary": {
            "50": "oklch(97.4% .012 200)",
            "100": "oklch(94% .025 200)",
            "200": "oklch(88% .045 200)",
            "300": "oklch(81% .07 200)",
            "400": "oklch(74% .09 202)",
            "500": "oklch(68% .095 204)",
            "600": "oklch(48% .075 208)",
            "700": "oklch(42% .066 210)",
            "800": "oklch(36% .055 212)",
            "900": "oklch(30% .045 214)",
            "950": "oklch(22% .035 216)",
        },
    },
    "SIDEBAR": {"navigation": "studies.admin.dashboard.sidebar"},
    "ACCOUNT": {"navigation": [{"title": "Your account", "link": reverse_lazy("admin:account")}]},
}

# One line a happening, `text` or `json`; participants' tokens are taken out of every one.
LOG_FORMAT = env.one_of("LOG_FORMAT", "text", "json")
LOGGING = logs.configuration(LOG_FORMAT, env.text("LOG_LEVEL", "INFO"))

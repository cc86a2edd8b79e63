"""Loaded before Django's settings (pyproject: `-p tests.environment`): tests run in a data folder of their own."""

import atexit
import os
import shutil
import tempfile

for variable in ("DATABASE_URL", "BROKER_URL", "STORAGE_URL", "CACHE_URL", "SITE_URL", "ALLOWED_HOSTS", "DEBUG"):
    os.environ.pop(variable, None)
os.environ.pop("RECRUIT_ID_DAYS", None)
# A recruiter of another lab: what the interface offers is tried whether or not one of ours uses it.
os.environ["PLUGIN_APPS"] = "tests.framing"
os.environ["RECRUIT_KEY"] = "of the tests alone, and of more than 32 letters"
# On a busy machine a simulation takes its time; how long is not what tests are about.
os.environ["ESTIMATE_SECONDS"] = os.environ["EXPORT_SECONDS"] = "600"
# For tests/services, which has some of the others run on PostgreSQL.
os.environ["DATABASE_URL"] = os.environ.pop("DATABASE_URL_OF_TESTS", "")
os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="quorum-tests-")
atexit.register(shutil.rmtree, os.environ["DATA_DIR"], ignore_errors=True)

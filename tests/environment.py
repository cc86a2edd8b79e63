"""Loaded before Django's settings (pyproject: `-p tests.environment`): tests run in a data folder of their own."""

import atexit
import os
import shutil
import tempfile

for variable in ("DATABASE_URL", "BROKER_URL", "STORAGE_URL", "CACHE_URL", "SITE_URL", "ALLOWED_HOSTS", "DEBUG"):
    os.environ.pop(variable, None)
for variable in ("MTURK_KEY_ID", "MTURK_SECRET_KEY", "MTURK_LIVE", "RECRUIT_ID_DAYS"):
    os.environ.pop(variable, None)
os.environ["RECRUIT_KEY"] = "of the tests alone, and of more than 32 letters"
# For tests/services, which has some of the others run on PostgreSQL.
os.environ["DATABASE_URL"] = os.environ.pop("DATABASE_URL_OF_TESTS", "")
os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="quorum-tests-")
atexit.register(shutil.rmtree, os.environ["DATA_DIR"], ignore_errors=True)

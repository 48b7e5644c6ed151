# syntax=docker/dockerfile:1
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /venv
COPY requirements-tracing.lock /src/
RUN /venv/bin/pip install --require-hashes -r /src/requirements-tracing.lock
COPY pyproject.toml README.md LICENSE /src/
COPY app /src/app
RUN /venv/bin/pip install --no-deps /src

FROM python:3.13-slim
RUN useradd --uid 1000 --create-home --shell /usr/sbin/nologin sluice \
    && install -d -o sluice -g sluice /data
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 BROKER_URL=sqlite:////data/log.db \
    DATABASE_URL=sqlite:////data/views.db LOG_FORMAT=json
USER 1000:1000
WORKDIR /home/sluice
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('PORT', '8000') + '/health', timeout=2)"]
STOPSIGNAL SIGTERM
CMD ["sluice", "serve"]

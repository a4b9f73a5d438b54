# Three stages: the wheel from this source, an environment of locked packages, and what runs.

ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS wheel
WORKDIR /source
COPY requirements-build.lock .
RUN python -m pip install --no-cache-dir --require-hashes --requirement requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY vodworker vodworker
COPY handlers handlers
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:${PYTHON}-slim AS environment
WORKDIR /locked
# Without pip: nothing is installed into what runs.
RUN python -m venv --without-pip /opt/vodworker
ENV PIP_PYTHON=/opt/vodworker/bin/python
COPY requirements.lock .
RUN python -m pip install --no-cache-dir --only-binary :all: --require-hashes --requirement requirements.lock
COPY --from=wheel /wheels /wheels
RUN python -m pip install --no-cache-dir --no-deps /wheels/*.whl

FROM python:${PYTHON}-slim
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="vodworker" \
      org.opencontainers.image.description="An event-driven worker daemon for Tencent Cloud VOD" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="MIT"
# Process 1: passes signals on, and buries what a handler's programs leave behind.
# Debian keeps one version of it for a release, and drops older ones from its archive.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/*
COPY --from=environment /opt/vodworker /opt/vodworker
COPY deploy/vodworker.toml /etc/vodworker/vodworker.toml
COPY handlers /etc/vodworker/handlers
# A number, so that a cluster can see that it is not root; the journal's folder is its own, all else is read only.
RUN install --directory --owner=65532 --group=65532 --mode=0700 /var/lib/vodworker
# Where probes ask: reachable from outside as far as the container's network is. `off` switches it off.
ENV PATH=/opt/vodworker/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONFAULTHANDLER=1 \
    PYTHONUNBUFFERED=1 \
    VODWORKER_HTTP__LISTEN=0.0.0.0:8790
USER 65532:65532
WORKDIR /var/lib/vodworker
VOLUME /var/lib/vodworker
EXPOSE 8790
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=60s --timeout=10s --start-period=30s --retries=3 CMD ["vodworker", "health"]
ENTRYPOINT ["tini", "--", "vodworker"]
CMD ["run"]

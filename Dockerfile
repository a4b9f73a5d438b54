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
# Without pip: nothing is installed into what runs.
RUN python -m venv --without-pip /opt/vodworker
ENV PIP_PYTHON=/opt/vodworker/bin/python
COPY requirements.lock .
RUN python -m pip install --no-cache-dir --only-binary :all: --require-hashes --requirement requirements.lock
COPY --from=wheel /wheels /wheels
RUN python -m pip install --no-cache-dir --no-deps /wheels/*.whl

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="vodworker" \
      org.opencontainers.image.description="An event-driven worker daemon for Tencent Cloud VOD" \
      org.opencontainers.image.licenses="MIT"
COPY --from=environment /opt/vodworker /opt/vodworker
COPY deploy/vodworker.toml /etc/vodworker/vodworker.toml
COPY handlers /etc/vodworker/handlers
# A number, so that a cluster can see that it is not root; the journal's folder is its own.
RUN install --directory --owner=65532 --group=65532 --mode=0700 /var/lib/vodworker
ENV PATH=/opt/vodworker/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /var/lib/vodworker
VOLUME /var/lib/vodworker
STOPSIGNAL SIGTERM
# No HEALTHCHECK yet: vodworker has no command that tells its health.
ENTRYPOINT ["vodworker"]
CMD ["run"]

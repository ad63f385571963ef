# Scrollcast in a container: docs/deployment.md says how to run it. The image holds the demo, and no session of yours.
#
# Another base, by its digest say: --build-arg PYTHON=python:3.11-slim-bookworm@sha256:…
# Another user, who can read your sessions: --build-arg USER_ID=$(id -u) --build-arg GROUP_ID=$(id -g)

ARG PYTHON=python:3.11.14-slim-bookworm

FROM ${PYTHON} AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# Before the code, so that a change of that leaves this layer as it is.
COPY requirements.lock ./
RUN python -m venv /opt/scrollcast && /opt/scrollcast/bin/pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE THIRD-PARTY-LICENSES.md ./
COPY archive_fixtures/demo archive_fixtures/demo
COPY docs/contract/vectors docs/contract/vectors
COPY share share
COPY static static
COPY server server
RUN python -m pip wheel --no-deps --wheel-dir wheels . && /opt/scrollcast/bin/pip install --no-deps wheels/scrollcast-*.whl

FROM ${PYTHON}
ARG USER_ID=1000
ARG GROUP_ID=1000
RUN groupadd --gid ${GROUP_ID} --non-unique scrollcast \
  && useradd --uid ${USER_ID} --gid ${GROUP_ID} --non-unique --no-create-home --home-dir /var/lib/scrollcast --shell /usr/sbin/nologin scrollcast \
  && install --directory --owner=${USER_ID} --group=${GROUP_ID} --mode=0700 /var/lib/scrollcast \
  && install --directory /sessions
COPY --from=build /opt/scrollcast /opt/scrollcast
ENV PATH=/opt/scrollcast/bin:${PATH} \
  PYTHONDONTWRITEBYTECODE=1 \
  PYTHONUNBUFFERED=1 \
  SCROLLCAST_PATHS=/sessions \
  SCROLLCAST_CACHE_DIR=/var/lib/scrollcast/cache \
  XDG_DATA_HOME=/var/lib/scrollcast/data
USER ${USER_ID}:${GROUP_ID}
WORKDIR /var/lib/scrollcast
# The cache, the token, the links that share sessions, and what is kept. Everything else may be read-only.
VOLUME /var/lib/scrollcast
EXPOSE 8420
STOPSIGNAL SIGTERM
# Whoever looks through a large archive for the first time is not ready for minutes.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10m --retries=3 \
  CMD ["python", "-c", "import urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:8420/readyz', timeout=4)"]
ENTRYPOINT ["scrollcast"]
# Inside a container loopback is nobody's, so it listens on every address, which asks for --auth.
CMD ["serve", "--auth", "--host", "0.0.0.0", "--no-open", "--public-url", "http://localhost:8420"]

# The daemon and its command line, without build tools, as an account without rights.
#   docker build --tag ipecs-mw .                                     the daemon and the API, with /metrics
#   docker build --tag ipecs-mw-demo --build-arg EXTRAS=simulator .   the simulated phone system
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS build
ARG EXTRAS=api,metrics
WORKDIR /source
COPY . .
RUN python -m venv /opt/ipecs-mw \
 && /opt/ipecs-mw/bin/pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt ".[${EXTRAS}]" \
 && /opt/ipecs-mw/bin/pip uninstall --yes --quiet pip setuptools

FROM ${PYTHON}
COPY --from=build /opt/ipecs-mw /opt/ipecs-mw
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin ipecs-mw \
 && install --directory --owner ipecs-mw --group ipecs-mw --mode 0700 /var/lib/ipecs-mw
ENV PATH=/opt/ipecs-mw/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    STATE_DIRECTORY=/var/lib/ipecs-mw \
    IPECS_MW_BOOTSTRAP=/run/secrets/bootstrap.json
USER 10001
VOLUME /var/lib/ipecs-mw
# asks MongoDB whether a daemon of the profile is alive
HEALTHCHECK --interval=30s --timeout=20s --start-period=60s CMD ["ipecs-mw", "status"]
# docker stop sends SIGTERM and waits 10 s by default; stopping takes less
ENTRYPOINT ["ipecs-mw"]
CMD ["run"]

# The image of Vigil, for people with an engine: docker build -t vigil:0.1.0 . Without one, ./dev image makes the same.
# To pin the base beyond its tag, pass its digest: --build-arg DEBIAN_DIGEST=@sha256:...
ARG DEBIAN=docker.io/library/debian:12.11-slim
ARG DEBIAN_DIGEST=

FROM ${DEBIAN}${DEBIAN_DIGEST} AS build
WORKDIR /source
COPY dev ./
RUN apt-get update -q && apt-get upgrade -yq && ./dev setup build
COPY . .
RUN cmake --preset release && ninja -C build/release vigild vigil && \
    python3 server/image/build.py --root build/release /image

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="vigil" \
      org.opencontainers.image.description="A cluster liveness coordinator on PostgreSQL" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=build /image/root /
ENV PATH=/usr/bin VIGIL_LISTEN=0.0.0.0:7420 VIGIL_HTTP_LISTEN=0.0.0.0:7421
USER 65532:65532
WORKDIR /
EXPOSE 7420 7421
STOPSIGNAL SIGTERM
HEALTHCHECK CMD ["/usr/bin/vigild", "healthcheck"]
ENTRYPOINT ["/usr/bin/vigild"]
CMD ["serve"]

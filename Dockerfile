# The image of Holdfast: one binary on a slim Debian. `docker build -t holdfast .`
#
# About 125 MB, 55 to pull: 79 MB of Debian, 44 the binary. Runs as nobody in particular (10001), with a read-only root,
# and writes to /data alone. docs/setup.md says how to run it; scripts/check-deploy checks what it can without Docker.

# Both images are of the same Debian: the binary needs a C library that is no older than the one it was built with.
ARG RUST=1.95
ARG DEBIAN=trixie

FROM rust:${RUST}-slim-${DEBIAN} AS build
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
# A member of the workspace: cargo reads its manifest, and nothing of it is built here.
COPY loadtest loadtest
COPY persistence persistence
COPY domain domain
COPY actors actors
COPY src src
# Crates and what was built of them stay in caches of the builder, not in a layer. `touch`, as cargo goes by times, and
# the files of an older checkout would pass for built.
# Line numbers for backtraces are kept, but compressed.
RUN --mount=type=cache,id=holdfast-crates,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=holdfast-target,target=/build/target,sharing=locked \
    find src actors domain persistence -name '*.rs' -exec touch {} + \
    && cargo build --locked --release -p holdfast --bin holdfast \
    && objcopy --compress-debug-sections=zlib target/release/holdfast /holdfast

FROM debian:${DEBIAN}-slim
LABEL org.opencontainers.image.title="Holdfast" \
      org.opencontainers.image.description="An inventory server for shops: never oversold, journaled before answered" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
# Fixed ids, so that a volume made by one version can be written by the next.
RUN groupadd --gid 10001 holdfast \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin holdfast \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data
COPY --from=build /holdfast /usr/local/bin/holdfast
# In a container the loopback address is nobody else's: what may reach the server is decided by what is published.
ENV HOLDFAST_LISTEN=0.0.0.0:3000 \
    HOLDFAST_DATA_DIR=/data
USER 10001:10001
VOLUME /data
EXPOSE 3000
# The binary asks itself: there is no curl here. Not ready while the journal is replayed, which is no fault.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 CMD ["holdfast", "health"]
# Finishes what was begun within ten seconds; give it more before it is killed.
STOPSIGNAL SIGTERM
ENTRYPOINT ["holdfast"]
CMD ["serve"]

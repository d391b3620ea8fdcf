# The command, Python, and the libraries that both load: no shell, no package manager, no root. docs/deploy.md describes it.
# `scripts/wheels` first, if the build may not use a package index: it takes all packages from dist/ then.

# A Debian; if it has Python and its venv module, the build installs no Debian packages.
ARG BASE=debian:trixie-slim
FROM ${BASE} AS build

RUN python3 -c 'import ensurepip' 2>/dev/null || { apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*; }

# Of pyproject.toml, separated by commas.
ARG EXTRAS=serve
WORKDIR /source
COPY . .
RUN sh deploy/image/install "$EXTRAS" && python3 deploy/image/root.py /image

FROM scratch
COPY --from=build /image /
LABEL org.opencontainers.image.title="mistle-preflight" \
      org.opencontainers.image.description="Proves every resource that a Mistle configuration names, before the deployment needs it" \
      org.opencontainers.image.licenses="Apache-2.0" \
      mistle-preflight.sbom="/usr/share/sbom/mistle-preflight.cdx.json"
ENV PATH=/opt/mistle-preflight/bin
WORKDIR /work
USER 65532:65532
ENTRYPOINT ["/opt/mistle-preflight/bin/mistle-preflight"]

ARG REGISTRY=quay.io
ARG OWNER=acme
ARG BASE_IMAGE=$REGISTRY/$OWNER/base-notebook:2024-10-07
FROM $BASE_IMAGE

LABEL maintainer="Acme <ops@acme.example>"

# Fix: https://github.com/hadolint/hadolint/wiki/DL4006
SHELL ["/bin/bash", "-o", "pipefail", "-c"]

USER root
RUN apt-get update --yes && \
    apt-get install --yes --no-install-recommends \
    # for latex
    cm-super \
    dvipng \
    ffmpeg && \
    apt-get clean && rm -rf /var/lib/apt/lists/*

USER ${NB_UID}
RUN mamba install --yes 'numpy' 'pandas' && mamba clean --all -f -y
WORKDIR "${HOME}"

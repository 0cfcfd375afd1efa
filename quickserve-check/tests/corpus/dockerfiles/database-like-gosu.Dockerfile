FROM debian:bookworm-slim
RUN groupadd -r -g 999 kv && useradd -r -g kv -u 999 kv
RUN set -eux; apt-get update; apt-get install -y --no-install-recommends gosu tzdata; rm -rf /var/lib/apt/lists/*
RUN mkdir /data && chown kv:kv /data
VOLUME /data
WORKDIR /data
EXPOSE 6379
ENTRYPOINT ["gosu", "kv", "kv-server"]
CMD ["--protected-mode", "no"]

ARG BUILDER=hexpm/elixir:1.17.3-erlang-27.1.2-debian-bookworm-20241016-slim
FROM ${BUILDER} AS builder
RUN apt-get update -y && apt-get install -y build-essential git && apt-get clean && rm -f /var/lib/apt/lists/*_*
WORKDIR /app
ENV MIX_ENV=prod
COPY mix.exs mix.lock ./
RUN mix deps.get --only $MIX_ENV
COPY lib lib
RUN mix compile && mix release

FROM debian:bookworm-20241016-slim
RUN apt-get update -y && apt-get install -y libstdc++6 openssl && rm -f /var/lib/apt/lists/*_*
WORKDIR /app
COPY --from=builder --chown=nobody:root /app/_build/prod/rel/shop ./
USER nobody
CMD ["/app/bin/server"]

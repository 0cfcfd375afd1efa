LABEL org.opencontainers.image.title=shop
FROM debian:bookworm-slim
USER nobody
CMD ["sleep", "1"]

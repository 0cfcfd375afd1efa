# syntax=docker/dockerfile:1
FROM golang:1.25-alpine AS build
WORKDIR /src
COPY . .
RUN <<EOT
set -e
go build -o /bin/exporter .
echo "exporter:x:65532:65532::/:/nologin" > /passwd
EOT

FROM scratch
COPY --from=build /passwd /etc/passwd
COPY --from=build /bin/exporter /exporter
USER 65532
ENTRYPOINT ["/exporter"]
CMD ["--listen", ":9100"]

FROM golang:latest
WORKDIR /go/src/app
ADD . .
RUN go build -o app
CMD ./app

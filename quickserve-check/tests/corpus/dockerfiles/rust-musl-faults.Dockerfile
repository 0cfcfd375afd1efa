FROM rust:1.70-buster
COPY . .
RUN cargo build --release
CMD ["sh", "-c", "./target/release/service --port 8080"]

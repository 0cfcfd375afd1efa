FROM ubuntu:20.04
RUN apt-get update && apt-get install -y curl gnupg && \
    curl -fsSL https://pkg.example.org/key.gpg | apt-key add - && \
    echo "deb https://pkg.example.org/apt stable main" > /etc/apt/sources.list.d/x.list && \
    apt-get update && apt-get install -y agent
USER daemon
CMD ["agent", "run"]

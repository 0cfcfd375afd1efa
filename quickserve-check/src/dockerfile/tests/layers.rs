//! How the image is built: what is installed, when, and by which commands.

use super::{assert_fine, assert_found, found, of_code};

#[test]
fn dependencies_are_installed_before_the_sources_come() {
    let message =
        "all sources are copied before `npm ci` (line 4): every change installs all dependencies again";
    assert_found(504, "FROM node\nWORKDIR /a\nCOPY . .\nRUN npm ci\n", &format!("warning 3: {message}"));
    assert!(found(504, "FROM python\nCOPY . /a\nRUN pip install -r requirements.txt").is_some());
    assert!(found(504, "FROM golang\nADD . .\nRUN go mod download").is_some());
    assert!(
        found(504, "FROM rust\nCOPY . .\nRUN cargo build --release").expect("a finding").starts_with("info")
    );
    for fine in [
        "FROM node\nCOPY package*.json ./\nRUN npm ci\nCOPY . .\nRUN npm run build",
        "FROM node AS deps\nCOPY package.json .\nRUN npm ci\nFROM deps\nCOPY . .\nRUN npm ci --omit=dev",
        "FROM node\nRUN npm install -g pnpm\nCOPY . .\nRUN npm run build",
        "FROM python\nCOPY . .\nRUN pip install gunicorn && pip install .",
        "FROM rust\nCOPY . .\nRUN --mount=type=cache,target=/usr/local/cargo/registry cargo build",
        "FROM node\nCOPY --from=x . .\nRUN npm ci",
    ] {
        assert_fine(504, fine);
    }
}

#[test]
fn the_final_image_has_nothing_to_build_with() {
    let found_tools = |text: &str| found(505, text).unwrap_or_default();
    assert_eq!(
        found_tools("FROM alpine:3\nRUN apk add --no-cache --virtual .x gcc musl-dev=1 curl"),
        "warning 2: tools for building stay in the final image: gcc, musl-dev"
    );
    assert_eq!(
        found_tools("FROM debian:12\nRUN <<EOF\nset -e\napt-get update\napt-get install -y git\nEOF"),
        "warning 5: tools for building stay in the final image: git"
    );
    assert_eq!(
        found_tools("FROM golang:1.99"),
        "warning 1: the final image is built on golang:1.99, which is for building"
    );
    assert!(found_tools("FROM mcr.microsoft.com/dotnet/sdk:10.0 AS a\nFROM a").starts_with("warning 1"));
    assert!(found_tools("FROM eclipse-temurin:21-jdk").starts_with("info 1"));
    assert!(found_tools("FROM python:3.12").starts_with("info 1"));
    assert_eq!(
        found_tools("FROM node:22-slim\nRUN npm install"),
        "warning 2: `npm install` leaves dependencies of development in the final image"
    );
    assert_eq!(
        found_tools(
            "FROM node:22 AS b\nRUN npm ci\nFROM node:22-slim\nCOPY --from=b /a/node_modules ./node_modules"
        ),
        "warning 4: node_modules of `npm ci` (line 2) have what only development needs"
    );
    for fine in [
        "FROM alpine:3\nRUN apk add --virtual .x gcc && make && apk del .x",
        "FROM debian:12\nRUN apt-get install -y gcc && make && apt-get purge -y gcc",
        "FROM debian:12 AS b\nRUN apt-get install -y gcc\nFROM debian:12-slim\nRUN apt-get install -y libpq5 curl",
        "FROM eclipse-temurin:21-jre",
        "FROM node:22-slim\nENV NODE_ENV=production\nRUN npm ci",
        "FROM node:22-slim\nRUN npm ci && npm run build && npm prune --omit=dev",
        "FROM node:22-slim\nRUN npm ci --omit=dev && npm install -g pm2",
        "FROM node:22 AS b\nRUN npm ci --only=production\nFROM node:22-slim\nCOPY --from=b /node_modules ./node_modules",
        "FROM node:22-slim\nRUN yarn install --frozen-lockfile --production=true",
    ] {
        assert_fine(505, fine);
    }
}

#[test]
fn deprecated_words_are_found() {
    assert_found(509, "FROM a\nMAINTAINER me", "warning 2: MAINTAINER is deprecated");
    assert_found(509, "FROM a\nENV A b c", "info 2: ENV without = is deprecated");
    let npm = "warning 3: npm --only=production is deprecated";
    assert_found(509, "FROM a\nRUN x && \\\n  npm ci --only=production", npm);
    assert!(
        found(509, "FROM a\nRUN curl x | apt-key add -")
            .expect("a finding")
            .starts_with("warning 2: apt-key")
    );
    let add = "warning 2: ADD of a URL without a checksum takes whatever is there";
    assert_found(509, "FROM a\nADD https://x.org/y.tgz /", add);
    assert_found(509, "FROM openjdk:17", "warning 1: the image openjdk is deprecated and gets no updates");
    for fine in [
        "FROM a\nENV A=b",
        "FROM a\nRUN npm ci --omit=dev",
        "FROM a\nRUN npm run build --production",
        "FROM a\nADD --checksum=sha256:0 https://x.org/y.tgz /",
        "FROM a\nADD https://github.com/x/y.git#v1 /y",
        "FROM a\nRUN echo 'apt-key add'",
    ] {
        assert_fine(509, fine);
    }
}

#[test]
fn npm_ci_has_its_lock_file() {
    let dockerfile = ("Dockerfile", "FROM a\nCOPY package*.json ./\nRUN npm ci\n");
    let message = "error 3: npm ci needs package-lock.json, and there is none: the build fails";
    assert_eq!(of_code(511, &[dockerfile, ("package.json", "{}")]), [message]);
    let ignored =
        [dockerfile, ("package.json", "{}"), ("package-lock.json", "{}"), (".dockerignore", "*lock*")];
    let message = "error 3: npm ci needs package-lock.json, and .dockerignore leaves it out: the build fails";
    assert_eq!(of_code(511, &ignored), [message]);
    assert_eq!(of_code(511, &[dockerfile, ("package.json", "{}"), ("package-lock.json", "{}")]), [""; 0]);
    let deeper = ("Dockerfile", "FROM a\nCOPY web/package*.json ./\nRUN npm ci\n");
    assert_eq!(of_code(511, &[deeper, ("web/package.json", "{}"), ("web/package-lock.json", "")]), [""; 0]);
    for fine in [
        "FROM a\nCOPY . /app\nWORKDIR /app/web\nRUN npm ci\n",
        "FROM a\nCOPY . .\nRUN npm install --package-lock-only && npm ci\n",
        "FROM a\nCOPY . .\nRUN cd web && npm ci\n",
    ] {
        assert_eq!(of_code(511, &[("Dockerfile", fine), ("package.json", "{}")]), [""; 0], "{fine}");
    }
    let made = ("Dockerfile", "FROM a\nCOPY package.json .\nCOPY --from=x /lock .\nRUN npm ci\n");
    assert_eq!(of_code(511, &[made, ("package.json", "{}")]), [""; 0]);
}

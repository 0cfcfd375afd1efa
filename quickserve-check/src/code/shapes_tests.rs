//! Files in the shapes of well-known projects: what they read, and that nothing in them is a secret.

use super::{Language, language};
use crate::secrets;

fn read(language: Language, text: &str) -> String {
    assert_eq!(secrets::find(text), [], "{text}");
    language::read(language, text).join(", ")
}

#[test]
fn settings_of_a_django_project() {
    let text = r#"
"""Settings. See os.environ["NOT_THIS"]."""
import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
DEBUG = os.environ.get("DJANGO_DEBUG", "") == "1"
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost").split(",")
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.getenv("POSTGRES_DB", "app"),
        "PASSWORD": os.environ["POSTGRES_PASSWORD"],
    }
}
if "SENTRY_DSN" in os.environ:
    sentry_sdk.init(dsn=os.environ["SENTRY_DSN"])
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
"#;
    insta::assert_snapshot!(read(Language::Python, text), @"DJANGO_SECRET_KEY Validated, DJANGO_DEBUG Defaulted, ALLOWED_HOSTS Defaulted, POSTGRES_DB Defaulted, POSTGRES_PASSWORD Validated, SENTRY_DSN Defaulted, SENTRY_DSN Validated");
}

#[test]
fn a_service_of_express() {
    let text = r"
import express from 'express'
import { createClient } from 'redis'

const { PORT = 3000, HOST, SESSION_SECRET } = process.env
if (!SESSION_SECRET) {
  throw new Error('SESSION_SECRET is not set') // process.env.NOT_THIS
}
const redis = createClient({ url: process.env.REDIS_URL ?? 'redis://localhost:6379' })
const isProduction = process.env.NODE_ENV === 'production'
const level = isProduction ? 'info' : process.env.LOG_LEVEL || 'debug'
app.use(session({ secret: SESSION_SECRET, cookie: { secure: isProduction } }))
app.listen(Number(PORT), HOST)
export const version = process.env.GIT_SHA?.slice(0, 7)
";
    insta::assert_snapshot!(read(Language::JavaScript, text), @"PORT Defaulted, HOST Required, SESSION_SECRET Validated, REDIS_URL Defaulted, NODE_ENV Defaulted, LOG_LEVEL Defaulted, GIT_SHA Defaulted");
}

#[test]
fn a_service_in_go() {
    let text = r#"
package main

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	dsn, ok := os.LookupEnv("DATABASE_URL")
	if !ok {
		log.Fatal("DATABASE_URL is not set")
	}
	if os.Getenv("DEBUG") != "" {
		log.SetFlags(log.Lshortfile)
	}
	key := []byte(os.Getenv("COOKIE_KEY"))
	run(port, dsn, key)
}

func getenv(key, fallback string) string {
	if value := os.Getenv(key); value != "" {
		return value
	}
	return fallback
}

var level = getenv("LOG_LEVEL", "info")
"#;
    insta::assert_snapshot!(read(Language::Go, text), @"PORT Defaulted, DATABASE_URL Validated, DEBUG Defaulted, COOKIE_KEY Required, LOG_LEVEL Defaulted");
}

#[test]
fn settings_of_rails() {
    let text = r#"
Rails.application.configure do
  config.public_file_server.enabled = ENV["RAILS_SERVE_STATIC_FILES"].present?
  config.log_level = ENV.fetch("RAILS_LOG_LEVEL", "info")
  config.action_mailer.smtp_settings = { password: ENV["SMTP_PASSWORD"] }
  # config.x = ENV["NOT_THIS"]
  if ENV["REDIS_URL"]
    config.cache_store = :redis_cache_store, { url: ENV["REDIS_URL"] }
  end
end
max_threads = ENV.fetch("RAILS_MAX_THREADS") { 5 }
"#;
    insta::assert_snapshot!(read(Language::Ruby, text), @"RAILS_SERVE_STATIC_FILES Defaulted, RAILS_LOG_LEVEL Defaulted, SMTP_PASSWORD Required, REDIS_URL Defaulted, REDIS_URL Required, RAILS_MAX_THREADS Defaulted");
}

#[test]
fn settings_of_laravel() {
    let text = r"<?php
return [
    'default' => env('DB_CONNECTION', 'mysql'),
    'connections' => [
        'mysql' => [
            'url' => env('DATABASE_URL'),
            'password' => env('DB_PASSWORD', ''),
            'options' => array_filter([PDO::MYSQL_ATTR_SSL_CA => env('MYSQL_ATTR_SSL_CA')]),
        ],
    ],
];
";
    insta::assert_snapshot!(read(Language::Php, text), @"DB_CONNECTION Defaulted, DATABASE_URL Defaulted, DB_PASSWORD Defaulted, MYSQL_ATTR_SSL_CA Defaulted");
}

#[test]
fn settings_of_spring() {
    let text = "spring:\n  datasource:\n    url: jdbc:postgresql://${DB_HOST:localhost}:5432/app\n    username: app\n    password: ${DB_PASSWORD}\nserver:\n  port: ${PORT:8080}\njwt:\n  secret: ${JWT_SECRET}\n";
    insta::assert_snapshot!(read(Language::Spring, text), @"DB_HOST Defaulted, DB_PASSWORD Validated, PORT Defaulted, JWT_SECRET Validated");
}

#[test]
fn the_entrypoint_of_a_database_image() {
    let text = r#"#!/usr/bin/env bash
set -Eeo pipefail
file_env() {
	local var="$1"
	local fileVar="${var}_FILE"
	local def="${2:-}"
}
docker_verify_minimum_env() {
	if [ -z "$APP_PASSWORD" ] && [ 'trust' != "$APP_HOST_AUTH_METHOD" ]; then
		echo >&2 "Error: it is not set"
		exit 1
	fi
}
file_env 'APP_PASSWORD'
: "${APP_HOST_AUTH_METHOD:=}"
export PGDATA="${PGDATA:-/var/lib/data}"
exec "$@"
"#;
    insta::assert_snapshot!(read(Language::Shell, text), @"APP_PASSWORD Validated, APP_PASSWORD Defaulted, APP_HOST_AUTH_METHOD Defaulted, PGDATA Defaulted");
}

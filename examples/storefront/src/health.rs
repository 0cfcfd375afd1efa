//! `/health` and `/ready`.

use hyper::{Response, StatusCode};
use serde_json::json;

use crate::app::App;
use crate::body::{self, Body};
use crate::clock::Clock;

/// What a health check finds.
struct Health {
    database: bool,
    /// The switch that makes it unhealthy.
    switch: Option<&'static str>,
}

impl Health {
    async fn of(app: &App) -> Self {
        Self { database: app.database.connected().await, switch: app.switches.unhealthy(app.clock.uptime()) }
    }

    fn is_ok(&self) -> bool {
        self.database && self.switch.is_none()
    }

    fn database(&self) -> &'static str {
        if self.database { "connected" } else { "disconnected" }
    }
}

/// Whether the service is alive and its dependency answers: 200 `OK` or 503 `DEGRADED`.
pub(crate) async fn health(app: &App) -> Response<Body> {
    let health = Health::of(app).await;
    let (code, status) =
        if health.is_ok() { (StatusCode::OK, "OK") } else { (StatusCode::SERVICE_UNAVAILABLE, "DEGRADED") };
    let mut report = json!({
        "uptime": app.clock.uptime().as_secs_f64(),
        "timestamp": Clock::timestamp_ms(),
        "status": status,
        "version": app.identity.version,
        "release": app.identity.release,
        "database": health.database(),
    });
    if let Some(switch) = health.switch {
        report["reason"] = switch.into();
    }
    body::json(code, &report)
}

/// Whether new requests should come here: healthy, and not draining.
pub(crate) async fn ready(app: &App) -> Response<Body> {
    let health = Health::of(app).await;
    let draining = app.drain.is_draining();
    let ready = health.is_ok() && !draining;
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    // This request is itself counted.
    let others = app.in_flight().saturating_sub(1);
    let report =
        json!({ "ready": ready, "draining": draining, "database": health.database(), "in_flight": others });
    body::json(code, &report)
}

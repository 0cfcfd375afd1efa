//! The Docker engine, or why there is none.

use quickserve_core::ErrorKind;
use quickserve_docker::Engine;

use crate::failure::Failure;
use crate::settings::Context;

/// Connects to the engine.
pub(super) async fn connect(context: &Context) -> Result<Engine, Failure> {
    let address = context.docker_host.as_deref();
    Engine::connect(address).await.map_err(|error| {
        let address = address.unwrap_or(Engine::DEFAULT_ADDRESS).to_owned();
        let message = match error.kind() {
            ErrorKind::PermissionDenied => format!("the Docker engine at {address} does not let you in"),
            ErrorKind::Unsupported => format!("the Docker engine at {address} cannot be used"),
            _ => format!("no Docker engine answers at {address}"),
        };
        let is_away = error.kind() == ErrorKind::Unavailable;
        let mut failure = Failure::from(error);
        if let Some(cause) = &mut failure.finished.cause {
            // The library's own headline says less, and of the chain only the end speaks to a person.
            let headline = std::mem::replace(&mut cause.message, message);
            cause.causes = vec![cause.causes.pop().unwrap_or(headline)];
            // Who has named an engine does not want another one started or installed.
            if let (true, Some(_)) = (is_away, &context.docker_host) {
                let hint = "that address is in DOCKER_HOST: start the engine there, or unset DOCKER_HOST for the \
                            one of this machine";
                cause.hint = Some(hint.to_owned());
            }
        }
        failure
    })
}

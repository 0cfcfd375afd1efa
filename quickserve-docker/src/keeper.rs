//! The keeper: makes promoted tasks whole again that the engine alone cannot, while no command runs.
//!
//! The engine starts a promoted container again when it ends, and after a reboot. It does not know that
//! containers belong together: when the one that holds a task's network starts again, those that joined it stay
//! in the old network, and at a reboot they are tried before it runs, and given up. The keeper looks whenever a
//! container starts, and now and then, and restarts or starts them. It decides nothing: it touches only
//! containers of promoted tasks that no owner has doomed, and only such as should run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use quickserve_core::Result;
use quickserve_core::clock::Clock;
use quickserve_core::service::ServiceKey;

use crate::engine::{Engine, Started};
use crate::names;
use crate::task_set::{Remedy, Task, group};

/// From one look to the next while nothing is heard of the engine.
const BEAT: Duration = Duration::from_secs(10);
/// From the word of one start to the look: others follow it.
const SETTLE: Duration = Duration::from_millis(250);

/// Keeps the promoted tasks of services whole, for ever. `services` says which those are, at each look; without
/// any, the engine is left alone.
///
/// An engine that does not answer is asked again: after a restart of it there is the most to do.
pub async fn keep(address: Option<&str>, clock: Arc<dyn Clock>, services: impl AsyncFn() -> Vec<ServiceKey>) {
    loop {
        let keys = services().await;
        if !keys.is_empty()
            && let Ok(engine) = Engine::connect(address).await
        {
            watch(&engine, clock.as_ref(), &services).await;
        }
        clock.sleep(BEAT).await;
    }
}

/// Looks at each start of a container, until the engine's word ends.
async fn watch(engine: &Engine, clock: &dyn Clock, services: &impl AsyncFn() -> Vec<ServiceKey>) {
    let labels = BTreeMap::from([(names::MANAGED.to_owned(), "true".to_owned())]);
    let mut starts = std::pin::pin!(engine.starts(&labels));
    loop {
        for key in services().await {
            match mend(engine, &key).await {
                Ok(mended) if mended.is_empty() => {}
                Ok(mended) => tracing::info!(service = %key, containers = ?mended, "mended a task"),
                Err(error) => {
                    let why = error.causes().join(": ");
                    tracing::warn!(service = %key, why, "a task could not be mended");
                }
            }
        }
        tokio::select! {
            heard = starts.next() => match heard {
                Some(Ok(_)) => clock.sleep(SETTLE).await,
                Some(Err(_)) | None => return,
            },
            () = clock.sleep(BEAT) => {}
        }
    }
}

/// Makes the promoted tasks of a service whole, once, and answers with the names of the containers that needed
/// it.
pub async fn mend(engine: &Engine, key: &ServiceKey) -> Result<Vec<String>> {
    let listed = engine.list(&names::service_labels(key)).await?;
    let looks = listed.iter().map(|container| engine.inspect(&container.id));
    let seen = join_all(looks).await.into_iter().collect::<Result<Vec<_>>>()?;
    let tasks: Vec<Task> = group(seen.into_iter().flatten());
    let remedies = tasks.iter().flat_map(Task::remedies).map(async |(container, remedy)| {
        match remedy {
            Remedy::Restart => engine.restart(&container.id).await?,
            Remedy::Start => {
                if !matches!(engine.start(&container.id).await?, Started::Yes) {
                    return Ok(None);
                }
            }
        }
        Ok(Some(container.name.clone()))
    });
    let mended = join_all(remedies).await.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(mended.into_iter().flatten().collect())
}

//! An answer as it came, beside what the SDK reads of it.

use std::fmt;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Keeps the text of the last answer of a call, fields included that the SDK does not know.
#[derive(Clone, Default)]
pub(crate) struct Answer {
    text: Arc<Mutex<String>>,
}

impl Answer {
    /// The text; empty before there is an answer.
    pub(crate) fn text(&self) -> String {
        self.text.lock().map_or_else(|poisoned| poisoned.into_inner().clone(), |text| text.clone())
    }
}

impl Intercept for Answer {
    fn name(&self) -> &'static str {
        "Answer"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().unwrap_or_default();
        let mut text = self.text.lock().map_err(|_| "somebody panicked while an answer was kept")?;
        *text = String::from_utf8_lossy(body).into_owned();
        Ok(())
    }
}

/// What is in it may be secret.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

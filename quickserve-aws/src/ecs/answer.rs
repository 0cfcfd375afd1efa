//! A described task definition as ECS answers it, beside what the SDK reads of it: types lose what they do not know.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ecs::operation::describe_task_definition::DescribeTaskDefinitionOutput;
use aws_sdk_ecs::types::TaskDefinitionField;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use quickserve_core::{Error, ErrorKind, Result};

use crate::error::{Call, call};

const DESCRIBE: Call = call("ecs", "DescribeTaskDefinition");

/// A definition with its tags: what the SDK reads, and the text of the whole answer.
pub(crate) async fn described(
    client: &aws_sdk_ecs::Client,
    revision: &str,
) -> Result<(DescribeTaskDefinitionOutput, String)> {
    let answer = Answer::default();
    let request = client.describe_task_definition().task_definition(revision);
    let request = request.include(TaskDefinitionField::Tags).customize().interceptor(answer.clone());
    let read = request.send().await.map_err(|error| DESCRIBE.failed(error))?;
    let text = answer.text.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(|| {
        Error::new(ErrorKind::Unexpected, "ecs:DescribeTaskDefinition: read the answer, which is no text")
    })?;
    Ok((read, text))
}

/// Keeps the body of an answer.
#[derive(Clone, Default)]
struct Answer {
    text: Arc<Mutex<Option<String>>>,
}

#[dyn_dispatch_hint]
impl Intercept for Answer {
    fn name(&self) -> &'static str {
        "keep the body of an answer"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) = body;
        Ok(())
    }
}

/// What is in it may be secret.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

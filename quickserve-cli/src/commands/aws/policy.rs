//! `aws policy`: the least that must be allowed to deploy a service and to run it, as policies of IAM.

use std::collections::BTreeMap;

use quickserve_aws::policy::{Place, Whose, document};
use quickserve_aws::preflight;

use crate::assemble;
use crate::cli::{Policy, Role};
use crate::failure::Failure;
use crate::output;
use crate::render::Reporter;
use crate::settings::Context;
use crate::target::Target;

impl Role {
    fn whose(self) -> Whose {
        match self {
            Self::Deployer => Whose::Deployer,
            Self::Execution => Whose::ExecutionRole,
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Deployer => "deployer",
            Self::Execution => "execution_role",
        }
    }
}

pub(super) async fn run(context: &Context, arguments: &Policy, reporter: &Reporter) -> Result<(), Failure> {
    let (target, project) = Target::find_to_look(context)?;
    let workload = assemble::workload(context, &project, &target.settings)?;
    let stage = target.stage_to_look(context, reporter).await?;
    let cloud = stage.need_cloud()?;
    let subject = cloud.subject(&target.settings, &workload, &BTreeMap::new(), true);
    let (place, unseen) = preflight::place(cloud.clients(), &subject).await?;
    for finding in unseen {
        reporter.caution(format!("the policies may lack something: {}", finding.message));
    }
    let text = match arguments.role {
        Some(role) => document(&subject, &place, role.whose())?,
        None => both(&subject, &place)?,
    };
    output::data_line(&text);
    Ok(())
}

/// Both in one object, each as it is printed alone.
fn both(subject: &preflight::Subject, place: &Place) -> Result<String, Failure> {
    let of = |role: Role| -> Result<String, Failure> {
        let policy = document(subject, place, role.whose())?;
        Ok(format!("  {:?}: {}", role.key(), policy.replace('\n', "\n  ")))
    };
    Ok(format!("{{\n{},\n{}\n}}", of(Role::Deployer)?, of(Role::Execution)?))
}

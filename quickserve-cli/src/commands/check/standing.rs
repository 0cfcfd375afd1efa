//! Facts that change by themselves, which are asked from the engine and the router.

use std::collections::BTreeMap;

use quickserve_check::Subject;
use quickserve_check::scanned::Deployed;
use quickserve_core::finding::{Code, Finding};
use quickserve_core::journal::Journal;
use quickserve_core::preflight::{self, Report};
use quickserve_core::workload::Workload;

use super::{on_engine, scanned};
use crate::assemble::{self, Draft};
use crate::cli::Check;
use crate::compose::Stage;
use crate::failure::Failure;
use crate::project::Project;
use crate::render::Reporter;
use crate::settings::Context;
use crate::target::Target;

/// Who is asked about facts that change, and for what.
pub(super) struct Asked {
    /// None where no image is named, before one is built: the rest can be looked at all the same.
    draft: Option<Draft>,
    /// What runs, whatever its images are.
    workload: Option<Workload>,
    /// What keeps the files from being a release.
    mistakes: Vec<Finding>,
    stage: Result<Stage, Failure>,
}

impl Asked {
    pub(super) async fn of(
        context: &Context,
        target: &Target,
        project: &Project,
        arguments: &Check,
        reporter: &Reporter,
    ) -> Self {
        let drafted = assemble::draft(context, project, &target.settings, &arguments.draft.image);
        let (draft, mistakes) = match drafted {
            Ok(draft) => (Some(draft), Vec::new()),
            Err(failure) => (None, failure.finished.findings),
        };
        let workload = match &draft {
            Some(draft) => Some(draft.workload.clone()),
            // What keeps it from being read is among the findings already.
            None => assemble::workload(context, project, &target.settings).ok(),
        };
        Self { draft, workload, mistakes, stage: target.stage_to_look(context, reporter).await }
    }

    /// Whether the values of this environment are looked at as a deployment looks at them.
    pub(super) fn looks_at_values(&self) -> bool {
        self.draft.is_some() && self.stage.is_ok()
    }
}

/// Facts that change by themselves: ports, images, secrets. What cannot be asked is a finding beside the others.
pub(super) async fn standing(target: &Target, asked: Asked, subject: Subject) -> Report {
    let Asked { draft, workload, mistakes, stage } = asked;
    let report = Report { passed: 0, findings: mistakes };
    let stage = match stage {
        Ok(stage) => stage,
        Err(failure) => {
            // What the references themselves say of digests is known without an engine.
            let references = draft.into_iter().flat_map(|draft| draft.references);
            let images = references.map(|(container, reference)| Deployed::named(&container, reference));
            let scanned = told(scanned(subject, images.collect()).await);
            return report.and(scanned).and(told(Err(failure)));
        }
    };
    let references = draft.as_ref().map(|draft| draft.references.clone()).unwrap_or_default();
    let (entrance, account, inside) = tokio::join!(
        stage.check_entrance(target),
        account(&stage, target, workload.as_ref(), &references),
        inside(&stage, target, draft, subject),
    );
    once(report.and(told(entrance.map_err(Failure::from))).and(account).and(inside))
}

/// Who is nobody to AWS is told so once, not by each that asked.
fn once(mut report: Report) -> Report {
    let nobody = report.findings.iter().find(|finding| finding.code == Code::AWS_IDENTITY).cloned();
    if let Some(nobody) = nobody.filter(|nobody| nobody.hint.is_some()) {
        report
            .findings
            .retain(|finding| finding.code != Code::PLATFORM_UNREACHABLE || finding.hint != nobody.hint);
    }
    report
}

/// What stands around the service, where it is in somebody's account.
async fn account(
    stage: &Stage,
    target: &Target,
    workload: Option<&Workload>,
    references: &BTreeMap<String, String>,
) -> Report {
    // Without a workload nothing is known of what it needs, and that is told.
    let Some(workload) = workload else { return Report::default() };
    let journal = stage.deployer.journal().await.ok();
    stage.check_account(&target.settings, workload, references, journal.as_ref().map(Journal::state)).await
}

/// What a release is made of.
async fn inside(stage: &Stage, target: &Target, draft: Option<Draft>, subject: Subject) -> Report {
    let Some(draft) = draft else { return Report::default() };
    let resolved = async {
        let registry = stage.registry(&draft.workload)?;
        preflight::resolve(registry.as_ref(), &draft.references).await
    };
    let (resolved, images) = match resolved.await {
        Ok(resolved) => resolved,
        Err(error) => (BTreeMap::new(), told(Err(error.into()))),
    };
    let (values, scanned, fit) = tokio::join!(
        draft.check(stage.secrets.as_ref(), &resolved),
        scanned(subject, on_engine(&resolved)),
        stage.check_images(&target.settings, &draft.workload, &resolved),
    );
    let parts = [values.map_err(Failure::from), scanned, fit.map_err(Failure::from)];
    let notes = Report { passed: 0, findings: draft.notes };
    parts.into_iter().map(told).fold(notes.and(images), Report::and)
}

/// What was found, or why it could not be.
fn told(report: Result<Report, Failure>) -> Report {
    report.unwrap_or_else(|failure| {
        let findings = failure.finished.findings.clone();
        let findings = if findings.is_empty() { vec![unreachable(&failure)] } else { findings };
        Report { passed: 0, findings }
    })
}

/// Without an engine, ports and images are unknown: that is said, and refuses here as it would refuse a deployment.
fn unreachable(failure: &Failure) -> Finding {
    let cause = failure.finished.cause.as_ref();
    let message = cause.map_or("the platform cannot be asked", |cause| &cause.message);
    let finding = Finding::error(Code::PLATFORM_UNREACHABLE, message);
    match cause.and_then(|cause| cause.hint.clone()) {
        Some(hint) => finding.with_hint(hint),
        None => finding,
    }
}

//! QS503: a base image that can be another one tomorrow.

use std::collections::BTreeSet;

use quickserve_core::document::Span;
use quickserve_core::finding::{Code, Finding};

use super::Judge;
use crate::dockerfile::image::Image;
use crate::dockerfile::instruction::Body;
use crate::dockerfile::stages::{Base, Dockerfile};

/// Every image that the file names, once, with the place that matters most: the final image's own base.
pub(super) fn images(dockerfile: &Dockerfile) -> Vec<(&str, &Span, bool)> {
    let last: BTreeSet<usize> = dockerfile.final_indices().into_iter().collect();
    let mut seen = BTreeSet::new();
    let named = |index: usize| match &dockerfile.stages[index].base {
        Base::Image(name) => Some((&**name, &dockerfile.stages[index].image.span, last.contains(&index))),
        Base::Stage(_) | Base::Scratch | Base::Unknown => None,
    };
    let (kept, others): (Vec<_>, Vec<_>) =
        (0..dockerfile.stages.len()).filter_map(named).partition(|(_, _, is_final)| *is_final);
    let mut images: Vec<_> = kept.into_iter().chain(others).filter(|(name, ..)| seen.insert(*name)).collect();
    images.sort_by_key(|(_, span, _)| span.start);
    images
}

pub(super) fn unpinned(judge: &Judge<'_>) -> Vec<Finding> {
    let dockerfile = judge.dockerfile;
    let mut images: Vec<(&str, &Span)> =
        images(dockerfile).into_iter().map(|(name, span, _)| (name, span)).collect();
    for (index, _, instruction) in judge.all() {
        let Body::Copy { sources, .. } = &instruction.body else { continue };
        let Some(from) = instruction.flag("from").filter(|from| !from.is_empty() && !from.contains('$'))
        else {
            continue;
        };
        let is_stage =
            dockerfile.stages.iter().take(index).enumerate().any(|(at, stage)| stage.is_called(at, from));
        let is_known =
            is_stage || from.parse::<usize>().is_ok() || images.iter().any(|(name, _)| *name == from);
        // `FROM base` and `--from=context` look alike: one without a tag and a slash is rather a named context.
        if !is_known && from.contains(['/', ':']) && !sources.is_empty() {
            let flag = instruction.flags.iter().find(|flag| flag.name == "from");
            images.extend(flag.map(|flag| (from, &flag.span)));
        }
    }
    images.into_iter().filter_map(|(name, span)| judge_image(judge, name, span)).collect()
}

fn judge_image(judge: &Judge<'_>, name: &str, span: &Span) -> Option<Finding> {
    let image = Image::new(name);
    if image.digest.is_some() {
        return None;
    }
    let file = judge.file();
    Some(match image.tag {
        None | Some("latest") => {
            let what = if image.tag.is_some() { "" } else { " without a tag, which is latest" };
            let message = format!("base {name}{what} can be another image with every build");
            let hint = "name a version, and its digest: docker buildx imagetools inspect IMAGE";
            file.warning(Code::UNPINNED_BASE, span, message).with_hint(hint)
        }
        Some(_) => {
            let message = format!("base {name} has no digest: its tag can be moved");
            let hint = format!("pin it: docker buildx imagetools inspect {name} shows the digest");
            file.info(Code::UNPINNED_BASE, span, message).with_hint(hint)
        }
    })
}

//! SSM's parameters.

use std::collections::BTreeMap;

use aws_sdk_ssm::types::ParameterStringFilter;
use quickserve_core::{Error, ErrorKind, Result};

use super::source::ParameterRef;
use crate::clients::Clients;
use crate::error::{Call, call};
use quickserve_core::document::near;

const DESCRIBE: Call = call("ssm", "DescribeParameters");
/// SSM documentation, `ParameterStringFilter`: at most 50 values.
const AT_ONCE: usize = 50;

/// A parameter without its value.
#[derive(Debug, Clone)]
pub(crate) struct Described {
    pub(crate) arn: String,
    pub(crate) version: i64,
}

/// Looks at parameters without their values: those that exist, by name.
pub(crate) async fn describe(
    clients: &Clients,
    wanted: &[&ParameterRef],
) -> Result<BTreeMap<ParameterRef, Described>> {
    let mut regions: BTreeMap<Option<&str>, Vec<&ParameterRef>> = BTreeMap::new();
    for parameter in wanted {
        regions.entry(parameter.region.as_deref()).or_default().push(parameter);
    }
    let mut found = BTreeMap::new();
    for (region, wanted) in regions {
        let clients = region.map_or_else(|| clients.clone(), |region| clients.in_region(region));
        for some in wanted.chunks(AT_ONCE) {
            // In the ARN a name without a hierarchy looks like one with.
            let names = some.iter().flat_map(|it| [Some(it.name.clone()), bare(&it.name)]).flatten();
            let described = by_name(&clients, names.collect()).await?;
            for parameter in some {
                let it = described.get(&parameter.name).or_else(|| described.get(&bare(&parameter.name)?));
                if let Some(it) = it {
                    found.insert((*parameter).clone(), it.clone());
                }
            }
        }
    }
    Ok(found)
}

/// `/db` and `db` have the same ARN.
fn bare(name: &str) -> Option<String> {
    match name.strip_prefix('/') {
        Some(rest) if !rest.contains('/') => Some(rest.to_owned()),
        Some(_) => None,
        None if name.contains('/') => None,
        None => Some(format!("/{name}")),
    }
}

async fn by_name(clients: &Clients, mut names: Vec<String>) -> Result<BTreeMap<String, Described>> {
    names.sort();
    names.dedup();
    let mut found = BTreeMap::new();
    for names in names.chunks(AT_ONCE) {
        let filter = ParameterStringFilter::builder()
            .key("Name")
            .option("Equals")
            .set_values(Some(names.to_vec()))
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Unexpected, "ask SSM for parameters").with_source(error)
            })?;
        let mut pages = clients.ssm().describe_parameters().parameter_filters(filter).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| DESCRIBE.failed(error))?;
            for parameter in page.parameters() {
                let (Some(name), Some(arn)) = (parameter.name(), parameter.arn()) else { continue };
                found
                    .insert(name.to_owned(), Described { arn: arn.to_owned(), version: parameter.version() });
            }
        }
    }
    Ok(found)
}

/// The error of a parameter that does not exist.
pub(crate) async fn missing(clients: &Clients, parameter: &ParameterRef) -> Error {
    let region = parameter.region.as_deref().or(clients.region()).unwrap_or("this region");
    let error = Error::new(ErrorKind::NotFound, format!("find parameter {} in {region}", parameter.name));
    let close = similar(clients, parameter).await;
    if close.is_empty() { error } else { error.with_hint(format!("did you mean {}", close.join(", "))) }
}

/// Names that are near, of a first page.
pub(crate) async fn similar(clients: &Clients, parameter: &ParameterRef) -> Vec<String> {
    let clients =
        parameter.region.as_deref().map_or_else(|| clients.clone(), |region| clients.in_region(region));
    let Ok(answer) = clients.ssm().describe_parameters().max_results(50).send().await else {
        return Vec::new();
    };
    near(&parameter.name, answer.parameters().iter().filter_map(|it| it.name()))
}

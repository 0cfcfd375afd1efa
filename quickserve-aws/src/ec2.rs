//! EC2, for the one thing that is asked of it: how many addresses are left in subnets.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use object_store::aws::AwsAuthorizer;
use object_store::client::HttpRequest;
use quickserve_core::clock::SystemClock;
use quickserve_core::{Error, ErrorKind, Result};
use serde::Deserialize;

use crate::clients::Clients;
use crate::error::{Call, call, failed_to};
use crate::signed::{Credentials, Service, Wire, endpoint};

const DESCRIBE: Call = call("ec2", "DescribeSubnets");
/// The version of the API, which every request names.
const VERSION: &str = "2016-11-15";

/// EC2 API reference, `DescribeSubnets`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Described {
    #[serde(rename = "subnetSet")]
    subnets: Subnets,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Subnets {
    item: Vec<Subnet>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subnet {
    subnet_id: String,
    available_ip_address_count: u64,
}

/// EC2 API reference, "Error responses".
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Refusal {
    errors: Refusals,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Refusals {
    error: Said,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Said {
    code: String,
    message: String,
}

/// The free addresses of those of the subnets that there are.
pub(crate) async fn free_addresses(clients: &Clients, subnets: &[String]) -> Result<BTreeMap<String, u64>> {
    let sdk = clients.sdk();
    let region = clients.region().ok_or_else(|| Error::new(ErrorKind::Invalid, "find the AWS region"))?;
    let endpoint = endpoint(sdk, Service::Ec2, region)?;
    let provider = sdk.credentials_provider().ok_or_else(|| {
        Error::new(ErrorKind::Invalid, "reach EC2: the SdkConfig has no credentials provider")
    })?;
    let unsigned =
        |error: &(dyn std::error::Error + 'static)| failed_to(format!("sign {}", DESCRIBE.text()), error);
    // A filter leaves out what is not there, where a list of ids would fail for all.
    let named = subnets.iter().zip(1..).map(|(subnet, number)| format!("&Filter.1.Value.{number}={subnet}"));
    let named: String = named.collect();
    let query = format!("Action=DescribeSubnets&Version={VERSION}&Filter.1.Name=subnet-id{named}");
    let request = http::Request::builder().uri(format!("{endpoint}/?{query}")).body(Bytes::new());
    let mut request: HttpRequest = request.map_err(|error| unsigned(&error))?.map(Into::into);
    let credential = Credentials::new(Service::Ec2, provider, Arc::new(SystemClock)).get().await?;
    AwsAuthorizer::new(&credential, Service::Ec2.name(), region)
        .try_authorize(&mut request, None)
        .map_err(|error| unsigned(&error))?;
    let wire = Wire::new(sdk, Service::Ec2, &endpoint)?;
    let answer = wire.send(DESCRIBE, request.map(|_| Bytes::new())).await?;
    if answer.status().is_success() {
        return read(answer.body());
    }
    let Said { code, message } =
        quick_xml::de::from_reader::<_, Refusal>(answer.body().as_ref()).unwrap_or_default().errors.error;
    let code = if code.is_empty() { format!("HTTP status {}", answer.status().as_u16()) } else { code };
    Err(DESCRIBE.refused(&code, Some(&message)))
}

fn read(body: &[u8]) -> Result<BTreeMap<String, u64>> {
    let described: Described = quick_xml::de::from_reader(body)
        .map_err(|error| failed_to(format!("{}: read the answer", DESCRIBE.text()), &error))?;
    let subnets = described.subnets.item.into_iter();
    Ok(subnets.map(|subnet| (subnet.subnet_id, subnet.available_ip_address_count)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_with_all_that_is_not_asked_for() {
        let answer = r#"<?xml version="1.0" encoding="UTF-8"?>
            <DescribeSubnetsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>1</requestId><subnetSet>
            <item><subnetId>subnet-1</subnetId><state>available</state><availableIpAddressCount>251</availableIpAddressCount>
            <tagSet><item><key>Name</key><value>a</value></item></tagSet></item>
            <item><subnetId>subnet-2</subnetId><availableIpAddressCount>0</availableIpAddressCount></item>
            </subnetSet></DescribeSubnetsResponse>"#;
        let free = read(answer.as_bytes()).expect("subnets");
        assert_eq!(free, BTreeMap::from([("subnet-1".into(), 251), ("subnet-2".into(), 0)]));
        assert!(
            read(b"<DescribeSubnetsResponse><subnetSet/></DescribeSubnetsResponse>")
                .expect("none")
                .is_empty()
        );
    }
}

//! What an answer of S3 means, where it is no success.

use bytes::Bytes;
use http::{Response, StatusCode};
use quickserve_core::{Error, ErrorKind};
use serde::Deserialize;

use crate::error::Call;

/// An error document. S3 API reference, "Error responses".
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Said {
    code: String,
    message: String,
    region: Option<String>,
}

/// The error of an answer. None for a success, and for what is judged by its status: an object or a setting that is not
/// there (404), one that is there already (412, 409), one that has not changed (304).
pub(super) fn error(call: Call, bucket: &str, region: &str, answer: &Response<Bytes>) -> Option<Error> {
    let status = answer.status();
    if status.is_success() {
        return None;
    }
    let said: Said = quick_xml::de::from_reader(answer.body().as_ref()).unwrap_or_default();
    match (status, said.code.as_str()) {
        (StatusCode::NOT_FOUND, "NoSuchBucket") => Some(
            Error::new(ErrorKind::NotFound, format!("{}: there is no bucket {bucket}", call.text())).with_hint(format!(
                "make it (quickserve aws bootstrap s3://{bucket}), or correct `journal` in quickserve.toml"
            )),
        ),
        (
            StatusCode::NOT_FOUND
            | StatusCode::NOT_MODIFIED
            | StatusCode::PRECONDITION_FAILED
            | StatusCode::CONFLICT,
            _,
        ) => None,
        _ => Some(elsewhere(call, bucket, region, answer, &said).unwrap_or_else(|| refused(call, bucket, status, &said))),
    }
}

/// The error of a bucket in another region. S3 user guide, "Making requests": an answer names the bucket's own.
fn elsewhere(call: Call, bucket: &str, asked: &str, answer: &Response<Bytes>, said: &Said) -> Option<Error> {
    let header = answer.headers().get("x-amz-bucket-region").and_then(|region| region.to_str().ok());
    let own = header.or(said.region.as_deref());
    let strays = answer.status().is_redirection()
        || matches!(
            said.code.as_str(),
            "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException"
        );
    let call = call.text();
    match own.filter(|own| *own != asked) {
        Some(own) if strays || header.is_some() => Some(
            Error::new(
                ErrorKind::Invalid,
                format!("{call}: the bucket {bucket} is in {own}, and was asked for in {asked}"),
            )
            .with_hint(format!("say where it is: s3://{bucket}/<prefix>?region={own}")),
        ),
        _ if answer.status().is_redirection() => Some(
            Error::new(
                ErrorKind::Invalid,
                format!("{call}: the bucket {bucket} is not where it was asked for ({asked})"),
            )
            .with_hint(format!(
                "aws s3api get-bucket-location --bucket {bucket} names its region; a bucket that was just made takes minutes"
            )),
        ),
        _ => None,
    }
}

fn refused(call: Call, bucket: &str, status: StatusCode, said: &Said) -> Error {
    let passes = status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    // A proxy or load balancer in front of S3 knows none of its codes.
    let number = format!("HTTP status {}", status.as_u16());
    let code = match said.code.as_str() {
        "" if status == StatusCode::FORBIDDEN => "AccessDenied",
        "" if passes => "ServiceUnavailable",
        "" => &number,
        code => code,
    };
    let error = call.refused(code, Some(&said.message));
    if code == "AccessDenied"
        && call.name == "GetObject"
        && !said.message.contains("not authorized to perform")
    {
        return error.with_hint(format!(
            "allow s3:GetObject on the objects and s3:ListBucket on the bucket {bucket}: without the second S3 answers so for an object that is not there"
        ));
    }
    if passes { error.temporary() } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::call;

    fn told(name: &'static str, status: u16, headers: &[(&str, &str)], body: &str) -> Option<Error> {
        let mut answer = Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        let answer = answer.body(Bytes::from(body.to_owned())).expect("an answer");
        error(call("s3", name), "acme-deploy", "us-east-1", &answer)
    }

    fn document(code: &str, message: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>{message}</Message><RequestId>1</RequestId></Error>"
        )
    }

    #[test]
    fn what_a_store_judges_by_its_status_is_left_to_it() {
        for (status, code) in
            [(404, "NoSuchKey"), (412, "PreconditionFailed"), (409, "ConditionalRequestConflict")]
        {
            assert!(told("PutObject", status, &[], &document(code, "x")).is_none(), "{code}");
        }
        assert!(told("GetObject", 200, &[], "").is_none());
    }

    #[test]
    fn a_bucket_that_is_not_there_is_told_from_an_object() {
        let error = told("PutObject", 404, &[], &document("NoSuchBucket", "x")).expect("an error");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.to_string(), "s3:PutObject: there is no bucket acme-deploy");
        assert!(error.hint().expect("a hint").contains("quickserve aws bootstrap s3://acme-deploy"));
    }

    #[test]
    fn a_bucket_in_another_region_is_named_with_it() {
        let header = [("x-amz-bucket-region", "eu-west-1")];
        let moved =
            document("PermanentRedirect", "The bucket you are attempting to access must be addressed ...");
        let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>m</Message><Region>eu-west-1</Region></Error>";
        for (status, headers, body) in [(301, &header[..], moved.as_str()), (400, &[], malformed)] {
            let error = told("GetObject", status, headers, body).expect("an error");
            let message =
                "s3:GetObject: the bucket acme-deploy is in eu-west-1, and was asked for in us-east-1";
            assert_eq!(error.to_string(), message);
            assert_eq!(error.hint(), Some("say where it is: s3://acme-deploy/<prefix>?region=eu-west-1"));
        }
    }

    #[test]
    fn a_missing_right_is_named() {
        let denied = document("AccessDenied", "Access Denied");
        let put = told("PutObject", 403, &[], &denied).expect("an error");
        assert_eq!(put.kind(), ErrorKind::PermissionDenied);
        assert!(put.hint().expect("a hint").starts_with("allow s3:PutObject "));
        let get = told("GetObject", 403, &[], &denied).expect("an error");
        assert!(get.hint().expect("a hint").contains("s3:ListBucket"));
        let key =
            "User: arn:aws:iam::1:user/ci is not authorized to perform: kms:GenerateDataKey on resource: k";
        let key = told("PutObject", 403, &[], &document("AccessDenied", key)).expect("an error");
        assert!(key.hint().expect("a hint").starts_with("allow kms:GenerateDataKey "));
    }

    #[test]
    fn what_may_pass_is_temporary() {
        for (status, body) in [(503, document("SlowDown", "x")), (500, String::new()), (429, String::new())] {
            assert!(told("PutObject", status, &[], &body).expect("an error").is_temporary(), "{status}");
        }
        let expired = told("PutObject", 400, &[], &document("ExpiredToken", "x")).expect("an error");
        assert!(expired.hint().expect("a hint").contains("log in again"));
    }
}

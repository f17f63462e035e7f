//! Presigned uploads: one object, one time, and of what was declared.
//!
//! `If-None-Match: *` is a signed header, so that a grant cannot overwrite. The length and the SHA-256 of what was declared are
//! signed as well: the service refuses a body of another length, and compares its hash before it takes it
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>).

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::S3;
use super::sign::{Signed, UNSIGNED};
use crate::remote::{GrantRequest, UploadGrant};

/// The longest grant.
const LONGEST_GRANT: Duration = Duration::from_secs(24 * 3600);

impl S3 {
    /// A permission to create one object until some time after `now`.
    pub(super) fn grant(&self, request: &GrantRequest, now: SystemTime) -> UploadGrant {
        self.grant_with_canonical(request, now).1
    }

    /// The same behind the canonical request that it signs.
    fn grant_with_canonical(&self, request: &GrantRequest, now: SystemTime) -> (String, UploadGrant) {
        let valid_for = request.valid_for.min(LONGEST_GRANT);
        let path = self.path(Some(request.key.as_str()));
        let headers = headers(request);
        let signed = Signed {
            method: "PUT",
            host: &self.host,
            path: &path,
            query: &BTreeMap::new(),
            headers: headers.clone(),
            body_hash: UNSIGNED,
        };
        let (canonical, query) = self.signer.presigned(signed, valid_for.as_secs().max(1), now);
        let url = format!("{}://{}{path}?{query}", self.scheme, self.host);
        (canonical, UploadGrant { url, method: "PUT", headers, expires: now + valid_for })
    }
}

/// What has to come with the bytes.
fn headers(request: &GrantRequest) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::from([("if-none-match".to_owned(), "*".to_owned())]);
    if let Some(declared) = &request.declared {
        headers.insert("content-length".to_owned(), declared.length_bytes.to_string());
        let sum = data_encoding::BASE64.encode(&declared.sha256);
        headers.insert("x-amz-checksum-sha256".to_owned(), sum);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::RemoteAddress;
    use crate::credential::RemoteCredential;
    use crate::http::{Http, HttpOptions};
    use crate::name::Key;
    use crate::remote::Declared;

    fn bucket() -> S3 {
        let (address, _) = RemoteAddress::parse("s3://photos/below?region=eu-central-1").unwrap();
        let RemoteAddress::S3(address) = address else { unreachable!("an address of S3") };
        let keys =
            "access_key_id=AKIAIOSFODNN7EXAMPLE\nsecret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let keys = RemoteCredential::parse(keys).unwrap();
        S3::new(&address, Some(keys), Http::new(&HttpOptions::default()).unwrap()).unwrap()
    }

    #[test]
    fn a_grant_signs_that_nothing_is_overwritten_the_length_and_the_hash() {
        let request = GrantRequest {
            key: Key::parse("inbox/abc/def").unwrap(),
            valid_for: Duration::from_secs(600),
            at_most_bytes: 1 << 20,
            declared: Some(Declared { length_bytes: 12_345, sha256: [7; 32] }),
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600);
        let (canonical, grant) = bucket().grant_with_canonical(&request, now);
        let signed_headers = "content-length;host;if-none-match;x-amz-checksum-sha256";
        let expected = [
            "PUT",
            "/below/inbox/abc/def",
            "X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Feu-central-1%2Fs3%2Faws4_request\
             &X-Amz-Date=20130524T000000Z&X-Amz-Expires=600\
             &X-Amz-SignedHeaders=content-length%3Bhost%3Bif-none-match%3Bx-amz-checksum-sha256",
            "content-length:12345",
            "host:photos.s3.eu-central-1.amazonaws.com",
            "if-none-match:*",
            "x-amz-checksum-sha256:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
            "",
            signed_headers,
            "UNSIGNED-PAYLOAD",
        ];
        assert_eq!(canonical, expected.join("\n"));
        assert_eq!(grant.expires, now + Duration::from_secs(600));
        assert_eq!(grant.headers.len(), 3);
        assert!(
            grant.url.starts_with("https://photos.s3.eu-central-1.amazonaws.com/below/inbox/abc/def?X-Amz-")
        );
    }

    #[test]
    fn another_length_another_name_and_no_condition_are_another_signature() {
        let declared = Declared { length_bytes: 5, sha256: [0; 32] };
        let request = GrantRequest {
            key: Key::parse("a").unwrap(),
            valid_for: Duration::from_secs(60),
            at_most_bytes: 5,
            declared: Some(declared),
        };
        let (bucket, now) = (bucket(), SystemTime::UNIX_EPOCH);
        let signature = |request: &GrantRequest| {
            let url = bucket.grant(request, now).url;
            url.split_once("X-Amz-Signature=").map(|(_, signature)| signature.to_owned()).unwrap()
        };
        let longer = Declared { length_bytes: 6, ..declared };
        let others = [
            GrantRequest { key: Key::parse("b").unwrap(), ..request.clone() },
            GrantRequest { declared: Some(longer), ..request.clone() },
            GrantRequest { declared: None, ..request.clone() },
        ];
        assert!(others.iter().all(|other| signature(other) != signature(&request)));
    }
}

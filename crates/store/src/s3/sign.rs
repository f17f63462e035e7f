//! AWS Signature Version 4, as far as object storage needs it
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html>).

use std::collections::BTreeMap;
use std::time::SystemTime;

use aws_lc_rs::{digest, hmac};
use zeroize::Zeroizing;

use crate::credential::SecretText;
use crate::http::encode;

/// What stands for the hash of a body that is not hashed; TLS guards it.
pub(super) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// A pair of keys and the region that they sign for.
#[derive(Debug, Clone)]
pub(super) struct Signer {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: SecretText,
    pub(super) session_token: Option<SecretText>,
    pub(super) region: String,
}

/// What of a request is signed.
pub(super) struct Signed<'a> {
    pub(super) method: &'static str,
    pub(super) host: &'a str,
    /// Encoded, with its leading slash.
    pub(super) path: &'a str,
    /// Decoded names and values.
    pub(super) query: &'a BTreeMap<String, String>,
    /// Small names and values; `host` and those of the signature are added.
    pub(super) headers: BTreeMap<String, String>,
    /// SHA-256 of the body in hex, or [`UNSIGNED`].
    pub(super) body_hash: &'a str,
}

impl Signer {
    /// The headers to send: those given, and the signature's.
    pub(super) fn headers(&self, mut signed: Signed<'_>, now: SystemTime) -> BTreeMap<String, String> {
        let (moment, day) = dates(now);
        signed.headers.insert("host".to_owned(), signed.host.to_owned());
        signed.headers.insert("x-amz-content-sha256".to_owned(), signed.body_hash.to_owned());
        signed.headers.insert("x-amz-date".to_owned(), moment.clone());
        if let Some(token) = &self.session_token {
            signed.headers.insert("x-amz-security-token".to_owned(), token.expose().to_owned());
        }
        let scope = self.scope(&day);
        let signature = self.signature(&signed, &moment, &day, &scope);
        let names = names(&signed.headers);
        let mut headers = signed.headers;
        headers.insert(
            "authorization".to_owned(),
            format!(
                "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
                self.access_key_id
            ),
        );
        headers
    }

    /// The query of an address that may be used without keys for some seconds, behind the canonical request that it signs.
    pub(super) fn presigned(
        &self,
        mut signed: Signed<'_>,
        seconds: u64,
        now: SystemTime,
    ) -> (String, String) {
        let (moment, day) = dates(now);
        let scope = self.scope(&day);
        signed.headers.insert("host".to_owned(), signed.host.to_owned());
        let mut query = signed.query.clone();
        query.insert("X-Amz-Algorithm".to_owned(), "AWS4-HMAC-SHA256".to_owned());
        query.insert("X-Amz-Credential".to_owned(), format!("{}/{scope}", self.access_key_id));
        query.insert("X-Amz-Date".to_owned(), moment.clone());
        query.insert("X-Amz-Expires".to_owned(), seconds.to_string());
        query.insert("X-Amz-SignedHeaders".to_owned(), names(&signed.headers));
        if let Some(token) = &self.session_token {
            query.insert("X-Amz-Security-Token".to_owned(), token.expose().to_owned());
        }
        let canonical = canonical_request(&Signed { query: &query, ..signed });
        let signature = self.signature_of(&canonical, &moment, &day, &scope);
        (canonical, format!("{}&X-Amz-Signature={signature}", query_text(&query)))
    }

    fn scope(&self, day: &str) -> String {
        format!("{day}/{}/s3/aws4_request", self.region)
    }

    fn signature(&self, signed: &Signed<'_>, moment: &str, day: &str, scope: &str) -> String {
        self.signature_of(&canonical_request(signed), moment, day, scope)
    }

    fn signature_of(&self, canonical: &str, moment: &str, day: &str, scope: &str) -> String {
        let to_sign = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}", sha256_hex(canonical.as_bytes()));
        let secret = Zeroizing::new(format!("AWS4{}", self.secret_access_key.expose()));
        let mut key = Zeroizing::new(secret.as_bytes().to_vec());
        for part in [day, &self.region, "s3", "aws4_request"] {
            key = Zeroizing::new(mac(&key, part.as_bytes()));
        }
        data_encoding::HEXLOWER.encode(&mac(&key, to_sign.as_bytes()))
    }
}

/// What is signed of a request, as the service writes it down for itself.
fn canonical_request(signed: &Signed<'_>) -> String {
    let headers: String =
        signed.headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    [
        signed.method,
        signed.path,
        &query_text(signed.query),
        &headers,
        &names(&signed.headers),
        signed.body_hash,
    ]
    .join("\n")
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}

pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn names(headers: &BTreeMap<String, String>) -> String {
    headers.keys().map(String::as_str).collect::<Vec<_>>().join(";")
}

/// The query in the order and encoding that signatures ask for.
pub(super) fn query_text(query: &BTreeMap<String, String>) -> String {
    let mut pairs: Vec<String> =
        query.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.sort();
    pairs.join("&")
}

/// The moment and the day, as signatures write them.
fn dates(now: SystemTime) -> (String, String) {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let timestamp =
        jiff::Timestamp::from_second(i64::try_from(seconds).unwrap_or(i64::MAX)).unwrap_or_default();
    (timestamp.strftime("%Y%m%dT%H%M%SZ").to_string(), timestamp.strftime("%Y%m%d").to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The keys and the moment of Amazon's own examples.
    fn example() -> (Signer, SystemTime) {
        let signer = Signer {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: SecretText::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            session_token: None,
            region: "us-east-1".to_owned(),
        };
        (signer, SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600))
    }

    #[test]
    fn a_ranged_get_is_signed_as_amazons_example() {
        let (signer, now) = example();
        let headers = signer.headers(
            Signed {
                method: "GET",
                host: "examplebucket.s3.amazonaws.com",
                path: "/test.txt",
                query: &BTreeMap::new(),
                headers: BTreeMap::from([("range".to_owned(), "bytes=0-9".to_owned())]),
                body_hash: &sha256_hex(b""),
            },
            now,
        );
        let authorization = headers.get("authorization").expect("signed");
        assert!(
            authorization.ends_with("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
            "{authorization}"
        );
    }

    #[test]
    fn a_presigned_get_is_signed_as_amazons_example() {
        let (signer, now) = example();
        let (_, query) = signer.presigned(
            Signed {
                method: "GET",
                host: "examplebucket.s3.amazonaws.com",
                path: "/test.txt",
                query: &BTreeMap::new(),
                headers: BTreeMap::new(),
                body_hash: UNSIGNED,
            },
            86_400,
            now,
        );
        assert!(
            query.ends_with(
                "X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
            ),
            "{query}"
        );
    }
}

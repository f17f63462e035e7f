//! The proof that a client holds the key of its certificate: a signed statement for Entra ID.
//!
//! `PS256` with the SHA-256 thumbprint, as
//! <https://learn.microsoft.com/entra/identity-platform/certificate-credentials> asks for.

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use zeroize::Zeroizing;

use crate::credential::SecretText;

/// How long the statement holds.
const VALIDITY: Duration = Duration::from_secs(600);

/// Signs the statement with the certificate and key in a PEM file.
pub(super) fn assertion(
    pem: &str,
    client_id: &str,
    audience: &str,
    now: SystemTime,
) -> Result<SecretText, &'static str> {
    let certificate = section(pem, "CERTIFICATE").ok_or("no certificate in it (PEM)")?;
    let key = match (section(pem, "PRIVATE KEY"), section(pem, "RSA PRIVATE KEY")) {
        (Some(key), _) => RsaKeyPair::from_pkcs8(&key),
        (None, Some(key)) => RsaKeyPair::from_der(&key),
        (None, None) if pem.contains("ENCRYPTED") => {
            return Err("its key is encrypted; store it without a password");
        }
        (None, None) => return Err("no private key in it (PEM)"),
    };
    let key = key.map_err(|_| "its private key is no RSA key")?;
    let thumbprint = BASE64URL_NOPAD.encode(digest::digest(&digest::SHA256, &certificate).as_ref());
    let header = serde_json::json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint });
    let seconds =
        |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| "the system has no random bytes")?;
    let claims = serde_json::json!({
        "aud": audience,
        "iss": client_id,
        "sub": client_id,
        "jti": BASE64URL_NOPAD.encode(&random),
        "nbf": seconds(now),
        "iat": seconds(now),
        "exp": seconds(now + VALIDITY),
    });
    let part = |value: &serde_json::Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let statement = format!("{}.{}", part(&header), part(&claims));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), statement.as_bytes(), &mut signature)
        .map_err(|_| "its private key cannot sign")?;
    Ok(SecretText::new(format!("{statement}.{}", BASE64URL_NOPAD.encode(&signature))))
}

/// The first section of a name in a PEM file.
fn section(pem: &str, name: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (_, rest) = pem.split_once(&format!("-----BEGIN {name}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {name}-----"))?;
    let body: Zeroizing<String> = Zeroizing::new(body.split_whitespace().collect());
    BASE64.decode(body.as_bytes()).ok().map(Zeroizing::new)
}

//! Addresses of relayed uploads: what may be sent stands in the address itself, under a MAC, so that any gateway can check it
//! and none has to remember it.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_lc_rs::hmac;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use safelight_crypto::SigningKey;
use safelight_store::{Declared, Key};
use serde::{Deserialize, Serialize};

/// What the key of the MAC is derived for.
const PURPOSE: &[u8] = b"safelight gateway/1 relayed upload";
/// The longest ticket that is looked at.
const MOST_CHARS: usize = 4_096;

/// What one relayed upload may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) key: Key,
    /// What was declared of it.
    pub(crate) declared: Option<Declared>,
    /// The id of the token that it was granted to.
    pub(crate) token: String,
    pub(crate) expires: SystemTime,
}

#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(rename = "k")]
    key: String,
    #[serde(rename = "n", skip_serializing_if = "Option::is_none", default)]
    length_bytes: Option<u64>,
    #[serde(rename = "h", skip_serializing_if = "Option::is_none", default)]
    sha256: Option<String>,
    #[serde(rename = "t")]
    token: String,
    #[serde(rename = "e")]
    expires: u64,
}

/// Writes and checks tickets.
pub(crate) struct Tickets {
    key: hmac::Key,
}

impl fmt::Debug for Tickets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Tickets(..)")
    }
}

impl Tickets {
    /// The same for all gateways over one token file.
    pub(crate) fn of(signing_key: &SigningKey) -> Self {
        let seed = hmac::Key::new(hmac::HMAC_SHA256, &*signing_key.seed_bytes());
        let derived = hmac::sign(&seed, PURPOSE);
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()) }
    }

    pub(crate) fn write(&self, ticket: &Ticket) -> serde_json::Result<String> {
        let since = ticket.expires.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let bytes = serde_json::to_vec(&Written {
            key: ticket.key.as_str().to_owned(),
            length_bytes: ticket.declared.map(|declared| declared.length_bytes),
            sha256: ticket.declared.map(|declared| HEXLOWER.encode(&declared.sha256)),
            token: ticket.token.clone(),
            expires: since.as_secs(),
        })?;
        let mac = hmac::sign(&self.key, &bytes);
        Ok(format!("{}.{}", BASE64URL_NOPAD.encode(&bytes), BASE64URL_NOPAD.encode(mac.as_ref())))
    }

    /// Reads a ticket of ours that has not expired.
    pub(crate) fn read(&self, text: &str, now: SystemTime) -> Option<Ticket> {
        let (bytes, mac) = text.split_once('.').filter(|_| text.len() <= MOST_CHARS)?;
        let bytes = BASE64URL_NOPAD.decode(bytes.as_bytes()).ok()?;
        let mac = BASE64URL_NOPAD.decode(mac.as_bytes()).ok()?;
        hmac::verify(&self.key, &bytes, &mac).ok()?;
        let written: Written = serde_json::from_slice(&bytes).ok()?;
        let expires = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(written.expires))?;
        let declared = match (written.length_bytes, written.sha256) {
            (Some(length_bytes), Some(sha256)) => {
                let sha256 = HEXLOWER.decode(sha256.as_bytes()).ok()?.try_into().ok()?;
                Some(Declared { length_bytes, sha256 })
            }
            _ => None,
        };
        let key = Key::parse(&written.key).ok()?;
        (now < expires).then_some(Ticket { key, declared, token: written.token, expires })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use safelight_crypto::SeededEntropy;

    use super::*;

    fn tickets(seed: u64) -> Tickets {
        Tickets::of(&SigningKey::generate(&mut SeededEntropy::new(seed)))
    }

    fn ticket() -> Ticket {
        Ticket {
            key: Key::parse("inbox/abc/def").unwrap(),
            declared: Some(Declared { length_bytes: 7, sha256: [9; 32] }),
            token: "abcdefgh".to_owned(),
            expires: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_600),
        }
    }

    #[test]
    fn a_ticket_is_read_by_every_gateway_of_the_file_until_it_expires_and_by_nobody_else() {
        let written = tickets(1).write(&ticket()).unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        assert_eq!(tickets(1).read(&written, now), Some(ticket()));
        assert_eq!(tickets(1).read(&written, now + Duration::from_secs(600)), None);
        assert_eq!(tickets(2).read(&written, now), None);
    }

    proptest! {
        #[test]
        fn a_ticket_that_was_changed_anywhere_is_none(at in 0_usize..200, to in 0_u8..128) {
            let written = tickets(1).write(&ticket()).unwrap();
            let mut bytes = written.clone().into_bytes();
            let at = at % bytes.len();
            bytes[at] = to;
            let changed = String::from_utf8(bytes).unwrap();
            prop_assume!(changed != written);
            prop_assert_eq!(tickets(1).read(&changed, SystemTime::UNIX_EPOCH), None);
        }
    }
}

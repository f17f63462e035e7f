//! What all remotes that speak HTTP share: one client, bodies that stream, a watchdog, errors by meaning.
//!
//! Invariants: nothing of a request's address beyond the question mark, and no header of it, is ever in an
//! error or in a trace; there is no limit on how long a whole request takes, only on how long it stands still
//! (a 32 MiB part on a slow uplink takes minutes and is fine).

mod body;
mod client;
mod failure;
mod xml;

pub(crate) use body::{BodyReader, Progress, SENT};
pub use client::HttpOptions;
pub(crate) use client::{Http, NetworkFault, Reply};
pub use failure::Refusal;
pub(crate) use failure::{Asked, retry_after};
pub(crate) use xml::Element;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986 §2.3: what S3 signatures and SAS values ask for.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The same, leaving the slashes of a path.
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// Encodes one value of a query or one part of a path.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Encodes a path, keeping its slashes.
pub(crate) fn encode_path(text: &str) -> String {
    utf8_percent_encode(text, RESERVED_IN_PATH).to_string()
}

/// Decodes a part of a URL; nothing when it is not UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    percent_encoding::percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

//! Systems other than Linux: resource limits are all that holds a worker; `docs/decisions/sandbox.md`
//! says so. What remains is that a worker has no keys, and that all decoders but libjpeg-turbo are
//! memory-safe.

use std::io;
use std::path::Path;

use crate::protocol::Sandbox;

/// Rust opens everything close-on-exec; without a filter there is nothing to gain from more.
pub(crate) fn close_inherited_descriptors() {}

pub(crate) fn enter_for_decoding(memory_bytes: u64) -> Sandbox {
    let limits = super::limit_decoding(memory_bytes);
    Sandbox {
        system_calls: false,
        landlock: false,
        limits: limits.is_ok(),
        missing: Some(limits.err().map_or_else(
            || "this system has no system-call filter that Safelight uses".to_owned(),
            |error| error.to_string(),
        )),
    }
}

pub(crate) fn enter_for_video(_program: &Path, memory_bytes: u64, cpu_seconds: u64) -> io::Result<()> {
    super::limit_video(memory_bytes, cpu_seconds)
}

//! The errors of this crate, each naming what it was about.

/// Why a file could not be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// The file could not be read.
    #[error("the file cannot be read")]
    Read(#[source] std::io::Error),
    /// A sidecar is no XMP.
    #[error("the sidecar is not readable as XMP: {reason}")]
    Sidecar {
        /// What is wrong with it.
        reason: String,
    },
}

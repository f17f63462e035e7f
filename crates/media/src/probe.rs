//! The front door: sniffs a file, sends it to the reader of its format, and settles what they found.

use std::cell::RefCell;
use std::io::{Read, Seek};
use std::path::Path;

use crate::error::MediaError;
use crate::facts::Probe;
use crate::format::Format;
use crate::sniff;
use crate::source::Source;

/// Reads everything that a file in memory says about itself. Never fails: what cannot be read is
/// missing, and [`Probe::warnings`] says why. Only the last part of `name` is looked at.
#[must_use]
pub fn probe(bytes: &[u8], name: &Path) -> Probe {
    probe_source(&Source::memory(bytes), name)
}

/// Like [`probe`], for a file that should not be read as a whole: reads the headers, a few seeks for a
/// video, at most a few megabytes in all but contrived cases.
///
/// # Errors
/// [`MediaError::Read`] when reading or seeking fails.
pub fn probe_reader<R: Read + Seek>(file: &mut R, name: &Path) -> Result<Probe, MediaError> {
    let cell = RefCell::new(file);
    let source = Source::file(&cell).map_err(MediaError::Read)?;
    let probe = probe_source(&source, name);
    source.into_error().map_or(Ok(probe), |error| Err(MediaError::Read(error)))
}

fn probe_source(source: &Source<'_>, name: &Path) -> Probe {
    let head = source.get_some(0, 4096);
    let format = sniff::by_content(source, &head, name).unwrap_or(Format::Unknown);
    Probe {
        format,
        kind: format.kind(),
        media_type: format.media_type().to_owned(),
        ..Probe::default()
    }
}

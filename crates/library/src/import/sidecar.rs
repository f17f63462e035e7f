//! Reads the XMP files that lie beside photos.
//!
//! `IMG.JPG.xmp` belongs to `IMG.JPG`; `IMG.xmp` to every photo with that stem in its folder. What a sidecar
//! says are findings of their own kind; what a person types in Safelight stands above them.
//!
//! Their version is the sidecar's time of change where it is met for the first time, so that an old backup does not
//! speak over what is newer. A sidecar that *changed* where it was known speaks last, whatever its clock says
//! (docs/decisions/sidecars-speak-last.md).

use std::collections::HashMap;
use std::io::Read as _;
use std::path::Path;

use safelight_catalog::{FileRecord, FileState, Source};
use safelight_crypto::ContentHash;
use safelight_media::{SNIFF_BYTES, Sniffed, sniff};
use safelight_model::{Facts, Life, OpBody, ProbeKind};

use super::facts;
use super::take::open_plain;
use crate::effects::now_millis;
use crate::error::Result;
use crate::library::Library;
use crate::monitor::{Monitor, Problem};
use crate::scan::Candidate;
use crate::scan::trust::sampled_fingerprint;

/// No sidecar is larger; develop settings of some programs are a few hundred KiB.
const SIDECAR_BYTES: u64 = 16 << 20;

/// How many siblings one sidecar may have.
const SIBLINGS: usize = 64;

/// What became of the sidecars of a source.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct SidecarsRead {
    pub(crate) read: u64,
    /// Those that are no sidecars, and were named.
    pub(crate) left_out: u64,
}

/// What one sidecar says, and of which contents.
struct Said {
    contents: Vec<ContentHash>,
    facts: Facts,
}

/// What a run's sidecars have to add to history.
#[derive(Default)]
struct Findings {
    bodies: Vec<OpBody>,
    /// The newest version that this run gives for each content.
    newest: HashMap<ContentHash, (u64, Facts)>,
}

/// Whether a file named like a sidecar holds a photo or video. What cannot be read is for the reader to name.
fn is_media(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = open_plain(path).and_then(|file| file.take(SNIFF_BYTES as u64).read_to_end(&mut head));
    read.is_ok() && matches!(sniff(&head, path), Sniffed::Media(_))
}

impl Library {
    /// Reads new and changed sidecars; answers how many, and how many are none.
    pub(crate) fn apply_sidecars(
        &mut self,
        source: &Source,
        root: &Path,
        sidecars: &[Candidate],
        monitor: &dyn Monitor,
    ) -> Result<SidecarsRead> {
        let mut read = SidecarsRead::default();
        let mut findings = Findings::default();
        let mut rows = Vec::new();
        // Of two that lie beside one photo, the newer one is read last.
        let mut sidecars: Vec<&Candidate> = sidecars.iter().collect();
        sidecars.sort_by_key(|candidate| candidate.stamp.modified_nanos);
        for candidate in sidecars {
            read.read += 1;
            let state = match self.read_sidecar(source, candidate) {
                Ok(Some(said)) => {
                    for content in said.contents {
                        self.add_finding(&mut findings, content, candidate, &said.facts)?;
                    }
                    FileState::Imported
                }
                // Its photo may still come: it is looked at again with every import until then.
                Ok(None) => FileState::Unsettled("no photo lies beside this sidecar".into()),
                Err(reason) => {
                    read.read -= 1;
                    read.left_out += 1;
                    monitor.problem(&Problem::omission(&candidate.path, &reason));
                    FileState::Refused(reason)
                }
            };
            let sampled = open_plain(&candidate.path)
                .and_then(|file| sampled_fingerprint(&file, candidate.stamp.size_bytes))
                .ok();
            rows.push(FileRecord {
                path: candidate.below.clone(),
                stamp: candidate.stamp,
                state,
                sampled,
                content: None,
            });
        }
        tracing::debug!(root = %root.display(), sidecars = rows.len(), "sidecars read");
        self.record(findings.bodies)?;
        self.device.record_files(source.id, &rows)?;
        self.close_segment()?;
        Ok(read)
    }

    /// What a sidecar says about its photos; the error is a sentence.
    fn read_sidecar(&self, source: &Source, candidate: &Candidate) -> Result<Option<Said>, String> {
        if is_media(&candidate.path) {
            return Err(
                "named like a sidecar, but its content is a photo or video; rename it to import it".into()
            );
        }
        let contents = self.siblings(source, &candidate.below).map_err(|error| error.to_string())?;
        if contents.is_empty() {
            return Ok(None);
        }
        if candidate.stamp.size_bytes > SIDECAR_BYTES {
            return Err("the sidecar is too large".into());
        }
        let bytes =
            std::fs::read(&candidate.path).map_err(|error| format!("the sidecar cannot be read: {error}"))?;
        let sidecar = safelight_media::sidecar(&bytes).map_err(|error| error.to_string())?;
        let name = candidate.path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        Ok(Some(Said { contents, facts: facts::of_sidecar(&sidecar, &name) }))
    }

    /// Adds what a sidecar says about one content, unless it is what is known already.
    fn add_finding(
        &self,
        findings: &mut Findings,
        content: ContentHash,
        candidate: &Candidate,
        facts: &Facts,
    ) -> Result<()> {
        let known = match findings.newest.get(&content) {
            Some(newest) => Some(newest.clone()),
            None => self.catalog().content_state(content)?.and_then(|state| {
                state.finding(ProbeKind::Sidecar).map(|finding| (finding.version, finding.facts.clone()))
            }),
        };
        if known.as_ref().is_some_and(|(_, known)| known == facts) {
            return Ok(());
        }
        // A clock that runs ahead must not hold off what is written later.
        let changed_millis = candidate.stamp.modified_nanos.div_euclid(1_000_000).min(now_millis());
        let changed_seconds = u64::try_from(changed_millis.div_euclid(1000)).unwrap_or_default();
        let has_changed =
            candidate.remembered.as_ref().is_some_and(|record| record.state == FileState::Imported);
        let version = match &known {
            Some((known, _)) if has_changed => changed_seconds.max(known.saturating_add(1)),
            _ => changed_seconds,
        };
        if known.is_none_or(|(known, _)| version >= known) {
            findings.newest.insert(content, (version, facts.clone()));
        }
        findings.bodies.push(OpBody::Derive {
            life: Life::default(),
            content,
            probe: ProbeKind::Sidecar,
            version,
            facts: facts.clone(),
        });
        Ok(())
    }

    /// The contents of the photos that a sidecar lies beside.
    fn siblings(&self, source: &Source, below: &[u8]) -> Result<Vec<ContentHash>> {
        let Some(stem) = below.len().checked_sub(".xmp".len()).and_then(|end| below.get(..end)) else {
            return Ok(Vec::new());
        };
        if let Some(content) = self.device.file(source.id, stem)?.and_then(|record| record.content) {
            return Ok(vec![content]);
        }
        let mut dotted = stem.to_vec();
        dotted.push(b'.');
        let rows = self.device.files_after(source.id, Some(&dotted), SIBLINGS)?;
        let siblings = rows.into_iter().take_while(|record| record.path.starts_with(&dotted));
        Ok(siblings.filter_map(|record| record.content).collect())
    }
}

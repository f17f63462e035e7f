//! Reads anew what was taken in as neither photo nor video by rules that are older than today's: a kind of file may be
//! understood by now that was not then.
//!
//! The originals themselves are read, not the files that they came from, which may be gone or changed: a few stretches of
//! each, opened in memory. Once for each version of the rules, by the next import, on each device whatever rests there;
//! what it finds is history, so that the others know it too.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use safelight_catalog::{ListOptions, Shelf};
use safelight_media::{MediaKind, PROBE_VERSION};
use safelight_model::{AssetId, Life, OpBody, Original, ProbeKind, RenditionKind};

use super::facts;
use super::rendition::PREVIEW_RECIPE;
use super::report::ImportReport;
use super::write::add_beside;
use crate::error::Result;
use crate::library::Library;
use crate::monitor::Monitor;
use crate::viewing::OriginalHere;

/// The setting of this device that says by which rules these were read last.
const READ_BY: &str = "import/others-read-by";

impl Library {
    /// Looks once more at what is neither photo nor video, where today's rules have not read it yet.
    ///
    /// # Errors
    /// Those of the databases. An original that cannot be read stays what it is.
    pub(super) fn read_others_anew(
        &mut self,
        report: &mut ImportReport,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        let today = PROBE_VERSION.to_be_bytes();
        if self.device.setting(READ_BY)?.as_deref() == Some(&today[..]) {
            return Ok(());
        }
        let shelves = Some(vec![Shelf::Shown, Shelf::Hidden, Shelf::Trashed]);
        let others =
            self.found(&self.query("type:other")?, ListOptions { shelves, ..ListOptions::default() })?;
        for asset in others {
            if monitor.cancelled() {
                return Ok(());
            }
            report.understood += u64::from(self.read_anew(asset)?);
        }
        self.close_segment()?;
        Ok(self.device.set_setting(READ_BY, Some(&today))?)
    }

    /// Whether this one is a photo or video by today's rules; then history says so, and its pictures are queued.
    fn read_anew(&mut self, asset: AssetId) -> Result<bool> {
        let here = match self.whole_here(asset) {
            Ok(here) => here,
            // It rests elsewhere, or its disk is not connected.
            Err(error) => {
                tracing::debug!(%asset, %error, "not read anew");
                return Ok(false);
            }
        };
        let original = here.original();
        let name = original.source.display();
        let mut stretches = Stretches { library: self, here: &here, at: 0 };
        let probe = match safelight_media::probe_reader(&mut stretches, Path::new(&name)) {
            Ok(probe) => probe,
            Err(error) => {
                tracing::warn!(%asset, %error, "not read anew");
                return Ok(false);
            }
        };
        let Some(state) = self.catalog().asset_state(asset)?.filter(|_| probe.kind != MediaKind::Other)
        else {
            return Ok(false);
        };
        let content = original.content;
        let understood = Original { media_type: probe.media_type.clone(), ..original.clone() };
        let mut bodies: Vec<OpBody> = add_beside(&state, asset, understood).into_iter().collect();
        let version = u64::from(probe.version);
        bodies.push(OpBody::Derive {
            life: Life::default(),
            content,
            probe: ProbeKind::Metadata,
            version,
            facts: facts::of_probe(&probe),
        });
        // Queued before history says what it is: then it is not read anew.
        self.device.queue_renditions([(content, RenditionKind::Preview, PREVIEW_RECIPE)], 0)?;
        self.record(bodies)?;
        Ok(true)
    }
}

/// An original as a file that is read here and there.
struct Stretches<'a> {
    library: &'a Library,
    here: &'a OriginalHere,
    at: u64,
}

impl Read for Stretches<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.at.saturating_add(buffer.len() as u64);
        let bytes = self.library.read_whole_here(self.here, self.at..end).map_err(io::Error::other)?;
        let count = bytes.len().min(buffer.len());
        if let (Some(into), Some(from)) = (buffer.get_mut(..count), bytes.get(..count)) {
            into.copy_from_slice(from);
        }
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Stretches<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::Current(by) => (self.at, by),
            SeekFrom::End(by) => (self.here.size_bytes(), by),
        };
        self.at = from.checked_add_signed(by).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

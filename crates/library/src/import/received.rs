//! Takes a file that came by the inbox: as [`super::take`], but what is read is a sealed item, never a file in the open.
//!
//! Invariant: its bytes are in memory a stretch at a time, or whole where a picture is decoded; nothing of it is written
//! unsealed. What a video shows is made later, from the sealed original.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use safelight_catalog::FileStamp;
use safelight_crypto::{ContentHash, Sha256};
use safelight_media::pool::Wanted;
use safelight_media::{MediaKind, Probe, SNIFF_BYTES, Sniffed};

use super::take::{
    Intake, Look, NotRendered, PICTURE_BYTES, Parts, Reading, SMALL_BYTES, STRETCH_BYTES, Settled, Taking,
    WHOLE_BYTES, fill, render_still,
};
use crate::error::{LibraryError, Result};
use crate::scan::Candidate;

/// What is said of an item whose content is not what its manifest says.
const ANOTHER_CONTENT: &str = "it holds something else than its device says of it";

impl Intake<'_> {
    /// Takes an item of the inbox. What is wrong with it alone is a [`Taking`]; errors of reading are those of the item too.
    pub(crate) fn take_received(
        &self,
        candidate: &Candidate,
        item: &mut (impl Read + Seek),
        due: ContentHash,
    ) -> Result<Taking> {
        let reading = |source| LibraryError::reading(&candidate.path, source);
        let name = candidate.path.file_name().map_or(candidate.path.as_path(), Path::new);
        let size = candidate.stamp.size_bytes;
        let mut head = vec![0; SNIFF_BYTES.min(usize::try_from(size).unwrap_or(SNIFF_BYTES))];
        let count = fill(item, &mut head).map_err(reading)?;
        head.truncate(count);
        let settled = Settled { stamp: candidate.stamp, sampled: [0; 32] };
        let kind = match safelight_media::sniff(&head, name) {
            Sniffed::Media(format) | Sniffed::NamedLike(format) => format.kind(),
            Sniffed::NotMedia(_) if self.all_files => MediaKind::Other,
            Sniffed::NotMedia(reason) => return Ok(Taking::Refused(reason, settled)),
        };
        item.seek(SeekFrom::Start(0)).map_err(reading)?;
        let is_picture = matches!(kind, MediaKind::Photo | MediaKind::Raw);
        let is_whole =
            kind != MediaKind::Video && (size <= WHOLE_BYTES || (is_picture && size <= PICTURE_BYTES));
        let mut sink = Parts::new(self.place);
        let mut sealer = (!is_whole || size >= SMALL_BYTES).then(|| self.original_sealer(candidate));
        let (mut hash, mut size_bytes) = (Sha256::new(), 0_u64);
        let mut bytes = is_whole.then(Vec::new);
        let mut stretch = vec![0; STRETCH_BYTES];
        loop {
            let count = fill(item, &mut stretch).map_err(reading)?;
            let Some(read) = stretch.get(..count).filter(|read| !read.is_empty()) else { break };
            size_bytes += count as u64;
            hash.update(read);
            if let Some(sealer) = &mut sealer {
                let pushed = sealer.push(read, &mut sink.write());
                sink.sealing(pushed)?;
            }
            if let Some(bytes) = &mut bytes {
                bytes.extend_from_slice(read);
            }
        }
        let content = ContentHash::from_bytes(hash.finish());
        if content != due || size_bytes != size {
            return Ok(Taking::Unsettled(ANOTHER_CONTENT.into()));
        }
        let sealed = match sealer {
            Some(sealer) => {
                let finished = sealer.finish(&mut sink.write());
                Some(sink.sealing(finished)?)
            }
            None => None,
        };
        let read = Reading { settled, content, size_bytes, sealed, objects: sink.objects, bytes };
        self.settle_seen(read, |read| match &read.bytes {
            Some(bytes) => {
                let probe = safelight_media::probe(bytes, name);
                let rendered = render_still(self.pool, bytes, &probe, Wanted::QUICK);
                Ok(Look { probe, rendered })
            }
            None => {
                item.seek(SeekFrom::Start(0)).map_err(reading)?;
                let probe = safelight_media::probe_reader(item, name);
                let later = if kind == MediaKind::Video {
                    NotRendered::Later
                } else {
                    NotRendered::Never("it is too large to be decoded".to_owned())
                };
                Ok(match probe {
                    Ok(probe) => Look { probe, rendered: Err(later) },
                    Err(error) => {
                        Look { probe: Probe::default(), rendered: Err(NotRendered::Never(error.to_string())) }
                    }
                })
            }
        })
    }
}

/// The stamp of a file that lies on another device.
pub(crate) fn stamp_of_received(size_bytes: u64, modified_millis: i64) -> FileStamp {
    let modified_nanos = modified_millis.saturating_mul(1_000_000);
    FileStamp { size_bytes, modified_nanos, changed_nanos: 0, inode: 0, device: 0 }
}

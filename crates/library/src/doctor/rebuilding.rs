//! The catalogue made anew from what rests in the folder, and from what the old catalogue still knows.
//!
//! Invariant: nothing that the old catalogue can still be asked is lost with it. A segment whose file is gone is taken in as
//! it is remembered, and the next sync brings the file back; one that no place holds is numbered anew.

use std::collections::{BTreeMap, HashSet};

use safelight_catalog::{
    Catalog, CatalogError, CheckDepth, DeviceDb, FileState, Rescued, RescuedSegment, StoredSegment,
};
use safelight_crypto::{ContentHash, DeviceId, Keyring, OsEntropy};
use safelight_model::SegmentSeq;
use safelight_model::history::Tip;
use safelight_store::ObjectPath;

use super::Finding;
use crate::effects::now_stamp_millis;
use crate::error::Result;
use crate::folder::LibraryFolder;
use crate::folder_lock::FolderLock;
use crate::keys::UnlockedKeys;
use crate::library::{Library, catalog_key, close_segment, device_key};
use crate::log::{own_segments_behind, read_log};
use crate::monitor::{Monitor, Task};

impl Library {
    /// Makes the catalogue anew from the signed history in the folder. What an intact old catalogue had not
    /// yet closed into history is carried over.
    ///
    /// # Errors
    /// When the history or the folder cannot be read.
    pub fn rebuild_catalog(
        folder: &LibraryFolder,
        keys: &UnlockedKeys,
        monitor: &dyn Monitor,
    ) -> Result<Vec<Finding>> {
        folder.require_writable()?;
        let keyring = &keys.keyring;
        let (path, key, device) = (folder.catalog_path(), catalog_key(keyring), keyring.device().id());
        let _alone = FolderLock::alone(folder)?;
        let old = Old::open(folder, keyring)?;
        set_device_aside_if_damaged(folder, keyring)?;
        monitor.begin(Task::Rebuild, None, None);
        let mut segments = Vec::new();
        let reading = read_log(folder.objects(), keyring, &mut |segment| {
            monitor.advance(segment.len() as u64, 0);
            segments.push(segment);
            Ok(())
        })?;
        let own_end = old.end(device);
        let published = published(folder, keyring)?;
        let read_until = reading.tips.get(&device).copied().unwrap_or_default().seq;
        let (mut rescued, unreadable) = old.beyond(&reading.tips, device, published)?;
        for segment in own_segments_behind(folder.objects(), keyring, read_until.max(published))? {
            rescued.open_ops.extend(segment.encoded_ops().map(<[u8]>::to_vec));
        }
        let (mut catalog, rebuilt) =
            Catalog::rebuild(&path, &key, device, &mut OsEntropy, segments, rescued, now_stamp_millis())?;
        // What is numbered anew rests in the folder again, before anybody relies on it.
        close_segment(&mut catalog, keyring, folder.objects())?;
        safelight_sync::remove_passed(&catalog, folder.objects(), keyring, own_end)?;
        let known = known_contents(&catalog)?;
        catalog.close()?;
        crate::birth::keep_private(&path)?;
        let forgotten = reread_what_is_unknown(folder, keyring, &known)?;
        monitor.end();
        let mut findings = vec![Finding::well(
            "catalog",
            format!("rebuilt from {} segments with {} operations", rebuilt.segments, rebuilt.ops),
        )];
        if rebuilt.remembered > 0 {
            let says = format!(
                "{} segments are missing in the folder, and were taken over from the old catalogue",
                rebuilt.remembered
            );
            findings.push(Finding::unwell("history", says, "safelight sync brings their files back"));
        }
        findings.extend(unreadable);
        let hint = "what follows it in that device's chain is in the catalogue as far as the old one knew it, or comes \
                    with the next sync";
        findings.extend(
            reading.damaged.into_iter().map(|damage| {
                Finding::damaged("history", format!("{}: {}", damage.path, damage.reason), hint)
            }),
        );
        if forgotten > 0 {
            let says = format!("{forgotten} files were imported and are in no intact history");
            findings.push(Finding::unwell("history", says, "import their folders again: they are read anew"));
        }
        findings.extend(rebuilt.left_out.into_iter().map(|what| Finding::damaged("history", what, hint)));
        Ok(findings)
    }
}

/// The catalogue as it was, if it can still be read.
#[derive(Default)]
struct Old {
    segments: Vec<StoredSegment>,
    catalog: Option<Catalog>,
}

impl Old {
    /// Opens the old catalogue, if it can still be read, and places what it had closed.
    fn open(folder: &LibraryFolder, keyring: &Keyring) -> Result<Self> {
        // First of all: whoever opens a database that is damaged may do away with its log.
        folder.keep_catalog()?;
        let opened = Catalog::open(
            &folder.catalog_path(),
            &catalog_key(keyring),
            keyring.device().id(),
            &mut OsEntropy,
        );
        let mut catalog = match opened {
            Ok(catalog) => catalog,
            Err(error) => {
                tracing::warn!(%error, "the old catalogue cannot be read");
                return Ok(Self::default());
            }
        };
        if let Err(error) = close_segment(&mut catalog, keyring, folder.objects()) {
            tracing::warn!(%error, "what the old catalogue had not closed into history is carried over");
        }
        Ok(Self { segments: catalog.segments()?, catalog: Some(catalog) })
    }

    /// Where this device's chain ended.
    fn end(&self, own: DeviceId) -> SegmentSeq {
        let own = self.segments.iter().filter(|segment| segment.device == own);
        own.map(|segment| segment.tip.seq).max().unwrap_or_default()
    }

    /// What the old catalogue knows beyond the chains that were read up to these ends, and what of it cannot be read.
    /// Segments of this device that it never published are numbered anew: nobody else holds them.
    fn beyond(
        self,
        read: &BTreeMap<DeviceId, Tip>,
        own: DeviceId,
        published: SegmentSeq,
    ) -> Result<(Rescued, Vec<Finding>)> {
        let (mut rescued, mut unreadable) = (Rescued::default(), Vec::new());
        let Some(catalog) = self.catalog else { return Ok((rescued, unreadable)) };
        match catalog.open_op_bytes() {
            Ok(ops) => rescued.open_ops = ops,
            Err(error) => unreadable.push(not_carried("the newest changes", &error)),
        }
        for stored in &self.segments {
            let (device, tip) = (stored.device, stored.tip);
            if read.get(&device).is_some_and(|read| read.seq >= tip.seq) {
                continue;
            }
            match catalog.segment_op_bytes(stored) {
                Ok(ops) if device == own && tip.seq > published => rescued.open_ops.extend(ops),
                Ok(ops) => rescued.closed.push(RescuedSegment { device, tip, ops }),
                Err(error) => {
                    let name = ObjectPath::segment(device, tip.seq.0).to_string();
                    unreadable.push(not_carried(&name, &error));
                }
            }
        }
        catalog.close()?;
        Ok((rescued, unreadable))
    }
}

fn not_carried(what: &str, error: &CatalogError) -> Finding {
    let says = format!("{what} cannot be read in the old catalogue: {error}");
    Finding::damaged("history", says, "the old catalogue is kept beside the new one")
}

/// How far this device's chain was published, as its own database knows.
fn published(folder: &LibraryFolder, keyring: &Keyring) -> Result<SegmentSeq> {
    match DeviceDb::open(&folder.device_path(), &device_key(keyring)) {
        Ok(device) => {
            let published = device.published(keyring.device().id())?;
            device.close()?;
            Ok(published)
        }
        // What others hold under these numbers the next sync finds.
        Err(_) => Ok(SegmentSeq::default()),
    }
}

/// A device database that is damaged is set aside; opening the library makes a new one, whose index of the
/// local packs comes from a scan.
fn set_device_aside_if_damaged(folder: &LibraryFolder, keyring: &Keyring) -> Result<()> {
    let path = folder.device_path();
    match DeviceDb::open(&path, &device_key(keyring)) {
        Ok(device) => {
            let is_damaged = !device.check(&device_key(keyring), CheckDepth::Pages)?.is_empty();
            device.close()?;
            if !is_damaged {
                return Ok(());
            }
        }
        Err(CatalogError::Damaged { .. } | CatalogError::WrongKey { .. }) => {}
        Err(_) => return Ok(()),
    }
    Ok(folder.set_device_aside()?)
}

fn known_contents(catalog: &Catalog) -> Result<HashSet<ContentHash>> {
    let mut known = HashSet::new();
    let mut after = None;
    loop {
        let stretch = catalog.assets_after(after, 2000)?;
        let Some((last, _)) = stretch.last() else { return Ok(known) };
        after = Some(*last);
        for (_, state) in &stretch {
            known.extend(
                state.current().contents().additions().iter().map(|write| write.value.original.content),
            );
        }
    }
}

/// Files that this device remembers as imported though no history speaks of them are read anew by the next import.
fn reread_what_is_unknown(
    folder: &LibraryFolder,
    keyring: &Keyring,
    known: &HashSet<ContentHash>,
) -> Result<u64> {
    let Ok(mut device) = DeviceDb::open(&folder.device_path(), &device_key(keyring)) else { return Ok(0) };
    let mut forgotten = 0;
    for source in device.sources()? {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let mut rows = device.files_after(source.id, after.as_deref(), 2000)?;
            let Some(last) = rows.last() else { break };
            after = Some(last.path.clone());
            rows.retain(|row| row.content.is_some_and(|content| !known.contains(&content)));
            for row in &mut rows {
                row.state = FileState::Unsettled("no intact history speaks of it".into());
            }
            forgotten += rows.len() as u64;
            device.record_files(source.id, &rows)?;
        }
    }
    device.close()?;
    Ok(forgotten)
}

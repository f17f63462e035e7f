//! Whether the history here is the whole one: six words to compare, devices with their last activity, and the floor that
//! words written down earlier are.
//!
//! A place can always show less than it has. Whoever joins from one place sees what it shows; the library stays
//! *unwitnessed* until another device's words were compared, or another place showed the same history before this device
//! had put anything there (sl1-history §8.8).

use std::collections::BTreeSet;

use safelight_model::history::{ClearPart, SealedSegment, Seen, SixWords, Tip, ends_of};
use safelight_model::{Branch, OpBody, SegmentSeq};
use safelight_store::ObjectPath;
use serde::Serialize;

use crate::error::{LibraryError, Result};
use crate::history::shown_time;
use crate::library::Library;

/// The setting that says from which remote an unwitnessed library was joined.
const UNWITNESSED: &str = "unwitnessed";
/// Longer than any segment.
const SEGMENT_BYTES: u64 = 40 << 20;

/// A device and what it did last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceActivity {
    /// Its id.
    pub device: String,
    /// What people call it, if they gave it a name.
    pub name: Option<String>,
    /// Whether it is this one.
    pub is_this: bool,
    /// How many segments of it are known.
    pub segments: u32,
    /// When it made its last change, by its own clock: `2026-05-14 10:11:12`, UTC.
    pub last_active: Option<String>,
}

impl Library {
    /// The six words of the history that is here; equal on devices that have read the same.
    ///
    /// # Errors
    /// Those of the database.
    pub fn six_words(&self) -> Result<String> {
        Ok(SixWords::of(self.id(), &self.catalog().ends()?).to_string())
    }

    /// All devices with what they did last, the latest first.
    ///
    /// # Errors
    /// Those of the database.
    pub fn device_activity(&self) -> Result<Vec<DeviceActivity>> {
        let names = self.device_names()?;
        let catalog = self.catalog();
        let mut devices = Vec::new();
        for (device, tip) in catalog.tips()? {
            devices.push(DeviceActivity {
                device: device.to_string(),
                name: names.of(device),
                is_this: device == catalog.device(),
                segments: tip.seq.0,
                last_active: catalog.last_op_millis(device)?.map(shown_time),
            });
        }
        devices.sort_by(|one, other| other.last_active.cmp(&one.last_active));
        Ok(devices)
    }

    /// Whether nobody but the place that this library was joined from has shown its history.
    ///
    /// # Errors
    /// Those of the database.
    pub fn is_unwitnessed(&self) -> Result<bool> {
        Ok(self.device.setting(UNWITNESSED)?.is_some())
    }

    /// Whether this device began with a checkpoint that the history has not proven yet.
    ///
    /// # Errors
    /// Those of the database.
    pub fn is_provisional(&self) -> Result<bool> {
        Ok(self.catalog().begun_with()?.is_some())
    }

    pub(crate) fn mark_unwitnessed(&mut self, remote: &str) -> Result<()> {
        Ok(self.device.set_setting(UNWITNESSED, Some(remote.as_bytes()))?)
    }

    /// Another place than the one that was joined from showed all that is here before anything was put there.
    pub(crate) fn witness(&mut self) -> Result<()> {
        Ok(self.device.set_setting(UNWITNESSED, None)?)
    }

    /// Whether a text is six words of the list.
    #[must_use]
    pub fn are_six_words(text: &str) -> bool {
        SixWords::parse(text).is_some()
    }

    /// Compares words that another device shows, or that were written down, with the history here. Those of this
    /// very history witness it; those of an earlier moment are a floor that it holds.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] for what is not six words; [`LibraryError::BelowFloor`] if the history here never
    /// was at that point.
    pub fn compare_six_words(&mut self, text: &str) -> Result<Comparison> {
        let words = SixWords::parse(text).ok_or_else(|| LibraryError::Refused {
            reason: "these are not six words of the list".into(),
            hint: "type the six words as safelight status shows them on the other device".into(),
        })?;
        let found = if words == SixWords::of(self.id(), &self.catalog().ends()?) {
            Comparison::Same
        } else if self.was_at(words)? {
            Comparison::Earlier
        } else {
            return Err(LibraryError::BelowFloor);
        };
        // An earlier moment may be one before what this place hides.
        if found == Comparison::Same && !self.is_read_only() {
            self.device.set_setting(UNWITNESSED, None)?;
        }
        Ok(found)
    }

    /// Whether these are the words of the moment that some segment closes or begins at.
    fn was_at(&self, words: SixWords) -> Result<bool> {
        let moments = self.read_moments()?;
        let catalog = self.catalog();
        for Moment { clear, seen, .. } in &moments {
            let before = Tip { seq: SegmentSeq(clear.seq.0 - 1), root: clear.prev };
            for tip in [clear.tip(), before] {
                let tips: Seen = Seen::new(seen.iter().chain([(clear.device, tip)]));
                let carried = carried_at(&moments, &tips);
                let ends = ends_of(tips.iter(), &carried, |device, seq| catalog.segment_root(device, seq))?;
                if SixWords::of(self.id(), &ends) == words {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// What every segment here says of the history that its writer had read.
    fn read_moments(&self) -> Result<Vec<Moment>> {
        let library = self.id();
        let segments = self.catalog().segments()?;
        let has_forks = !self.catalog().carried()?.is_empty();
        let mut moments = Vec::with_capacity(segments.len());
        for stored in segments {
            let path = ObjectPath::segment(stored.device, stored.tip.seq.0);
            let Ok(bytes) = self.place.open_object(&path).and_then(|object| object.read_all(SEGMENT_BYTES))
            else {
                continue;
            };
            let opened = SealedSegment::parse(&bytes)
                .and_then(|sealed| sealed.open_known(library, stored.tip.root, &self.keys.keyring));
            // What is damaged here says nothing; verify names it.
            let Ok(segment) = opened else { continue };
            let mut carries = Vec::new();
            if has_forks {
                for op in segment.ops().flatten() {
                    if let OpBody::Carried(branches) = op.body {
                        carries.extend(branches);
                    }
                }
            }
            moments.push(Moment { clear: *segment.clear(), seen: segment.seen().clone(), carries });
        }
        Ok(moments)
    }
}

/// What a segment says of the history that its writer had read.
struct Moment {
    clear: ClearPart,
    seen: Seen,
    carries: Vec<Branch>,
}

/// What was carried in the history that ends so.
fn carried_at(moments: &[Moment], tips: &Seen) -> BTreeSet<Branch> {
    let is_in = |clear: &ClearPart| tips.of(clear.device).is_some_and(|tip| clear.seq <= tip.seq);
    let carriers = moments.iter().filter(|moment| !moment.carries.is_empty() && is_in(&moment.clear));
    carriers.flat_map(|moment| moment.carries.iter().copied()).collect()
}

/// How words compare with the history here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// They are of this very history.
    Same,
    /// They are of an earlier moment, which this history contains.
    Earlier,
}

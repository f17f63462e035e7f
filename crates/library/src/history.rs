//! History as people read it: one line a change, newest first.

use safelight_catalog::HistoryEntry as Recorded;
use safelight_model::{MarkReason, Op, OpBody, ProbeKind, Target, Value};
use serde::Serialize;

use crate::error::Result;
use crate::library::Library;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryEntry {
    /// The operation's id.
    pub id: String,
    /// When, by the clock of the device that made it: `2026-05-14 10:11:12`, UTC.
    pub when: String,
    /// The device.
    pub device: String,
    /// What was changed.
    pub what: String,
}

impl Library {
    /// The newest changes.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>> {
        let page = self.catalog().history(None, None, limit)?;
        Ok(page.entries.into_iter().map(|entry| told(&entry)).collect())
    }
}

fn told(entry: &Recorded) -> HistoryEntry {
    let device = entry.device.to_string();
    match &entry.op {
        Ok(op) => {
            let when = shown_time(op.stamp.millis);
            HistoryEntry { id: op.id.to_string(), when, device, what: sentence(op) }
        }
        Err(error) => HistoryEntry {
            id: String::new(),
            when: String::new(),
            device,
            what: format!("an operation that cannot be read: {error}"),
        },
    }
}

/// Milliseconds since 1970 as people read them, in UTC.
pub(crate) fn shown_time(millis: u64) -> String {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis)
        .map_or_else(|_| format!("{millis} ms"), |when| when.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// What an operation did, in a few words.
fn sentence(op: &Op) -> String {
    match &op.body {
        OpBody::AddAsset { original, .. } => format!("added {}", original.source.display()),
        OpBody::AddVersion { asset, original, .. } => {
            format!("added a new version of {}: {}", short(&asset.to_string()), original.source.display())
        }
        OpBody::Alias { asset, into: Some(into), .. } => {
            format!("merged {} into {}", short(&asset.to_string()), short(&into.to_string()))
        }
        OpBody::Alias { asset, into: None, .. } => {
            format!("took {} out of its merge", short(&asset.to_string()))
        }
        OpBody::Set { target, field, value, .. } => {
            let field = field.code().word().map_or_else(|| field.code().0.to_string(), str::to_owned);
            format!("set {field} of {} to {}", named(target), shown(value))
        }
        OpBody::AddTo { target, set, element } => {
            format!("added {} to the {} of {}", shown(element), set.word().unwrap_or("set"), named(target))
        }
        OpBody::RemoveFrom { target, set, element, .. } => {
            format!(
                "removed {} from the {} of {}",
                shown(element),
                set.word().unwrap_or("set"),
                named(target)
            )
        }
        OpBody::Purge { asset, .. } => format!("purged {}", short(&asset.to_string())),
        OpBody::Derive { content, probe, .. } => {
            let what = match probe {
                ProbeKind::Metadata => "metadata",
                ProbeKind::Pixels => "fingerprints",
                ProbeKind::Sidecar => "a sidecar",
                ProbeKind::Unknown(_) => "findings",
            };
            format!("read {what} of {}", short(&content.to_string()))
        }
        OpBody::Render { content, renditions } => {
            format!("made {} renditions of {}", renditions.len(), short(&content.to_string()))
        }
        OpBody::Seen { content, source, .. } => {
            format!("found {} again at {}", short(&content.to_string()), source.display())
        }
        OpBody::Presence { asset, source, is_there, .. } => {
            let (asset, path) = (short(&asset.to_string()), source.display());
            if *is_there {
                format!("{asset} is at {path} again")
            } else {
                format!("{asset} is no longer at {path}")
            }
        }
        OpBody::Note { event, details } => {
            let details: Vec<String> =
                details.iter().map(|(name, value)| format!("{name} {}", shown(value))).collect();
            if details.is_empty() { event.clone() } else { format!("{event}: {}", details.join(", ")) }
        }
        OpBody::Packed(pack) => {
            format!("put pack {} of {} bytes into a remote", pack.name, pack.sealed_bytes)
        }
        OpBody::Replicas(_) => "recorded what rests in a remote".into(),
        OpBody::Mark(mark) => {
            let why = match mark.why {
                MarkReason::Unreferenced => "nothing needs them",
                MarkReason::Orphan => "nothing knows them",
                MarkReason::Damaged => "they are damaged or missing",
                MarkReason::Dropped | MarkReason::Other(_) => "they are not wanted there",
            };
            format!(
                "marked {} objects to leave remote {}: {why}",
                mark.objects.len(),
                short(&mark.place.to_string())
            )
        }
        OpBody::Acknowledged { marks } => format!("acknowledged {} marks", marks.len()),
        OpBody::Lapse(lapse) => {
            format!(
                "no longer waits for device {}, silent since segment {}",
                short(&lapse.device.to_string()),
                lapse.seq.0
            )
        }
        OpBody::Carried(branches) => match branches.first() {
            Some(first) => format!(
                "took over {} of device {}, of which there were two",
                if branches.len() == 1 {
                    "a segment".to_owned()
                } else {
                    format!("{} segments", branches.len())
                },
                first.device
            ),
            None => "took over nothing".into(),
        },
        OpBody::Statement(_) => "signed a statement about devices or keys".into(),
        OpBody::Unknown { kind, .. } => format!("something that a newer version knows (kind {})", kind.0),
    }
}

fn named(target: &Target) -> String {
    match target {
        Target::Library => "the library".into(),
        Target::Asset(asset, _) => short(&asset.to_string()),
        Target::Album(album) => format!("album {}", short(&album.to_string())),
        Target::Other { kind, .. } => format!("a thing of kind {kind}"),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::None => "nothing".into(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Value::Asset(asset) => short(&asset.to_string()),
        Value::Album(album) => format!("album {}", short(&album.to_string())),
        Value::Date(date) => jiff::Timestamp::from_second(date.local_seconds)
            .map_or_else(|_| "a date".into(), |date| date.strftime("%Y-%m-%d %H:%M:%S").to_string()),
        Value::Place(_) => "a place".into(),
        Value::Other(_) => "something new".into(),
    }
}

fn short(id: &str) -> String {
    id.get(..12).unwrap_or(id).to_owned()
}

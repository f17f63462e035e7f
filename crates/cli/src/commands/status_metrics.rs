//! What `safelight status --prometheus` writes: counts, and the names of remotes, in the text format of Prometheus.

use std::fmt::Write as _;

use safelight_library::{ShownRemote, Status};

/// The document, complete; `now_seconds` is the time of the look, since 1970.
pub(super) fn document(status: &Status, remotes: &[ShownRemote], now_seconds: i64) -> String {
    let mut out = String::new();
    let due = status.backups.iter().filter(|backup| backup.is_due).count() as u64;
    let counts = [
        ("assets", "Photos and videos.", status.assets),
        ("safe_assets", "Photos and videos that are whole in one place at least.", status.safe),
        ("waiting_originals", "What waits to be sent somewhere.", status.waiting),
        ("failed_files", "What could not be taken in, is damaged or could not be sent.", status.failed),
        ("damaged_assets", "Photos and videos of which an original was found damaged.", status.damaged),
        ("absent_files", "Linked files that are not there now.", status.linked_absent),
        ("undecodable_assets", "Photos whose pixels cannot be decoded.", status.undecodable),
        ("waiting_previews", "Previews still to be made.", status.previews_pending),
        ("original_bytes", "Bytes of the originals.", status.original_bytes),
        ("brake_causes", "Reasons for which nothing is let go on this device.", status.brake.len() as u64),
        ("backups", "Backups of this device.", status.backups.len() as u64),
        ("due_backups", "Backups that are due.", due),
    ];
    for (name, help, value) in counts {
        header(&mut out, name, help);
        line(&mut out, name, None, value);
    }
    header(&mut out, "status_timestamp_seconds", "When this was looked at, in seconds since 1970.");
    line(&mut out, "status_timestamp_seconds", None, now_seconds);
    for (name, help, value) in OF_REMOTES {
        header(&mut out, name, help);
        for remote in remotes {
            if let Some(value) = value(remote) {
                line(&mut out, name, Some(&remote.name), value);
            }
        }
    }
    out
}

type OfRemote = fn(&ShownRemote) -> Option<i64>;

const OF_REMOTES: [(&str, &str, OfRemote); 6] = [
    (
        "remote_synced_timestamp_seconds",
        "When the last sync ended well, in seconds since 1970; none where none has.",
        |remote| remote.synced_millis.map(|millis| millis / 1000),
    ),
    ("remote_last_sync_failed", "1 where the last sync failed.", |remote| {
        Some(i64::from(remote.last_error.is_some()))
    }),
    ("remote_safe_originals", "Originals that it holds whole.", |remote| count(remote.safe_originals)),
    ("remote_waiting_originals", "Originals that are to be sent there.", |remote| {
        count(remote.waiting_originals)
    }),
    ("remote_held_originals", "Originals that wait for consent.", |remote| count(remote.held_originals)),
    ("remote_failed_originals", "Originals whose sending failed.", |remote| count(remote.failed_originals)),
];

fn count(originals: u64) -> Option<i64> {
    i64::try_from(originals).ok()
}

fn header(out: &mut String, name: &str, help: &str) {
    // Writing to a string cannot fail.
    let _written = writeln!(out, "# HELP safelight_{name} {help}\n# TYPE safelight_{name} gauge");
}

fn line(out: &mut String, name: &str, remote: Option<&str>, value: impl std::fmt::Display) {
    let label = remote.map(|remote| format!("{{remote=\"{}\"}}", escaped(remote))).unwrap_or_default();
    let _written = writeln!(out, "safelight_{name}{label} {value}");
}

/// A label's value, as the text format wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_holds_what_would_end_it() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}

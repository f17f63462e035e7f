//! What an import did, in numbers.

use serde::Serialize;

use crate::why::Why;

/// How many files were passed over for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct RefusedCount {
    /// Why.
    pub reason: String,
    /// The same in a code.
    pub why: Option<Why>,
    /// How many.
    pub files: u64,
}

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ImportReport {
    /// Originals that are new in the library, versions included.
    pub imported: u64,
    /// Their bytes.
    pub imported_bytes: u64,
    /// New contents of photos that the library had.
    pub versions: u64,
    /// Of these, such as were linked before: what the file held then is nowhere that the library knows.
    pub written_over: u64,
    /// Linked files in whose place something else lies now: what they held is nowhere that the library knows.
    pub replaced: u64,
    /// Originals that were damaged in the library and are whole again.
    pub repaired: u64,
    /// Files that needed no look.
    pub unchanged: u64,
    /// Files whose content the library had.
    pub known: u64,
    /// Files that changed, together with so many others that a person must look first: nothing of them was taken.
    pub held_back: u64,
    /// Of these, found at a place that is new.
    pub duplicates: u64,
    /// Sidecars that were read.
    pub sidecars: u64,
    /// Imported all the same, without a preview.
    pub undecodable: u64,
    /// Files that are no photos or videos, by reason.
    pub refused: Vec<RefusedCount>,
    /// Files refused earlier and unchanged since.
    pub refused_before: u64,
    /// Files that were not taken and should have been.
    pub failed: u64,
    /// Files that are no longer where they were.
    pub gone: u64,
    /// Of these, such as were moved or renamed: their photo is at another path.
    pub gone_moved: u64,
    /// Of these, such as the library keeps a sealed copy of, here or in a remote.
    pub gone_kept: u64,
    /// Of these, linked ones that lie nowhere else that is known: the library holds no copy of them.
    pub gone_linked: u64,
    /// Files whose photo was removed from the library for good (`trash empty`), and that have not changed since.
    pub purged_before: u64,
    /// What was met that is neither file nor folder, links that are not followed, and sidecars that are none.
    pub left_out: u64,
    /// Files removed from a source after proof.
    pub removed: u64,
    /// Files that were taken in before as neither photo nor video, and are one by today's rules.
    pub understood: u64,
    /// Previews left to the background.
    pub previews_pending: u64,
    /// Files opened because only their place on the disk had changed.
    pub opened_to_compare: u64,
    /// In a dry run: files that would be read.
    pub would_read: u64,
    /// In a dry run: their bytes.
    pub would_read_bytes: u64,
}

impl ImportReport {
    /// Adds another report to this one.
    pub fn absorb(&mut self, other: &Self) {
        self.imported += other.imported;
        self.imported_bytes += other.imported_bytes;
        self.versions += other.versions;
        self.written_over += other.written_over;
        self.replaced += other.replaced;
        self.repaired += other.repaired;
        self.unchanged += other.unchanged;
        self.known += other.known;
        self.held_back += other.held_back;
        self.duplicates += other.duplicates;
        self.sidecars += other.sidecars;
        self.undecodable += other.undecodable;
        self.refused_before += other.refused_before;
        self.failed += other.failed;
        self.gone += other.gone;
        self.gone_moved += other.gone_moved;
        self.gone_kept += other.gone_kept;
        self.gone_linked += other.gone_linked;
        self.purged_before += other.purged_before;
        self.left_out += other.left_out;
        self.removed += other.removed;
        self.understood += other.understood;
        self.previews_pending += other.previews_pending;
        self.opened_to_compare += other.opened_to_compare;
        self.would_read += other.would_read;
        self.would_read_bytes += other.would_read_bytes;
        for count in &other.refused {
            self.count_refused(&count.reason, count.files);
        }
    }

    pub(crate) fn refuse(&mut self, reason: &str) {
        self.count_refused(reason, 1);
    }

    fn count_refused(&mut self, reason: &str, files: u64) {
        match self.refused.iter_mut().find(|count| count.reason == reason) {
            Some(count) => count.files += files,
            None => {
                self.refused.push(RefusedCount { reason: reason.to_owned(), why: Why::of(reason), files });
            }
        }
    }

    /// The report in sentences.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.would_read > 0 {
            let files = counted(self.would_read, "file", "files");
            lines.push(format!("Would read {files}, {} bytes", self.would_read_bytes));
            return lines;
        }
        let mut first = format!("Imported {}", self.imported);
        let mut also = |count: u64, what: &str| {
            if count > 0 {
                first.push_str(&format!(", {count} {what}"));
            }
        };
        also(self.versions, "of them new versions");
        also(self.repaired, "repaired");
        also(self.unchanged, "unchanged");
        also(self.known, "known already");
        also(self.sidecars, "sidecars read");
        also(self.undecodable, "without a preview");
        also(self.removed, "removed at the source after proof");
        also(self.left_out, "left out");
        also(self.failed, "failed");
        lines.push(first);
        for count in &self.refused {
            lines.push(format!("Passed over {}: {}", count.files, count.reason));
        }
        if self.refused_before > 0 {
            lines.push(format!("Passed over {} as before", self.refused_before));
        }
        if self.purged_before > 0 {
            let were = counted(self.purged_before, "file was", "files were");
            lines.push(format!(
                "{were} removed from the library before (trash empty) and not taken again; a copy, or the file after \
                 touch, comes in as a new photo"
            ));
        }
        if self.held_back > 0 {
            let files = counted(self.held_back, "file changed", "files changed");
            lines.push(format!(
                "{files} at once and nothing of them was taken; what the library holds is as it was (safelight brake)"
            ));
        }
        if self.written_over > 0 {
            lines.push(format!(
                "{} changed in place; what was held before is in no copy here",
                counted(self.written_over, "linked file was", "linked files were")
            ));
        }
        if self.replaced > 0 {
            lines.push(format!(
                "{} replaced by something else; what was held before is in no copy here",
                counted(self.replaced, "linked file was", "linked files were")
            ));
        }
        lines.extend(self.lines_about_gone());
        if self.understood > 0 {
            let files = counted(self.understood, "file that was", "files that were");
            let are = if self.understood == 1 { "is a photo or video" } else { "are photos and videos" };
            lines.push(format!("{files} taken in as something else {are}, as this version understands it"));
        }
        if self.previews_pending > 0 {
            let previews = counted(self.previews_pending, "large preview follows", "large previews follow");
            lines.push(format!("{previews} in the background"));
        }
        lines
    }

    fn lines_about_gone(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.gone_moved > 0 {
            let files = counted(self.gone_moved, "file was", "files were");
            let photos = if self.gone_moved == 1 { "its photo is" } else { "their photos are" };
            lines.push(format!("{files} moved or renamed; {photos} listed at the new path"));
        }
        let kept = match self.gone_kept {
            1 => "the library keeps its photo",
            _ => "the library keeps their photos",
        };
        if self.gone_kept > 0 {
            let files = counted(self.gone_kept, "file is", "files are");
            lines.push(format!("{files} no longer at the source; {kept}"));
        }
        if self.gone_linked > 0 {
            let files = counted(self.gone_linked, "linked file is", "linked files are");
            let them = if self.gone_linked == 1 { "it" } else { "them" };
            lines.push(format!(
                "{files} absent, and the library holds no copy of {them}: connect the disk or put {them} back, then \
                 import again (safelight verify names {them})"
            ));
        }
        let elsewhere = self.gone.saturating_sub(self.gone_moved + self.gone_kept + self.gone_linked);
        if elsewhere > 0 {
            lines.push(format!("{} no longer at the source", counted(elsewhere, "file is", "files are")));
        }
        lines
    }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_said_as_it_is_in_singular_and_plural() {
        let report =
            ImportReport { gone: 7, gone_moved: 3, gone_kept: 1, gone_linked: 2, ..ImportReport::default() };
        let lines = report.lines();
        assert_eq!(lines[1], "3 files were moved or renamed; their photos are listed at the new path");
        assert_eq!(lines[2], "1 file is no longer at the source; the library keeps its photo");
        assert!(
            lines[3].starts_with("2 linked files are absent, and the library holds no copy of them"),
            "{lines:?}"
        );
        assert_eq!(lines[4], "1 file is no longer at the source");
    }
}

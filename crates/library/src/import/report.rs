//! What an import did, in numbers.

use serde::Serialize;

/// How many files were passed over for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedCount {
    /// Why.
    pub reason: String,
    /// How many.
    pub files: u64,
}

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Originals that are new in the library, versions included.
    pub imported: u64,
    /// Their bytes.
    pub imported_bytes: u64,
    /// New contents of photos that the library had.
    pub versions: u64,
    /// Of these, such as were linked before: what the file held then is nowhere that the library knows.
    pub written_over: u64,
    /// Originals that were damaged in the library and are whole again.
    pub repaired: u64,
    /// Files that needed no look.
    pub unchanged: u64,
    /// Files whose content the library had.
    pub known: u64,
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
    /// Files that are no longer where they were; the library keeps the photos.
    pub gone: u64,
    /// Files removed from a source after proof.
    pub removed: u64,
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
        self.repaired += other.repaired;
        self.unchanged += other.unchanged;
        self.known += other.known;
        self.duplicates += other.duplicates;
        self.sidecars += other.sidecars;
        self.undecodable += other.undecodable;
        self.refused_before += other.refused_before;
        self.failed += other.failed;
        self.gone += other.gone;
        self.removed += other.removed;
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
            None => self.refused.push(RefusedCount { reason: reason.to_owned(), files }),
        }
    }

    /// The report in sentences.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.would_read > 0 {
            lines.push(format!("Would read {} files, {} bytes", self.would_read, self.would_read_bytes));
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
        also(self.failed, "failed");
        lines.push(first);
        for count in &self.refused {
            lines.push(format!("Passed over {}: {}", count.files, count.reason));
        }
        if self.refused_before > 0 {
            lines.push(format!("Passed over {} as before", self.refused_before));
        }
        if self.written_over > 0 {
            lines.push(format!(
                "{} linked files were changed in place; what they held before is in no copy here",
                self.written_over
            ));
        }
        if self.gone > 0 {
            lines.push(format!("{} files are no longer at their source; the library keeps them", self.gone));
        }
        if self.previews_pending > 0 {
            lines.push(format!("{} large previews follow in the background", self.previews_pending));
        }
        lines
    }
}

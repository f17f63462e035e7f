//! Which page an entry belongs to: by the month in which a photo was taken, and within a month by hashes.
//!
//! Why months: what people change lies together in time, so a changed month rewrites its own pages and no other;
//! and a device that joins begins with the newest. Why hashes within: a month that outgrows its page is split
//! where any device would split it, whatever was added first.

use std::cmp::Ordering;

use safelight_crypto::sha256;

use crate::cbor::{Decode, Encode, Malformed, Reader, Writer};
use crate::field::Field;
use crate::state::{AssetState, ContentState};
use crate::value::Value;

/// Keys and values of one page together, in bytes, before it is split.
pub const MAX_PAGE_WEIGHT: u64 = 1 << 20;

/// What lies together in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(pub u32);

impl Bucket {
    /// Packs in remotes.
    pub const PACKS: Self = Self(0);
    /// Albums, the library, and everything else that is neither asset nor content.
    pub const RECORDS: Self = Self(1);
    /// Photos of no known month.
    pub const UNDATED: Self = Self(2);

    /// Whether states of assets and contents lie in it.
    #[must_use]
    pub fn holds_photos(self) -> bool {
        self >= Self::UNDATED
    }

    /// Where an asset and the content of the same name lie together: by a typed date, else by what was found in
    /// the content, else by the file's time of change.
    #[must_use]
    pub fn of_photo(asset: Option<&AssetState>, content: Option<&ContentState>) -> Self {
        let life = asset.map(AssetState::current);
        let typed = life.and_then(|life| match life.record().value(Field::DATE) {
            Some(Value::Date(date)) => Some(date.local_seconds),
            _ => None,
        });
        let taken = || content.and_then(|content| content.facts().taken).map(|taken| taken.local_millis);
        let modified = || {
            life.and_then(|life| life.contents().additions().first())
                .map(|write| write.value.original.modified_millis)
        };
        let seconds = typed.or_else(|| taken().or_else(modified).map(|millis| millis.div_euclid(1000)));
        seconds.and_then(Self::of_month).unwrap_or(Self::UNDATED)
    }

    /// The month in which a second lies that counts from 1970 on the clock of its place; none outside of the
    /// years 1 to 9999.
    fn of_month(seconds: i64) -> Option<Self> {
        // "Days since the epoch to year and month" by Howard Hinnant, chrono-compatible date algorithms.
        let days = seconds.div_euclid(86_400).checked_add(719_468)?;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let number = year.checked_mul(12)?.checked_add(month - 1)?;
        (1..=9999).contains(&year).then(|| u32::try_from(number).ok().map(Self)).flatten()
    }
}

impl Encode for Bucket {
    fn encode(&self, to: &mut Writer) {
        self.0.encode(to);
    }
}

impl Decode for Bucket {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        u32::decode(from).map(Self)
    }
}

/// The bits by which a bucket is split: a hash of an entry's key without its first byte, so that an asset and
/// the content of its name stay together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SplitKey(pub [u8; 32]);

impl SplitKey {
    /// The bits of an entry's key.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        Self(sha256(&[key.get(1..).unwrap_or_default()]))
    }

    fn bit(&self, at: usize) -> bool {
        self.0.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1)
    }
}

/// Cuts the entries of one bucket, sorted by their split keys, into pages. Each item is a split key and a weight; what
/// comes back are the lengths of the pages, in order.
#[must_use]
pub fn split(entries: &[(SplitKey, u64)]) -> Vec<usize> {
    let mut pages = Vec::new();
    split_from(entries, 0, &mut pages);
    pages
}

fn split_from(entries: &[(SplitKey, u64)], depth: usize, pages: &mut Vec<usize>) {
    let (Some((first, _)), Some((last, _))) = (entries.first(), entries.last()) else { return };
    let weight: u64 = entries.iter().map(|(_, weight)| *weight).sum();
    if weight <= MAX_PAGE_WEIGHT || first.cmp(last) == Ordering::Equal || depth >= 256 {
        pages.push(entries.len());
        return;
    }
    let middle = entries.partition_point(|(key, _)| !key.bit(depth));
    let (low, high) = entries.split_at(middle);
    split_from(low, depth + 1, pages);
    split_from(high, depth + 1, pages);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_count_from_the_year_nought_and_end_where_years_do() {
        assert_eq!(Bucket::of_month(0), Some(Bucket(1970 * 12)));
        assert_eq!(Bucket::of_month(-1), Some(Bucket(1969 * 12 + 11)));
        // 2024-02-29 and 2024-03-01.
        assert_eq!(Bucket::of_month(1_709_164_800), Some(Bucket(2024 * 12 + 1)));
        assert_eq!(Bucket::of_month(1_709_251_200), Some(Bucket(2024 * 12 + 2)));
        assert_eq!(Bucket::of_month(i64::MAX), None);
        assert_eq!(Bucket::of_month(i64::MIN), None);
        // 0000-12-31 and 0001-01-01.
        assert_eq!(Bucket::of_month(-62_135_596_801), None);
        assert_eq!(Bucket::of_month(-62_135_596_800), Some(Bucket(12)));
    }

    fn keys(count: u32) -> Vec<(SplitKey, u64)> {
        let mut keys: Vec<_> =
            (0..count).map(|number| (SplitKey::of(&number.to_be_bytes().repeat(2)), 1000)).collect();
        keys.sort();
        keys
    }

    #[test]
    fn a_bucket_is_split_only_when_it_outgrows_its_page() {
        assert_eq!(split(&[]), Vec::<usize>::new());
        assert_eq!(split(&keys(1048)), [1048]);
        let pages = split(&keys(1049));
        assert_eq!(pages.len(), 2);
        assert_eq!(pages.iter().sum::<usize>(), 1049);
    }

    #[test]
    fn every_page_but_one_of_a_single_name_fits() {
        let entries = keys(20_000);
        let pages = split(&entries);
        assert!(pages.iter().all(|count| *count <= 1048 && *count > 0), "{pages:?}");
        assert_eq!(pages.iter().sum::<usize>(), 20_000);
        let same = vec![(SplitKey([7; 32]), MAX_PAGE_WEIGHT); 3];
        assert_eq!(split(&same), [3]);
    }
}

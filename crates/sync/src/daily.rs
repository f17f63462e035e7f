//! How many bytes of photos may go to a remote within a day.
//!
//! Invariants: what is about to go is written down before it goes, so that neither a kill nor another process sends it
//! uncounted; within any 24 hours no more than the cap goes, but for one object that is larger and goes alone. Originals and
//! renditions count. Keys, history and checkpoints always go: they are small, and what waits is said by them. What the
//! connection sends twice because it broke counts once, and what a place says only at the end of an upload it has already does
//! not count.
//!
//! What went is kept by the hour, and an hour counts until a day has passed since its end. What a clock that went back left in
//! the future counts as sent in the hour in which that is noticed, and is kept so, so nothing waits for longer than 25 hours from
//! then on.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use safelight_catalog::{DeviceDb, RemoteId};

use crate::error::Result;
use crate::here::{Here, RemotePlace};

/// The setting of a remote that holds its daily cap, as [`DailyCap`] is written.
pub const DAILY_CAP: &str = "daily";
/// The setting that holds what went, as `hour:bytes` with spaces between.
const SENT: &str = "daily-sent";
/// The setting that says until when nothing more goes, as the cap that it was found at and the moment.
const FULL: &str = "daily-full";
/// The setting that says that the last run left something because of the cap.
const HELD_BACK: &str = "daily-held-back";

const HOUR_MILLIS: i64 = 3_600_000;
/// So many hours after its beginning an hour counts no more.
const COUNTED_HOURS: i64 = 25;
/// A cap is at least so much: less is a mistake in the unit.
const LEAST_BYTES: f64 = 1_000_000.0;
/// The units of a cap, larger ones first.
const UNITS: [(&str, u64); 5] =
    [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000), ("B", 1)];

/// The most bytes of photos that go to a remote within 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DailyCap(u64);

impl DailyCap {
    /// The bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for DailyCap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.into_iter().find(|(_, scale)| self.0.is_multiple_of(*scale));
        let (unit, scale) = unit.unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / scale)
    }
}

impl FromStr for DailyCap {
    type Err = ();

    /// Reads `20GB`, `1.5TB` or `500MB`.
    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let (_, scale) = UNITS.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or(())?;
        let bytes = number.parse::<f64>().map_err(drop)? * scale as f64;
        if !(LEAST_BYTES..=1e15).contains(&bytes) {
            return Err(());
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
        let bytes = bytes.round() as u64;
        Ok(Self(bytes))
    }
}

/// Bytes that went, by the hour since 1970.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sent(BTreeMap<i64, u64>);

impl Sent {
    /// Reads what counts still in this hour.
    fn read(text: &str, hour: i64) -> Self {
        let mut sent = Self::default();
        for (then, bytes) in text.split(' ').filter_map(|one| one.split_once(':')) {
            let (Ok(then), Ok(bytes)) = (then.parse::<i64>(), bytes.parse::<u64>()) else { continue };
            if then > hour - COUNTED_HOURS {
                sent.add(then.min(hour), bytes);
            }
        }
        sent
    }

    fn add(&mut self, hour: i64, bytes: u64) {
        let known = self.0.entry(hour).or_default();
        *known = known.saturating_add(bytes);
    }

    fn total(&self) -> u64 {
        self.0.values().copied().fold(0, u64::saturating_add)
    }

    fn takes(&self, bytes: u64, cap: DailyCap) -> bool {
        let total = self.total();
        total == 0 || total.saturating_add(bytes) <= cap.0
    }

    /// When so much may go, in milliseconds since 1970, if nothing else goes before.
    fn takes_from(mut self, bytes: u64, cap: DailyCap) -> i64 {
        let mut free = 0;
        while !self.takes(bytes, cap) {
            let Some((hour, _)) = self.0.pop_first() else { break };
            free = (hour + COUNTED_HOURS) * HOUR_MILLIS;
        }
        free
    }

    /// Takes back what was written down and did not go, the newest first.
    fn give_back(&mut self, mut bytes: u64) {
        for known in self.0.values_mut().rev() {
            let back = bytes.min(*known);
            *known -= back;
            bytes -= back;
        }
        self.0.retain(|_, bytes| *bytes > 0);
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (hour, bytes)) in self.0.iter().enumerate() {
            write!(f, "{}{hour}:{bytes}", if at == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

/// How a remote stands to its daily cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DailyStanding {
    /// The cap.
    pub cap: DailyCap,
    /// What counts against it now.
    pub sent_bytes: u64,
    /// Until when nothing more goes, in milliseconds since 1970, where something was held back.
    pub full_until_millis: Option<i64>,
}

/// How a remote stands to its daily cap; none where it has no cap.
///
/// # Errors
/// Those of the database.
pub fn daily_standing(device: &DeviceDb, remote: RemoteId, now_millis: i64) -> Result<Option<DailyStanding>> {
    let Some(cap) = device.remote_setting(remote, DAILY_CAP)?.and_then(|text| text.parse::<DailyCap>().ok())
    else {
        return Ok(None);
    };
    let sent_bytes = sent(device, remote, now_millis)?.total();
    let full = device.remote_setting(remote, FULL)?;
    let until = full.as_deref().and_then(|full| full.split_once(' ')).and_then(|(then, until)| {
        // What was found at another cap says nothing of this one.
        let until = until.parse::<i64>().ok().filter(|_| then == cap.to_string())?;
        let left = until.saturating_sub(now_millis);
        // Nothing waits for longer; a clock that says so went back.
        (1..=COUNTED_HOURS * HOUR_MILLIS).contains(&left).then_some(until)
    });
    Ok(Some(DailyStanding { cap, sent_bytes, full_until_millis: until }))
}

fn sent(device: &DeviceDb, remote: RemoteId, now_millis: i64) -> Result<Sent> {
    let text = device.remote_setting(remote, SENT)?.unwrap_or_default();
    Ok(Sent::read(&text, now_millis.div_euclid(HOUR_MILLIS)))
}

/// Whether so many bytes of a photo may go to a remote now. If so, they count as sent from here on; if not, nothing goes
/// until there is room for them.
pub(crate) fn may_go(here: &mut Here<'_>, at: &RemotePlace, bytes: u64) -> Result<bool> {
    let now = here.now_millis();
    let Some(standing) = daily_standing(here.device, at.id, now)? else { return Ok(true) };
    let mut sent = sent(here.device, at.id, now)?;
    let is_full = standing.full_until_millis.is_some();
    let may_go = !is_full && sent.takes(bytes, standing.cap);
    if may_go {
        sent.add(now.div_euclid(HOUR_MILLIS), bytes);
    }
    // Also where nothing goes: what lay in the future is from here on of this hour.
    here.device.set_remote_setting(at.id, SENT, Some(&sent.to_string()))?;
    if may_go {
        return Ok(true);
    }
    here.device.set_remote_setting(at.id, HELD_BACK, Some("yes"))?;
    if is_full {
        return Ok(false);
    }
    let full = format!("{} {}", standing.cap, sent.takes_from(bytes, standing.cap));
    here.device.set_remote_setting(at.id, FULL, Some(&full))?;
    Ok(false)
}

/// Begins a run: from here on [`has_held_back`] is about it.
pub(crate) fn begin_run(here: &mut Here<'_>, at: &RemotePlace) -> Result<()> {
    let is_full = is_full(here, at)?;
    Ok(here.device.set_remote_setting(at.id, HELD_BACK, is_full.then_some("yes"))?)
}

/// Whether the cap held something back in this run, also where it lapsed meanwhile or was taken away.
pub(crate) fn has_held_back(here: &Here<'_>, at: &RemotePlace) -> Result<bool> {
    Ok(here.device.remote_setting(at.id, HELD_BACK)?.is_some())
}

/// Takes back what [`may_go`] counted and that did not go: there is room again.
pub(crate) fn did_not_go(here: &mut Here<'_>, at: &RemotePlace, bytes: u64) -> Result<()> {
    let now = here.now_millis();
    if daily_standing(here.device, at.id, now)?.is_none() {
        return Ok(());
    }
    let mut sent = sent(here.device, at.id, now)?;
    sent.give_back(bytes);
    here.device.set_remote_setting(at.id, FULL, None)?;
    Ok(here.device.set_remote_setting(at.id, SENT, Some(&sent.to_string()))?)
}

/// How a remote stands to its daily cap, where nothing of photos goes there for now.
pub(crate) fn capped(here: &Here<'_>, at: &RemotePlace) -> Result<Option<DailyStanding>> {
    let standing = daily_standing(here.device, at.id, here.now_millis())?;
    Ok(standing.filter(|standing| standing.full_until_millis.is_some()))
}

/// Whether nothing of photos goes to a remote for now.
pub(crate) fn is_full(here: &Here<'_>, at: &RemotePlace) -> Result<bool> {
    Ok(capped(here, at)?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cap(text: &str) -> DailyCap {
        text.parse().expect("a cap")
    }

    #[test]
    fn a_cap_is_written_as_it_is_read() {
        for text in ["20GB", "1500MB", "2TB", "1234567B", "1MB"] {
            assert_eq!(cap(text).to_string(), text);
        }
        assert_eq!(cap("1.5gb"), cap("1500MB"));
        assert_eq!(
            (cap("8.2GB").to_string().as_str(), cap("4.1MB").to_string().as_str()),
            ("8200MB", "4100kB")
        );
        for wrong in ["", "20", "GB", "0GB", "20 GB", "-1GB", "999kB", "20GB/s", "nanGB", "1e9GB", "9999TB"] {
            assert!(wrong.parse::<DailyCap>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_went_counts_for_a_day_after_the_end_of_its_hour() {
        let sent = Sent(BTreeMap::from([(100, 600), (110, 300)]));
        let text = sent.to_string();
        assert_eq!(Sent::read(&text, 110), sent);
        assert_eq!(Sent::read(&text, 124).total(), 900);
        assert_eq!(Sent::read(&text, 125).total(), 300);
        assert_eq!(Sent::read(&text, 135).total(), 0);
        assert_eq!(Sent::read("nonsense 3:x :9 101:5", 102).total(), 5);
    }

    #[test]
    fn a_clock_that_went_back_makes_nothing_wait_for_longer_than_a_day() {
        let sent = Sent::read("5000:700", 100);
        assert_eq!(sent, Sent(BTreeMap::from([(100, 700)])));
        assert_eq!(sent.takes_from(400, DailyCap(1000)), 125 * HOUR_MILLIS);
    }

    #[test]
    fn what_does_not_fit_waits_until_enough_counts_no_more() {
        let sent = || Sent(BTreeMap::from([(100, 600), (101, 100), (102, 200)]));
        assert!(sent().takes(100, DailyCap(1000)) && !sent().takes(101, DailyCap(1000)));
        assert_eq!(sent().takes_from(101, DailyCap(1000)), 125 * HOUR_MILLIS);
        assert_eq!(sent().takes_from(750, DailyCap(1000)), 126 * HOUR_MILLIS);
        // What is larger than the cap goes alone.
        assert_eq!(sent().takes_from(5000, DailyCap(1000)), 127 * HOUR_MILLIS);
        assert!(Sent::default().takes(5000, DailyCap(1000)));
    }

    #[test]
    fn what_did_not_go_is_taken_back_newest_first() {
        let mut sent = Sent(BTreeMap::from([(100, 600), (102, 200)]));
        sent.give_back(250);
        assert_eq!(sent, Sent(BTreeMap::from([(100, 550)])));
        sent.give_back(9999);
        assert_eq!(sent, Sent::default());
    }
}

//! The daily cap of a remote: what goes within a day, what waits, and what goes all the same.

use safelight_catalog::SyncState;
use safelight_sync::{DAILY_CAP, daily_standing};

use crate::common::*;

const HOUR: u64 = 3_600_000;

/// Photos of a megabyte each.
fn import(phone: &mut Phone, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let _original = phone.import(&format!("{number}.jpg"), &noise(1000 + number, 1_000_000));
    }
}

/// What is put of originals, and of history.
fn put(place: &TestPlace) -> (usize, usize) {
    let requests = place.requests();
    let of = |area: &str| {
        let is_of = |request: &&String| request.starts_with("CREATE") && request.contains(area);
        requests.iter().filter(is_of).count()
    };
    (of(" o/"), of(" log/"))
}

#[tokio::test]
async fn a_clock_that_was_years_ahead_lets_nothing_wait_for_more_than_a_day() {
    const YEARS: u64 = 4 * 365 * 24 * HOUR;
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(72);
    let at = one.at(&place.store);
    one.device.set_remote_setting(at.id, DAILY_CAP, Some("3MB")).unwrap();
    import(&mut one, 0..5);
    one.now += YEARS;
    assert_eq!(one.sync(&place.store).await.unwrap().synced_originals, 2);
    one.now -= YEARS;
    for _ in 0..5 {
        assert_eq!(one.sync(&place.store).await.unwrap().synced_originals, 0);
        one.now += 5 * HOUR;
    }
    one.now += HOUR;
    assert_eq!(one.sync(&place.store).await.unwrap().synced_originals, 2);
}

#[tokio::test]
async fn no_more_goes_within_a_day_than_the_cap_while_history_always_goes() {
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(71);
    let at = one.at(&place.store);
    one.device.set_remote_setting(at.id, DAILY_CAP, Some("3MB")).unwrap();
    import(&mut one, 0..5);
    let report = one.sync(&place.store).await.unwrap();
    assert_eq!((report.synced_originals, report.problems.as_slice()), (2, [].as_slice()));
    assert!(report.capped.is_some());
    assert_eq!(put(&place).0, 2);
    let waiting = one.device.sync_totals(at.id).unwrap();
    assert!(waiting.iter().any(|(state, totals)| *state == SyncState::Waiting && totals.originals == 3));

    // What is new is told to others at once, and nothing of it goes before its time.
    import(&mut one, 5..6);
    let report = one.sync(&place.store).await.unwrap();
    let (originals, segments) = put(&place);
    assert_eq!((report.synced_originals, originals), (0, 0));
    assert!(segments > 0, "history waits for nothing");

    one.now += 23 * HOUR;
    assert_eq!(one.sync(&place.store).await.unwrap().synced_originals, 0);
    one.now += 2 * HOUR;
    let report = one.sync(&place.store).await.unwrap();
    assert_eq!((report.synced_originals, report.capped.is_some()), (2, true));
    // A clock that goes back makes no room.
    one.now -= 20 * HOUR;
    assert_eq!(one.sync(&place.store).await.unwrap().synced_originals, 0);

    one.device.set_remote_setting(at.id, DAILY_CAP, None).unwrap();
    let report = one.sync(&place.store).await.unwrap();
    assert_eq!((report.synced_originals, report.capped), (2, None));
}

#[tokio::test]
async fn a_larger_cap_counts_what_went_already_and_sends_what_fits_at_once() {
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(72);
    let at = one.at(&place.store);
    one.device.set_remote_setting(at.id, DAILY_CAP, Some("3MB")).unwrap();
    import(&mut one, 0..5);
    assert_eq!(one.sync(&place.store).await.unwrap().synced_originals, 2);
    one.device.set_remote_setting(at.id, DAILY_CAP, Some("4300kB")).unwrap();
    assert_eq!(one.sync(&place.store).await.unwrap().synced_originals, 2);
    let standing = daily_standing(&one.device, at.id, i64::try_from(one.now).unwrap()).unwrap().unwrap();
    assert!((4_000_000..=4_300_000).contains(&standing.sent_bytes), "{standing:?}");
    assert!(standing.full_until_millis.is_some());
}

#[tokio::test]
async fn what_is_larger_than_the_cap_goes_alone() {
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(73);
    let at = one.at(&place.store);
    one.device.set_remote_setting(at.id, DAILY_CAP, Some("1MB")).unwrap();
    for number in 0..2 {
        let _original = one.import(&format!("{number}.jpg"), &noise(number, 2_500_000));
    }
    assert_eq!(one.sync(&place.store).await.unwrap().synced_originals, 1);
    assert_eq!(one.sync(&place.store).await.unwrap().synced_originals, 0);
    one.now += 26 * HOUR;
    assert_eq!(one.sync(&place.store).await.unwrap().synced_originals, 1);
}

#[tokio::test]
async fn what_is_about_to_go_counts_before_it_goes() {
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(74);
    let at = one.at(&place.store);
    one.device.set_remote_setting(at.id, DAILY_CAP, Some("3MB")).unwrap();
    import(&mut one, 0..5);
    // Every upload breaks off: whether its bytes went nobody can tell, so they count.
    *place.remote.refused.lock().unwrap() = Some("o/".to_owned());
    assert_eq!(one.sync(&place.store).await.unwrap().synced_originals, 0);
    *place.remote.refused.lock().unwrap() = None;
    let _tried = place.requests();
    let report = one.sync(&place.store).await.unwrap();
    assert_eq!((report.synced_originals, put(&place).0), (0, 0));
    one.now += 26 * HOUR;
    assert_eq!(one.sync(&place.store).await.unwrap().synced_originals, 2);
}

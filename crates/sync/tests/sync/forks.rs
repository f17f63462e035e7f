//! A device that was copied, and both copies of which published: both branches reach everybody.

use safelight_model::Original;
use safelight_store::{ObjectPath, SealedRemote};
use safelight_sync::{Depth, Problem, SyncOptions, plan, verify_remote};

use crate::common::*;

fn knows(phone: &Phone, photos: &[Original]) -> bool {
    photos.iter().all(|photo| phone.catalog.asset(asset(photo)).unwrap().is_some())
}

/// Syncs everybody with every place until nothing more is said; answers the problems of the last round.
async fn settle(phones: &mut [Phone], stores: &[&SealedRemote]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for _ in 0..5 {
        problems.clear();
        for phone in &mut *phones {
            for store in stores {
                let report = phone.sync(store).await.unwrap();
                problems.extend(report.history.problems.into_iter().chain(report.problems));
            }
        }
    }
    problems
}

/// Everybody has read the same, and hears of nothing new: a sync asks a place for what is next of each device, and
/// fetches nothing of history again.
async fn stand_still(phones: &mut [Phone], places: &[&TestPlace]) {
    let ends = phones[0].catalog.ends().unwrap();
    for phone in phones {
        assert_eq!(phone.catalog.ends().unwrap(), ends);
        for place in places {
            place.requests();
            let report = phone.sync(&place.store).await.unwrap();
            assert_eq!(report.history.problems, []);
            let requests = place.requests();
            let devices = phone.here().roster().unwrap().unwrap().members().len();
            assert!(requests.len() <= devices + 2, "{devices} devices: {requests:#?}");
            let is_there = |name: &str| place.path(name).exists();
            let fetched: Vec<_> = requests
                .iter()
                .filter(|request| request.strip_prefix("GET ").is_some_and(is_there))
                .collect();
            assert!(fetched.is_empty(), "{fetched:#?}");
        }
    }
}

fn is_left_over(problem: &Problem) -> bool {
    matches!(problem, Problem::Leftover { .. })
}

/// Whether it must return to a place before it relies on what rests there.
fn is_away(phone: &mut Phone, store: &SealedRemote) -> bool {
    let at = phone.at(store);
    safelight_sync::is_away(&phone.here(), &at).unwrap()
}

/// A byte of the signature of a segment.
fn in_signature(place: &TestPlace, name: &str) -> usize {
    usize::try_from(std::fs::metadata(place.path(name)).unwrap().len()).unwrap() - 10
}

/// The permutation of a number.
fn shuffled<T: Clone>(items: &[T], seed: u64) -> Vec<T> {
    let mut items = items.to_vec();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for at in (1..items.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        items.swap(at, usize::try_from(state % (at as u64 + 1)).unwrap());
    }
    items
}

#[tokio::test]
async fn both_branches_of_a_fork_reach_everybody_in_every_order() {
    for seed in 0..12_u64 {
        let (first, second) = (TestPlace::new(), TestPlace::new());
        let stores = [&first.store, &second.store];
        let (mut one, words) = Phone::founder(100 + seed);
        let shared = one.import("shared.jpg", &noise(1, 2000));
        for store in stores {
            one.sync(store).await.unwrap();
        }
        let two = Phone::join(&first.store, &words, 200 + seed).await.unwrap();
        let copy = one.back_up().open(300 + seed);
        let mut phones = vec![one, copy, two];
        let mut photos = vec![shared];
        // Each publishes two segments of its own, in another place, before it hears of the other.
        for round in 0..2 {
            for (which, store) in stores.into_iter().enumerate() {
                let number = 10 + 2 * round + which as u64;
                photos.push(phones[which].import(&format!("{which} {round}.jpg"), &noise(number, 2000)));
                let first_photo = asset(&photos[0]);
                phones[which].caption(first_photo, &format!("{which} {round}"));
                phones[which].sync(store).await.unwrap();
            }
        }
        let forked = phones[0].catalog.device();
        let meetings: Vec<(usize, usize)> = (0..3).flat_map(|who| [(who, 0), (who, 1)]).collect();
        for (who, place) in shuffled(&meetings, seed) {
            let report = phones[who].sync(stores[place]).await.unwrap();
            // A new device relies on nothing until it has published and read (sl1-history §10.5).
            if report.history.problems.iter().any(|problem| matches!(problem, Problem::WentOnAs { .. })) {
                for store in stores {
                    assert!(is_away(&mut phones[who], store), "seed {seed}");
                }
            }
            // What is typed in the middle of it goes along.
            let caption = format!("meanwhile {who} {place}");
            let photo = asset(&photos[0]);
            phones[who].caption(photo, &caption);
        }
        assert_eq!(settle(&mut phones, &stores).await, [], "seed {seed}");
        stand_still(&mut phones, &[&first, &second]).await;
        for phone in &mut phones {
            assert!(stores.iter().all(|store| !is_away(phone, store)), "seed {seed}");
        }
        let hashes: Vec<String> = phones.iter().map(Phone::hash).collect();
        assert!(hashes.iter().all(|hash| *hash == hashes[0]), "seed {seed}: {hashes:#?}");
        assert!(phones.iter().all(|phone| knows(phone, &photos)), "seed {seed}");
        let ids: std::collections::BTreeSet<_> = phones.iter().map(|phone| phone.catalog.device()).collect();
        assert_eq!(ids.len(), 3, "seed {seed}: nobody shares a name any more");
        assert!(!ids.contains(&forked), "seed {seed}: both copies go on under new names");

        // Whoever comes later finds everything in either place, and what is typed goes on reaching everybody.
        for (number, store) in stores.into_iter().enumerate() {
            let late = Phone::join(store, &words, 400 + seed * 2 + number as u64).await.unwrap();
            phones.push(late);
        }
        for number in 0..phones.len() {
            let photo = asset(&photos[1 + number % 4]);
            phones[number].caption(photo, &format!("late {number}"));
        }
        assert_eq!(settle(&mut phones, &stores).await, [], "seed {seed}");
        let hashes: Vec<String> = phones.iter().map(Phone::hash).collect();
        assert!(hashes.iter().all(|hash| *hash == hashes[0]), "seed {seed}, late: {hashes:#?}");
        stand_still(&mut phones, &[&first, &second]).await;
        for phone in &mut phones {
            for store in stores {
                let at = phone.at(store);
                let verified = verify_remote(&mut phone.here(), &at, Depth::All).await;
                assert_eq!(verified.unwrap().problems, [], "seed {seed}");
            }
        }
    }
}

#[tokio::test]
async fn a_third_device_carries_a_branch_whose_copy_is_gone() {
    let (first, second) = (TestPlace::new(), TestPlace::new());
    let (mut one, words) = Phone::founder(500);
    one.sync(&first.store).await.unwrap();
    one.sync(&second.store).await.unwrap();
    let mut two = Phone::join(&first.store, &words, 501).await.unwrap();
    let mut copy = one.back_up().open(502);
    let here = one.import("here.jpg", &noise(1, 2000));
    one.sync(&first.store).await.unwrap();
    let there = copy.import("there.jpg", &noise(2, 2000));
    copy.sync(&second.store).await.unwrap();
    // Neither copy is ever heard of again; one device has both places.
    drop((one, copy));
    two.sync(&first.store).await.unwrap();
    let report = two.sync(&second.store).await.unwrap();
    assert!(
        report.history.problems.iter().any(|problem| matches!(problem, Problem::BranchKept { .. })),
        "{report:?}"
    );
    two.sync(&first.store).await.unwrap();
    for place in [&first, &second] {
        let late = Phone::join(&place.store, &words, 503).await.unwrap();
        assert!(knows(&late, &[here.clone(), there.clone()]));
        assert_eq!(
            late.catalog.asset_state(asset(&here)).unwrap(),
            two.catalog.asset_state(asset(&here)).unwrap()
        );
    }
}

#[tokio::test]
async fn branches_of_any_lengths_cost_nothing_once_everybody_has_read_them() {
    for (seed, lengths) in [(600, [1, 4]), (610, [4, 1]), (620, [3, 3])] {
        let places = [TestPlace::new(), TestPlace::new()];
        let (mut one, words) = Phone::founder(seed);
        for place in &places {
            one.sync(&place.store).await.unwrap();
        }
        let two = Phone::join(&places[0].store, &words, seed + 1).await.unwrap();
        let copy = one.back_up().open(seed + 2);
        let mut phones = vec![one, copy, two];
        for (which, length) in lengths.into_iter().enumerate() {
            for number in 0..length {
                let content = noise(100 * which as u64 + number, 2000);
                phones[which].import(&format!("{which} {number}.jpg"), &content);
                phones[which].sync(&places[which].store).await.unwrap();
            }
        }
        assert_eq!(settle(&mut phones, &[&places[0].store, &places[1].store]).await, [], "seed {seed}");
        stand_still(&mut phones, &[&places[0], &places[1]]).await;
        // The place where a joining device reads decides which branch it keeps.
        for place in &places {
            phones.push(Phone::join(&place.store, &words, seed + phones.len() as u64).await.unwrap());
        }
        assert_eq!(settle(&mut phones, &[&places[0].store, &places[1].store]).await, [], "seed {seed}");
        stand_still(&mut phones, &[&places[0], &places[1]]).await;
        // What comes later goes everywhere, also from those that keep a branch which the place does not have.
        for (number, phone) in (0..).zip(&mut phones) {
            phone.import(&format!("later {number}.jpg"), &noise(300 + number, 2000));
            for place in &places {
                assert_eq!(
                    phone.sync(&place.store).await.unwrap().synced_originals,
                    1,
                    "seed {seed} {number}"
                );
                let at = phone.at(&place.store);
                let plan = plan(&mut phone.here(), &at, &SyncOptions::default()).unwrap();
                assert_eq!(plan.segments, 0, "seed {seed} {number}");
            }
        }
    }
}

#[tokio::test]
async fn a_copy_of_a_copy_forks_again_and_nothing_is_lost() {
    let places = [TestPlace::new(), TestPlace::new(), TestPlace::new()];
    let (mut one, words) = Phone::founder(510);
    for place in &places {
        one.sync(&place.store).await.unwrap();
    }
    let mut copy = one.back_up().open(511);
    let mut photos = vec![copy.import("before the second copy.jpg", &noise(1, 2000))];
    copy.sync(&places[1].store).await.unwrap();
    let mut again = copy.back_up().open(512);
    for (number, phone) in [&mut one, &mut copy, &mut again].into_iter().enumerate() {
        photos.push(phone.import(&format!("{number}.jpg"), &noise(10 + number as u64, 2000)));
        phone.sync(&places[number].store).await.unwrap();
    }
    let mut phones = vec![one, copy, again];
    let stores: Vec<&SealedRemote> = places.iter().map(|place| &place.store).collect();
    assert_eq!(settle(&mut phones, &stores).await, []);
    for (number, place) in (0..).zip(&places) {
        phones.push(Phone::join(&place.store, &words, 513 + number).await.unwrap());
    }
    assert_eq!(settle(&mut phones, &stores).await, []);
    let hashes: Vec<String> = phones.iter().map(Phone::hash).collect();
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:#?}");
    assert!(phones.iter().all(|phone| knows(phone, &photos)));
}

#[tokio::test]
async fn a_change_of_name_that_does_not_come_to_its_end_is_done_again() {
    let (first, second) = (TestPlace::new(), TestPlace::new());
    let (mut one, words) = Phone::founder(520);
    one.sync(&first.store).await.unwrap();
    one.sync(&second.store).await.unwrap();
    let mut copy = one.back_up().open(521);
    let mut photos = vec![one.import("one.jpg", &noise(1, 2000)), copy.import("copy.jpg", &noise(2, 2000))];
    one.sync(&first.store).await.unwrap();
    copy.sync(&second.store).await.unwrap();
    // The keyring cannot be kept, or the process ends right before.
    one.keys.1 = true;
    assert!(one.sync(&second.store).await.is_err());
    one.keys.1 = false;
    // What the old device closes and publishes now is history as well.
    photos.push(one.import("between.jpg", &noise(3, 2000)));
    one.sync(&first.store).await.unwrap();
    let mut phones = vec![one, copy];
    assert_eq!(settle(&mut phones, &[&first.store, &second.store]).await, []);
    phones.push(Phone::join(&first.store, &words, 522).await.unwrap());
    phones.push(Phone::join(&second.store, &words, 523).await.unwrap());
    assert_eq!(settle(&mut phones, &[&first.store, &second.store]).await, []);
    let hashes: Vec<String> = phones.iter().map(Phone::hash).collect();
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:#?}");
    assert!(phones.iter().all(|phone| knows(phone, &photos)));
}

#[tokio::test]
async fn a_device_that_was_revoked_does_not_name_another() {
    let (first, second) = (TestPlace::new(), TestPlace::new());
    let (mut one, words) = Phone::founder(530);
    one.sync(&first.store).await.unwrap();
    let mut two = Phone::join(&first.store, &words, 531).await.unwrap();
    two.sync(&second.store).await.unwrap();
    one.sync(&first.store).await.unwrap();
    let mut copy = two.back_up().open(532);
    two.import("two.jpg", &noise(1, 2000));
    copy.import("copy.jpg", &noise(2, 2000));
    let device = two.catalog.device();
    let tip = one.catalog.tip(device).unwrap();
    one.state(&safelight_crypto::StatementBody::Revoke {
        device,
        last_seq: tip.seq.0,
        last_root: tip.root.0,
    });
    // So that it can read that it was revoked.
    one.close();
    two.sync(&first.store).await.unwrap();
    copy.sync(&second.store).await.unwrap();
    one.sync(&first.store).await.unwrap();
    two.sync(&first.store).await.unwrap();
    let report = two.sync(&second.store).await.unwrap();
    assert_eq!(two.catalog.device(), device, "{report:?}");
}

#[tokio::test]
async fn a_damaged_branch_of_a_copy_that_is_gone_holds_nobody_up() {
    for (seed, is_published, is_sealed_part) in [(540, true, true), (550, false, true), (560, true, false)] {
        let (first, second) = (TestPlace::new(), TestPlace::new());
        let stores = [&first.store, &second.store];
        let (mut one, words) = Phone::founder(seed);
        for store in stores {
            one.sync(store).await.unwrap();
        }
        let mut copy = one.back_up().open(seed + 1);
        let device = one.catalog.device();
        let number = one.catalog.tip(device).unwrap().seq.0 + 1;
        copy.import("gone.jpg", &noise(1, 2000));
        copy.sync(&second.store).await.unwrap();
        drop(copy);
        let name = ObjectPath::segment(device, number).to_string();
        second.flip(&name, if is_sealed_part { 300 } else { in_signature(&second, &name) });

        let photo = one.import("one.jpg", &noise(2, 2000));
        if is_published {
            one.sync(&first.store).await.unwrap();
        }
        let mut phones = vec![one];
        for _ in 0..2 {
            // The only place that it has now.
            phones[0].sync(&second.store).await.unwrap();
        }
        if !is_published {
            // Nobody holds a segment of that name: what is left of it stays.
            phones[0].sync(&first.store).await.unwrap();
        }
        let meeting = if is_published { &second } else { &first };
        phones.push(Phone::join(&meeting.store, &words, seed + 2).await.unwrap());
        assert_eq!(settle(&mut phones, &stores).await, [], "seed {seed}");
        stand_still(&mut phones, &[&first, &second]).await;
        if !is_published {
            // It was told, and is told again by whoever looks.
            let at = phones[1].at(&second.store);
            let verified = verify_remote(&mut phones[1].here(), &at, Depth::All).await.unwrap();
            assert!(verified.problems.iter().any(is_left_over), "{verified:?}");
        }
        assert!(knows(&phones[1], std::slice::from_ref(&photo)), "seed {seed}");
        assert_eq!(phones[0].hash(), phones[1].hash(), "seed {seed}");
        let report = phones[0].sync(&second.store).await.unwrap();
        assert!(!report.history.own_history_waits, "seed {seed}");
        let is_another = phones[0].catalog.device() != device;
        assert_eq!(is_another, is_sealed_part, "seed {seed}: a signature is what tells a fork");
    }
}

#[tokio::test]
async fn a_copy_that_left_a_name_leaves_it_to_nobody() {
    let (first, second) = (TestPlace::new(), TestPlace::new());
    let (mut one, words) = Phone::founder(650);
    for place in [&first, &second] {
        one.sync(&place.store).await.unwrap();
    }
    let mut copy = one.back_up().open(651);
    let device = one.catalog.device();
    let name = ObjectPath::segment(device, one.catalog.tip(device).unwrap().seq.0 + 1).to_string();
    let photo = one.import("here.jpg", &noise(1, 2000));
    one.sync(&first.store).await.unwrap();
    // Only its writer has it whole: the copy cannot know whether it will ever be.
    let whole = std::fs::read(first.path(&name)).unwrap();
    first.flip(&name, 300);
    copy.sync(&first.store).await.unwrap();
    assert_ne!(copy.catalog.device(), device);
    std::fs::write(first.path(&name), whole).unwrap();

    let mut phones = vec![one, copy];
    assert_eq!(settle(&mut phones, &[&first.store, &second.store]).await, []);
    assert_ne!(phones[0].catalog.device(), device, "the others carry whatever it says under the old name");
    stand_still(&mut phones, &[&first, &second]).await;
    phones.push(Phone::join(&second.store, &words, 652).await.unwrap());
    assert_eq!(settle(&mut phones, &[&first.store, &second.store]).await, []);
    stand_still(&mut phones, &[&first, &second]).await;
    assert!(phones.iter().all(|phone| knows(phone, std::slice::from_ref(&photo))));
}

#[tokio::test]
async fn what_is_left_of_a_branch_is_told_once_and_read_as_soon_as_it_is_whole() {
    let (first, second) = (TestPlace::new(), TestPlace::new());
    let (mut one, words) = Phone::founder(630);
    for store in [&first.store, &second.store] {
        one.sync(store).await.unwrap();
    }
    let mut two = Phone::join(&first.store, &words, 631).await.unwrap();
    let mut copy = one.back_up().open(632);
    let device = one.catalog.device();
    let number = one.catalog.tip(device).unwrap().seq.0 + 1;
    let name = ObjectPath::segment(device, number).to_string();
    let there = copy.import("there.jpg", &noise(1, 2000));
    copy.sync(&second.store).await.unwrap();
    drop(copy);
    let whole = std::fs::read(second.path(&name)).unwrap();
    second.flip(&name, 300);
    // It hears of the fork in one place, and the other device in the other one.
    one.sync(&second.store).await.unwrap();
    one.sync(&first.store).await.unwrap();
    two.sync(&first.store).await.unwrap();
    let mut left_over = 0;
    for _ in 0..3 {
        let problems = two.sync(&second.store).await.unwrap().history.problems;
        assert!(problems.iter().all(is_left_over), "{problems:?}");
        left_over += problems.len();
    }
    assert_eq!(left_over, 1);
    let mut phones = vec![one, two];
    assert_eq!(settle(&mut phones, &[&first.store, &second.store]).await, []);
    stand_still(&mut phones, &[&first, &second]).await;

    // Somebody finds it whole on an old disk.
    std::fs::write(second.path(&name), whole).unwrap();
    let report = phones[1].sync(&second.store).await.unwrap();
    let is_kept = |problem: &Problem| matches!(problem, Problem::BranchKept { .. });
    assert!(report.history.taken_segments > 0 && report.history.problems.iter().all(is_kept), "{report:?}");
    assert_eq!(settle(&mut phones, &[&first.store, &second.store]).await, []);
    assert!(phones.iter().all(|phone| knows(phone, std::slice::from_ref(&there))));
    stand_still(&mut phones, &[&first, &second]).await;
}

#[tokio::test]
async fn what_a_kept_segment_of_another_branch_cannot_replace_is_told_once() {
    let (first, second) = (TestPlace::new(), TestPlace::new());
    let (mut one, words) = Phone::founder(660);
    for place in [&first, &second] {
        one.sync(&place.store).await.unwrap();
    }
    let mut two = Phone::join(&second.store, &words, 661).await.unwrap();
    let mut copy = one.back_up().open(662);
    let device = one.catalog.device();
    let forked = one.catalog.tip(device).unwrap().seq.0 + 1;
    for number in 0..3 {
        one.import(&format!("here {number}.jpg"), &noise(10 + number, 2000));
        one.sync(&first.store).await.unwrap();
        copy.import(&format!("there {number}.jpg"), &noise(20 + number, 2000));
        copy.sync(&second.store).await.unwrap();
    }
    // What the first place has of the chain behind its fork is cut, and whole nowhere.
    drop((one, copy));
    for number in first.objects(&format!("log/{device}")).keys() {
        let seq: u32 = number.rsplit('/').next().unwrap().parse().unwrap();
        if seq > forked {
            first.remove(number);
        }
    }
    let name = ObjectPath::segment(device, forked + 1).to_string();
    std::fs::write(first.path(&name), b"cut").unwrap();

    two.sync(&second.store).await.unwrap();
    let report = two.sync(&first.store).await.unwrap();
    assert_eq!(
        report.history.problems.iter().filter(|problem| is_left_over(problem)).count(),
        1,
        "{report:?}"
    );
    let mut phones = vec![two];
    assert_eq!(settle(&mut phones, &[&first.store, &second.store]).await, []);
    stand_still(&mut phones, &[&first, &second]).await;
}

#[tokio::test]
async fn a_place_that_keeps_what_is_left_is_not_asked_to_replace_it_at_every_sync() {
    let (first, second) = (TestPlace::new(), TestPlace::new());
    let (mut one, words) = Phone::founder(640);
    for store in [&first.store, &second.store] {
        one.sync(store).await.unwrap();
    }
    let mut copy = one.back_up().open(641);
    let device = one.catalog.device();
    let number = one.catalog.tip(device).unwrap().seq.0 + 1;
    copy.import("there.jpg", &noise(1, 2000));
    copy.sync(&second.store).await.unwrap();
    drop(copy);
    second.flip(&ObjectPath::segment(device, number).to_string(), 300);
    *second.remote.deletes.lock().unwrap() = Deletes::Denied;
    let here = one.import("here.jpg", &noise(2, 2000));
    one.sync(&first.store).await.unwrap();
    let report = one.sync(&second.store).await.unwrap();
    assert!(report.history.problems.iter().any(is_left_over), "{report:?}");
    let two = Phone::join(&first.store, &words, 642).await.unwrap();
    let mut phones = vec![one, two];
    assert_eq!(settle(&mut phones, &[&first.store, &second.store]).await, []);
    stand_still(&mut phones, &[&first, &second]).await;
    let late = Phone::join(&first.store, &words, 643).await.unwrap();
    assert!(knows(&late, std::slice::from_ref(&here)));
}

#[tokio::test]
async fn what_a_copy_may_have_signed_is_left_where_its_signature_rots() {
    let (first, second) = (TestPlace::new(), TestPlace::new());
    let stores = [&first.store, &second.store];
    let (mut one, words) = Phone::founder(570);
    for store in stores {
        one.sync(store).await.unwrap();
    }
    let mut copy = one.back_up().open(571);
    let name =
        ObjectPath::segment(one.catalog.device(), one.catalog.tip(one.catalog.device()).unwrap().seq.0 + 1);
    let there = copy.import("there.jpg", &noise(1, 2000));
    copy.sync(&second.store).await.unwrap();
    second.flip(name.as_str(), in_signature(&second, name.as_str()));
    let rotten = std::fs::read(second.path(name.as_str())).unwrap();

    // Nobody has read it, and all but its signature may be whole: nothing of this device was read in its stead.
    let here = one.import("here.jpg", &noise(2, 2000));
    let report = one.sync(&second.store).await.unwrap();
    assert!(report.history.problems.iter().any(is_damaged), "{report:?}");
    assert_eq!(std::fs::read(second.path(name.as_str())).unwrap(), rotten);

    // The copy puts it again, and everybody goes on; another place was never held up.
    let at = copy.at(&second.store);
    verify_remote(&mut copy.here(), &at, Depth::All).await.unwrap();
    let mut phones = vec![one, copy, Phone::join(&first.store, &words, 572).await.unwrap()];
    assert_eq!(settle(&mut phones, &stores).await, []);
    let hashes: Vec<String> = phones.iter().map(Phone::hash).collect();
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:#?}");
    assert!(phones.iter().all(|phone| knows(phone, &[here.clone(), there.clone()])));
}

#[tokio::test]
async fn what_somebody_read_of_a_branch_before_it_rotted_reaches_everybody() {
    let (first, second) = (TestPlace::new(), TestPlace::new());
    let stores = [&first.store, &second.store];
    let (mut one, words) = Phone::founder(580);
    for store in stores {
        one.sync(store).await.unwrap();
    }
    let mut two = Phone::join(&first.store, &words, 581).await.unwrap();
    let mut copy = one.back_up().open(582);
    let device = one.catalog.device();
    let number = one.catalog.tip(device).unwrap().seq.0 + 1;
    let there = copy.import("there.jpg", &noise(1, 2000));
    copy.sync(&second.store).await.unwrap();
    two.sync(&second.store).await.unwrap();
    drop(copy);
    second.flip(&ObjectPath::segment(device, number).to_string(), 300);
    let here = one.import("here.jpg", &noise(2, 2000));
    one.sync(&first.store).await.unwrap();
    one.sync(&second.store).await.unwrap();
    let mut phones = vec![one, two];
    assert_eq!(settle(&mut phones, &stores).await, []);
    for store in stores {
        phones.push(Phone::join(store, &words, 583 + phones.len() as u64).await.unwrap());
    }
    assert_eq!(settle(&mut phones, &stores).await, []);
    let hashes: Vec<String> = phones.iter().map(Phone::hash).collect();
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:#?}");
    assert!(phones.iter().all(|phone| knows(phone, &[here.clone(), there.clone()])));
}

#[tokio::test]
async fn what_a_copy_published_rests_here_too_after_this_device_took_another_name() {
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(590);
    one.sync(&place.store).await.unwrap();
    let mut copy = one.back_up().open(591);
    let device = one.catalog.device();
    let last = one.catalog.tip(device).unwrap().seq.0;
    let photo = one.import("one.jpg", &noise(1, 2000));
    for caption in ["first", "second", "third", "fourth"] {
        // Closed and in the folder under these numbers, and never published.
        one.caption(asset(&photo), caption);
        one.close();
        let keyring = one.keys.0.clone();
        assert_eq!(safelight_sync::place_outbox(&mut one.catalog, &one.place, &keyring).unwrap(), []);
    }
    copy.import("copy.jpg", &noise(2, 2000));
    copy.sync(&place.store).await.unwrap();
    copy.import("more.jpg", &noise(3, 2000));
    copy.sync(&place.store).await.unwrap();
    // Of the copy's segments this device reads some, and then finds one that rotted: its chain forked there.
    let rotten = ObjectPath::segment(device, last + 2).to_string();
    place.flip(&rotten, 300);
    one.sync(&place.store).await.unwrap();
    assert_ne!(one.catalog.device(), device);
    // The copy puts it again, and this device reads on: as another's, in the place of what it had taken apart.
    let at = copy.at(&place.store);
    verify_remote(&mut copy.here(), &at, Depth::All).await.unwrap();
    let mut phones = vec![one, copy];
    assert_eq!(settle(&mut phones, &[&place.store]).await, []);
    assert_eq!(phones[0].catalog.outbox().unwrap(), []);
    for seq in last + 1..=last + 4 {
        let name = ObjectPath::segment(device, seq).to_string();
        let Ok(there) = std::fs::read(place.path(&name)) else { continue };
        assert_eq!(std::fs::read(phones[0].place.path().join(&name)).unwrap(), there, "{name}");
    }
}

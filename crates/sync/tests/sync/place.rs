//! The id of a remote: drawn once, the same for every device, and what happens when the place lies about it.

use safelight_crypto::SeededEntropy;
use safelight_model::history::seal_place_id;
use safelight_model::{Mark, MarkReason, ObjectName, OpBody, PlaceId, PlacedObject};
use safelight_sync::{Problem, SyncError, place_id};

use crate::common::*;

async fn ask(phone: &mut Phone, place: &TestPlace) -> (Result<Option<PlaceId>, SyncError>, Vec<Problem>) {
    let at = phone.at(&place.store);
    let mut problems = Vec::new();
    let asked = place_id(&mut phone.here(), &at, &mut problems).await;
    (asked, problems)
}

async fn id_of(phone: &mut Phone, place: &TestPlace) -> PlaceId {
    let (asked, problems) = ask(phone, place).await;
    assert_eq!(problems, []);
    asked.unwrap().unwrap()
}

fn object(phone: &Phone) -> String {
    format!("remote/{}", phone.keys.0.library())
}

/// An op that names the remote.
fn mark_something(phone: &mut Phone, place: PlaceId) {
    let objects = vec![PlacedObject::original(ObjectName::from_bytes([1; 20]), 0)];
    phone.record(vec![OpBody::Mark(Mark { place, why: MarkReason::Dropped, objects })]);
}

async fn two() -> (TestPlace, Phone, Phone) {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(300);
    one.sync(&place.store).await.unwrap();
    let two = Phone::join(&place.store, &words, 301).await.unwrap();
    (place, one, two)
}

#[tokio::test]
async fn two_devices_that_add_one_place_meet_the_same_id() {
    let (place, mut one, mut two) = two().await;
    let first = id_of(&mut one, &place).await;
    assert_eq!(id_of(&mut two, &place).await, first);
    assert_eq!(id_of(&mut one, &place).await, first);
    let other = TestPlace::new();
    assert_ne!(id_of(&mut one, &other).await, first, "another place is another remote");
    let sealed = std::fs::read(place.path(&object(&one))).unwrap();
    assert!(!sealed.windows(16).any(|window| window == first.0), "the id is not readable at the place");
}

#[tokio::test]
async fn who_lost_the_reply_or_the_race_takes_the_id_that_rests_there() {
    let (place, mut one, mut two) = two().await;
    // As before anybody asked for it.
    place.remove(&object(&one));
    for phone in [&mut one, &mut two] {
        let at = phone.at(&place.store);
        phone.device.forget_contents(at.id).unwrap();
    }
    *place.remote.lose_reply.lock().unwrap() = Some("remote/".to_owned());
    assert!(ask(&mut one, &place).await.0.is_err(), "a lost reply is an error of the network");
    assert_eq!(id_of(&mut one, &place).await, id_of(&mut two, &place).await);
}

#[tokio::test]
async fn an_id_that_was_hurt_on_its_way_makes_no_other_place_of_it() {
    let (place, mut one, mut two) = two().await;
    let id = id_of(&mut one, &place).await;
    let before = std::fs::read(place.path(&object(&one))).unwrap();
    *place.remote.hurt_once.lock().unwrap() = Some("remote/".to_owned());
    assert_eq!(id_of(&mut two, &place).await, id);
    assert_eq!(std::fs::read(place.path(&object(&one))).unwrap(), before);
}

#[tokio::test]
async fn an_id_that_is_gone_or_damaged_comes_back_as_it_was() {
    let (place, mut one, mut two) = two().await;
    let id = id_of(&mut one, &place).await;
    let name = object(&one);
    place.remove(&name);
    let (asked, problems) = ask(&mut one, &place).await;
    assert_eq!(asked.unwrap(), Some(id));
    assert_eq!(problems, [Problem::Repaired { object: name.clone(), was: "missing" }]);

    mark_something(&mut one, id);
    one.history(&place.store).await.unwrap();
    two.history(&place.store).await.unwrap();
    place.flip(&name, 150);
    let (asked, problems) = ask(&mut two, &place).await;
    assert_eq!(asked.unwrap(), None, "who never read it names nothing there while ops name it");
    assert!(problems.iter().all(is_damaged) && problems.len() == 1, "{problems:?}");
    assert_eq!(id_of(&mut one, &place).await, id);
    assert_eq!(id_of(&mut two, &place).await, id);
}

#[tokio::test]
async fn an_id_that_strangers_made_is_damage_and_another_one_of_ours_is_an_alarm() {
    let (place, mut one, mut two) = two().await;
    let id = id_of(&mut one, &place).await;
    let name = object(&one);
    let mut entropy = SeededEntropy::new(5);
    let foreign = safelight_crypto::Epoch::generate(&mut entropy);
    let library = one.keys.0.library();
    let forged = seal_place_id(library, PlaceId([9; 16]), &foreign, &mut entropy).unwrap();
    std::fs::write(place.path(&name), forged).unwrap();
    let (asked, problems) = ask(&mut two, &place).await;
    assert_eq!((asked.unwrap(), problems.len()), (None, 1));
    assert_eq!(ask(&mut one, &place).await.0.unwrap(), Some(id), "put back");

    let other = seal_place_id(library, PlaceId([9; 16]), one.keys.0.epoch(), &mut entropy).unwrap();
    std::fs::write(place.path(&name), other).unwrap();
    mark_something(&mut one, id);
    let (asked, _) = ask(&mut one, &place).await;
    assert!(matches!(asked, Err(SyncError::AnotherPlace { known, found, .. })
            if known == id && found == PlaceId([9; 16])));
}

#[tokio::test]
async fn a_copy_of_a_place_does_not_count_as_a_second_one() {
    let (place, mut one, _) = two().await;
    id_of(&mut one, &place).await;
    let copy = TestPlace::new();
    let name = object(&one);
    std::fs::create_dir_all(copy.path("remote")).unwrap();
    std::fs::copy(place.path(&name), copy.path(&name)).unwrap();
    assert!(matches!(ask(&mut one, &copy).await.0, Err(SyncError::CopiedPlace { .. })));
}

#[tokio::test]
async fn a_place_that_let_two_devices_write_at_once_settles_on_what_rests_there() {
    let (place, mut one, _) = two().await;
    let first = id_of(&mut one, &place).await;
    let mut entropy = SeededEntropy::new(6);
    let sealed =
        seal_place_id(one.keys.0.library(), PlaceId([8; 16]), one.keys.0.epoch(), &mut entropy).unwrap();
    std::fs::write(place.path(&object(&one)), sealed).unwrap();
    assert_ne!(id_of(&mut one, &place).await, first, "no op names the first one yet");
}

#[tokio::test]
async fn an_id_whose_first_writing_was_torn_is_written_anew_by_whoever_comes_next() {
    let (place, mut one, mut two) = two().await;
    let name = object(&one);
    let id = id_of(&mut one, &place).await;
    let whole = std::fs::read(place.path(&name)).unwrap();
    std::fs::write(place.path(&name), &whole[..200]).unwrap();
    let found = id_of(&mut two, &place).await;
    assert_ne!(found, id);
    assert_eq!(id_of(&mut one, &place).await, found, "nothing named the other one yet");
}

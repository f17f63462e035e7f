//! Six thousand seeds, as far as five minutes reach, and bugs that must be found.
//!
//! `SIM_SEEDS` (how many), `SIM_SECONDS` (more, and for longer, until then), `SIM_FROM`, `SIM_THREADS` and
//! `SIM_FAILURES` (after so many it ends) and `SIM_DEPARTURES` (no seed is left out) make other runs; `SIM_SEED` and `SIM_BUG` repeat one, step by step with
//! `--nocapture`. The seeds are the same everywhere, so a failure here is a failure everywhere: `make soak` is where
//! new seeds are met.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use safelight_sim::{Bug, Seen, departs, run, run_aloud};

/// On a busy machine a run ends after so long, with as many seeds as that reached, but at least with these.
const PATIENCE: Duration = Duration::from_secs(300);
const LEAST_SEEDS: u64 = 400;
/// Up to this seed devices also leave, are let in, are silent and brake; further on only where `SIM_DEPARTURES` is set.
const DEPARTING_SEEDS: u64 = 300;
/// After so many seeds a long run says that it goes on.
const TOLD_EVERY: u64 = 1000;
/// More failures say no more.
const MOST_FAILURES: u64 = 5;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn one_seed() {
    let bug = std::env::var("SIM_BUG").ok().map(|name| {
        let bug = Bug::ALL.into_iter().find(|bug| format!("{bug:?}") == name);
        bug.unwrap_or_else(|| panic!("there is no bug {name}, only {:?}", Bug::ALL))
    });
    if let Err(failure) = run_aloud(number("SIM_SEED", 1), bug, &mut |line| println!("{line}")) {
        panic!("{failure}");
    }
}

#[test]
fn no_seed_loses_anything_or_leaves_devices_apart() {
    let (from, least) = (number("SIM_FROM", 1), number("SIM_SEEDS", 6000));
    let time = Duration::from_secs(number("SIM_SECONDS", 0));
    let most_failures = usize::try_from(number("SIM_FAILURES", MOST_FAILURES)).unwrap();
    let threads = number("SIM_THREADS", available_parallelism().map_or(1, |cores| cores.get() as u64));
    let begun = Instant::now();
    let all_depart = std::env::var_os("SIM_DEPARTURES").is_some();
    let (next, done, left_out) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let failures = Mutex::new(Vec::new());
    let work = || {
        while failures.lock().unwrap().len() < most_failures {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let is_enough = seed >= least && begun.elapsed() >= time;
            if is_enough || seed >= LEAST_SEEDS && begun.elapsed() >= time.max(PATIENCE) {
                break;
            }
            if departs(from + seed) && from + seed > DEPARTING_SEEDS && !all_depart {
                left_out.fetch_add(1, Ordering::Relaxed);
            } else if let Err(failure) = run(from + seed, None) {
                println!("{failure}");
                failures.lock().unwrap().push(failure.to_string());
            }
            let seeds = done.fetch_add(1, Ordering::Relaxed) + 1;
            if seeds.is_multiple_of(TOLD_EVERY) {
                println!(
                    "{seeds} seeds from {from}, {:.0} in a second",
                    seeds as f64 / begun.elapsed().as_secs_f64()
                );
            }
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let (seeds, failures) = (done.into_inner(), failures.into_inner().unwrap());
    println!("{seeds} seeds from {from} in {:?} on {threads} threads", begun.elapsed());
    println!("{} of them with departures left out", left_out.into_inner());
    assert!(failures.is_empty(), "{failures:#?}");
}

/// The first seed that fails with the bug and not without it.
fn found(bug: Bug) -> Option<String> {
    (1..=400).find_map(|seed| {
        let failure = run(seed, Some(bug)).err()?;
        run(seed, None).ok()?;
        Some(failure.to_string())
    })
}

#[test]
fn a_record_before_its_object_is_found() {
    println!("{}", found(Bug::RecordBeforeObject).unwrap());
}

#[test]
fn a_listing_that_is_believed_is_found() {
    println!("{}", found(Bug::ListingBelieved).unwrap());
}

#[test]
fn a_collection_that_asks_nobody_is_found() {
    println!("{}", found(Bug::CollectedUnasked).unwrap());
}

#[test]
fn an_epoch_that_opens_for_one_who_left_is_found() {
    println!("{}", found(Bug::EpochForTheRevoked).unwrap());
}

#[test]
fn a_device_that_keeps_to_the_first_epoch_is_found() {
    println!("{}", found(Bug::FirstEpochKept).unwrap());
}

#[test]
fn what_one_who_left_wrote_and_somebody_takes_in_is_found() {
    println!("{}", found(Bug::QuarantineTakenIn).unwrap());
}

#[test]
fn an_acknowledgement_while_the_brake_is_on_is_found() {
    println!("{}", found(Bug::AcknowledgedWhileBraked).unwrap());
}

#[test]
#[ignore = "not found so far: a collection must come to its end before who was passed over is away itself"]
fn a_lapse_that_was_said_too_soon_is_found() {
    println!("{}", found(Bug::LapsedTooSoon).unwrap());
}

#[test]
fn keys_for_a_device_that_nobody_let_in_are_found() {
    println!("{}", found(Bug::KeysBeforeAgreement).unwrap());
}

#[test]
fn two_hundred_seeds_meet_whatever_may_happen_to_who_belongs() {
    let mut seen = Seen::default();
    for seed in 1..=200 {
        seen += run(seed, None).unwrap_or_default();
    }
    println!("{seen:?}");
    assert!(seen.departures_heard >= 20, "{seen:?}");
    assert!(seen.epochs_by_others >= 5, "{seen:?}");
    assert!(seen.restored_after_departures >= 5, "{seen:?}");
    assert!(seen.pairings >= 5, "{seen:?}");
    assert!(seen.pairings_repeated >= 1, "{seen:?}");
    assert!(seen.lapses >= 5 && seen.returns >= 3, "{seen:?}");
    assert!(seen.brakes_on >= 5 && seen.brakes_released >= 3, "{seen:?}");
    assert!(seen.kept_apart <= 8, "{seen:?}");
}

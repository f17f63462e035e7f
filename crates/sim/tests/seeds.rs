//! As many seeds as fit into about a minute, and bugs that must be found.

use std::time::{Duration, Instant};

use safelight_sim::{Bug, run};

/// `SIM_SEEDS`, `SIM_SECONDS` and `SIM_FROM` make long runs.
fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn one_seed() {
    if let Err(failure) = run(number("SIM_SEED", 1), None) {
        panic!("{failure}");
    }
}

#[test]
fn no_seed_loses_anything_or_leaves_devices_apart() {
    let (from, time) = (number("SIM_FROM", 1), Duration::from_secs(number("SIM_SECONDS", 50)));
    let begun = Instant::now();
    let mut seeds = 0;
    let mut failures = Vec::new();
    // The same seeds everywhere, as far as the time reaches: `make soak` is where new ones are met.
    let most = number("SIM_SEEDS", 400);
    while seeds < most && begun.elapsed() < time && failures.len() < 5 {
        failures.extend(run(from + seeds, None).err().map(|failure| failure.to_string()));
        seeds += 1;
    }
    println!("{seeds} seeds from {from} in {:?}", begun.elapsed());
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(seeds >= 10, "only {seeds} seeds were run: that says nothing");
}

/// The first seed that fails with the bug and not without it.
fn found(bug: Bug) -> Option<String> {
    (1..=80).find_map(|seed| {
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

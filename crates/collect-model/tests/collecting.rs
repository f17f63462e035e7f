//! The whole protocol, explored breadth first: nothing is lost, and what is marked can always be collected.

#![expect(clippy::print_stdout, reason = "how far the checker went is what one wants to know")]

mod common;

use common::{only_copy, two_remotes};
use safelight_collect_model::Library;
use stateright::{Checker, Model};

/// Explores every reachable state.
fn holds_everywhere(name: &str, world: Library) {
    report(name, "all", &world.checker().threads(2).spawn_bfs().join());
}

/// Explores until so many steps were taken; the states nearest to the beginning come first.
fn holds_for_steps(name: &str, steps: usize, world: Library) {
    report(name, "the first", &world.checker().threads(2).target_state_count(steps).spawn_bfs().join());
}

fn report(name: &str, which: &str, checker: &impl Checker<Library>) {
    println!(
        "{name}: {which} {} states ({} steps), {} deep",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth()
    );
    assert!(checker.unique_state_count() > 1000, "the world is too small to say anything");
    checker.assert_properties();
}

#[test]
fn the_only_copy_is_purged_imported_again_and_collected_without_loss() {
    holds_everywhere("two devices, one remote", only_copy(2));
}

#[test]
fn what_is_marked_goes_once_all_active_devices_sync() {
    holds_everywhere("collection from every state", Library { liveness: true, ..only_copy(2) });
}

#[test]
fn what_is_marked_goes_while_a_lapsed_device_stays_away() {
    let world = Library { liveness: true, lapses: 1, imports: 1, ..only_copy(2) };
    holds_everywhere("collection past a lapsed device", world);
}

#[test]
fn devices_may_be_away_and_come_back() {
    holds_for_steps("one silence", 4_000_000, Library { lapses: 1, ..only_copy(2) });
}

#[test]
fn devices_may_be_restored_from_backups() {
    holds_for_steps("one restore", 4_000_000, Library { restores: 0b10, ..only_copy(2) });
}

#[test]
fn two_remotes_may_both_be_marked() {
    holds_for_steps("two remotes", 4_000_000, two_remotes(2));
}

#[test]
fn careless_marks_lose_nothing() {
    holds_for_steps("careless marks", 3_000_000, Library { careless: true, ..only_copy(2) });
}

#[test]
fn a_new_generation_can_be_marked_and_collected_again() {
    let world =
        Library { marks: 2, imports: 1, purges: false, careless: true, liveness: true, ..only_copy(2) };
    holds_for_steps("two marks at one remote", 2_000_000, world);
}

#[test]
fn three_devices_with_a_copy_each_free_them_only_against_a_proven_replica() {
    holds_for_steps("three devices", 3_000_000, Library { holders: 0b111, ..Library::new(3, 1) });
}

//! How others lost data, and how we would: each rule of SL1 §4.10 taken away alone. A story is told step by step: it ends in a
//! loss without the rule, and is stopped by it. The checker also finds a loss by itself, except where the shortest lies deep.

#![expect(clippy::print_stdout, reason = "how far the checker went is what one wants to know")]

mod common;

use common::{only_copy, two_remotes};
use safelight_collect_model::{Action, LOST, Library, Object, RECORD_WITHOUT_OBJECT, Rule, State};
use stateright::{Checker, HasDiscoveries, Model};

use Action::{
    Acknowledge, BackUp, Collect, Delete, Free, Import, Land, Lapse, Mark, Prove, Publish, Purge, Read,
    Record, Restore, Resume, Return, Upload,
};

const OLD: Object = Object { remote: 0, generation: 0 };
const NEW: Object = Object { remote: 0, generation: 1 };

/// The same world without one rule.
fn without(rule: Rule, library: &Library) -> Library {
    Library { rules: library.rules.without(rule), ..library.clone() }
}

/// Takes the steps of a story; the step that a rule forbids is the error.
fn tell(library: &Library, story: &[Action]) -> Result<State, Action> {
    let mut state = library.init_states()[0];
    for &step in story {
        let mut allowed = Vec::new();
        library.actions(&state, &mut allowed);
        if !allowed.contains(&step) {
            return Err(step);
        }
        state = library.next_state(&state, step).ok_or(step)?;
    }
    Ok(state)
}

fn holds(library: &Library, property: &'static str, state: &State) -> bool {
    (library.property(property).condition)(library, state)
}

/// The story loses the content without the rule; with it, the step `stopped_at` is not allowed.
fn is_lost_without(rule: Rule, world: &Library, story: &[Action], stopped_at: Action) {
    let broken = without(rule, world);
    let end = tell(&broken, story);
    assert!(end.is_ok(), "without {rule:?} every step should be possible: {end:?}");
    assert!(end.is_ok_and(|end| !holds(&broken, LOST, &end)), "the story does not end in a loss");
    assert_eq!(tell(world, story), Err(stopped_at));
}

/// The checker finds a way to lose the content without the rule.
fn checker_finds_a_loss_without(rule: Rule, world: &Library) {
    let checker =
        without(rule, world).checker().finish_when(HasDiscoveries::AnyOf([LOST].into())).spawn_bfs().join();
    let loss = checker.discovery(LOST).map(stateright::Path::into_actions);
    println!("without {rule:?}, {} states: {loss:?}", checker.unique_state_count());
    assert!(loss.is_some(), "nothing is lost without {rule:?}: the rule or the model is idle");
}

#[test]
fn kopia_deletes_by_age_what_a_device_it_did_not_hear_from_has_taken_up_again() {
    // The second device imports the photo again and relies on the copy at the remote; the collector has not heard of it.
    let story = [
        Purge(0),
        Publish(0),
        Read(1, 0),
        Import(1),
        Publish(1),
        Prove(1, OLD),
        Free(1),
        Mark(0, OLD),
        Publish(0),
        Collect(0, OLD),
        Delete(OLD),
    ];
    is_lost_without(Rule::WaitForAcknowledgements, &only_copy(2), &story, Collect(0, OLD));
    checker_finds_a_loss_without(Rule::WaitForAcknowledgements, &only_copy(2));
}

#[test]
fn restic_prune_deletes_what_a_writer_had_looked_up_before() {
    // The second device proved the copy present, hears that it is to go, says so, and still relies on its proof.
    let story = [
        Purge(0),
        Mark(0, OLD),
        Acknowledge(0, OLD),
        Publish(0),
        Prove(1, OLD),
        Read(1, 0),
        Acknowledge(1, OLD),
        Publish(1),
        Read(0, 1),
        Collect(0, OLD),
        Import(1),
        Publish(1),
        Free(1),
        Delete(OLD),
    ];
    is_lost_without(Rule::RetargetBeforeAcknowledging, &only_copy(2), &story, Free(1));
    checker_finds_a_loss_without(Rule::RetargetBeforeAcknowledging, &only_copy(2));
}

#[test]
fn slatedb_reuses_a_name_that_a_late_deletion_still_means() {
    let story = [
        Purge(0),
        Mark(0, OLD),
        Acknowledge(0, OLD),
        Publish(0),
        Read(1, 0),
        Acknowledge(1, OLD),
        Publish(1),
        Read(0, 1),
        Collect(0, OLD),
        Delete(OLD),
        Import(1),
        Upload(1, NEW),
        Land(1, NEW),
        Record(1),
        Prove(1, NEW),
        Publish(1),
        Free(1),
        Delete(OLD),
    ];
    let world = only_copy(2);
    let broken = without(Rule::NewGeneration, &world);
    let end = tell(&broken, &story).expect("a late deletion");
    assert!(!holds(&broken, LOST, &end));
    assert!(!holds(&broken, RECORD_WITHOUT_OBJECT, &end));
    // With generations the late deletion meets nothing: it is not even a step.
    assert_eq!(tell(&world, &story), Err(Delete(OLD)));
    checker_finds_a_loss_without(Rule::NewGeneration, &only_copy(2));
}

/// Three devices have a copy each, and no remote has one.
fn three_copies() -> Library {
    Library { holders: 0b111, replicas: 0, ..Library::new(3, 1) }
}

#[test]
fn three_devices_each_drop_one_copy_because_another_exists() {
    let story = [Free(0), Free(1), Free(2)];
    is_lost_without(Rule::OthersHoldNothing, &three_copies(), &story, Free(0));
    checker_finds_a_loss_without(Rule::OthersHoldNothing, &three_copies());
}

#[test]
fn a_linked_file_that_its_user_may_delete_does_not_replace_a_replica() {
    let world = Library { holders: 0, linked: 0b11, ..Library::new(2, 1) };
    let story = [
        Mark(0, OLD),
        Acknowledge(0, OLD),
        Publish(0),
        Read(1, 0),
        Acknowledge(1, OLD),
        Publish(1),
        Read(0, 1),
        Collect(0, OLD),
        Delete(OLD),
    ];
    is_lost_without(Rule::LinksHoldNothing, &world, &story, Mark(0, OLD));
    checker_finds_a_loss_without(Rule::LinksHoldNothing, &world);
}

#[test]
fn a_reference_that_came_after_the_marking_is_seen_only_by_checking_again() {
    // The second device took the photo up again before it heard of the mark, and then fell silent: nobody waits for it.
    let world = Library { lapses: 1, ..only_copy(2) };
    let story = [
        Purge(0),
        Publish(0),
        Read(1, 0),
        Import(1),
        Publish(1),
        Prove(1, OLD),
        Free(1),
        Mark(0, OLD),
        Acknowledge(0, OLD),
        Read(0, 1),
        Lapse(0, 1),
        Publish(0),
        Collect(0, OLD),
        Delete(OLD),
    ];
    is_lost_without(Rule::CheckAgain, &world, &story, Collect(0, OLD));
    checker_finds_a_loss_without(Rule::CheckAgain, &world);
}

#[test]
fn two_devices_each_free_their_copy_because_a_record_names_a_replica() {
    // Both know that the replica was marked; the record is there all the same.
    let world = Library { holders: 0b11, ..Library::new(2, 1) };
    let story = [
        Mark(0, OLD),
        Acknowledge(0, OLD),
        Publish(0),
        Read(1, 0),
        Acknowledge(1, OLD),
        Publish(1),
        Read(0, 1),
        Collect(0, OLD),
        Delete(OLD),
        Free(0),
        Free(1),
    ];
    is_lost_without(Rule::ProveBeforeFreeing, &world, &story, Free(0));
    checker_finds_a_loss_without(Rule::ProveBeforeFreeing, &world);
}

#[test]
fn bytes_freed_before_their_reference_is_published_are_dead_bytes_to_everybody_else() {
    let world = Library { lapses: 1, ..only_copy(2) };
    let story = [
        Purge(1),
        Import(1),
        Prove(1, OLD),
        Free(1),
        Purge(0),
        Mark(0, OLD),
        Acknowledge(0, OLD),
        Lapse(0, 1),
        Collect(0, OLD),
        Delete(OLD),
    ];
    is_lost_without(Rule::PublishBeforeActing, &world, &story, Free(1));
    checker_finds_a_loss_without(Rule::PublishBeforeActing, &world);
}

#[test]
fn a_proof_from_before_a_long_silence_proves_nothing() {
    let world = Library { lapses: 1, ..only_copy(2) };
    let story = [
        Prove(1, OLD),
        Purge(0),
        Publish(0),
        Read(1, 0),
        Lapse(0, 1),
        Mark(0, OLD),
        Acknowledge(0, OLD),
        Publish(0),
        Collect(0, OLD),
        Return(1),
        Resume(1),
        Import(1),
        Publish(1),
        Free(1),
        Delete(OLD),
    ];
    is_lost_without(Rule::ForgetOldProofs, &world, &story, Free(1));
}

#[test]
fn a_device_that_reads_before_it_says_that_it_is_back_never_hears_of_the_mark() {
    let world = Library { lapses: 1, ..only_copy(2) };
    let story = [
        Purge(0),
        Publish(0),
        Read(1, 0),
        Lapse(0, 1),
        Resume(1),
        Mark(0, OLD),
        Acknowledge(0, OLD),
        Publish(0),
        Collect(0, OLD),
        Import(1),
        Publish(1),
        Prove(1, OLD),
        Free(1),
        Delete(OLD),
    ];
    is_lost_without(Rule::ReturnBeforeReading, &world, &story, Resume(1));
    checker_finds_a_loss_without(Rule::ReturnBeforeReading, &world);
}

#[test]
fn a_restored_device_acts_on_proofs_whose_marks_it_has_acknowledged() {
    let world = Library { restores: 0b10, ..only_copy(2) };
    let story = [
        Prove(1, OLD),
        BackUp(1),
        Purge(0),
        Mark(0, OLD),
        Acknowledge(0, OLD),
        Publish(0),
        Read(1, 0),
        Acknowledge(1, OLD),
        Publish(1),
        Read(0, 1),
        Collect(0, OLD),
        Restore(1),
        Purge(1),
        Import(1),
        Publish(1),
        Free(1),
        Delete(OLD),
    ];
    is_lost_without(Rule::AdoptOwnHistory, &world, &story, Purge(1));
}

#[test]
fn two_remotes_are_each_dropped_because_of_the_other_when_nobody_copies_or_checks_again() {
    let (first, second) = (OLD, Object { remote: 1, generation: 0 });
    // Both marks are written in good faith, before either device has heard of the other's.
    let story = [
        Mark(0, first),
        Acknowledge(0, first),
        Publish(0),
        Mark(1, second),
        Acknowledge(1, second),
        Publish(1),
        Read(0, 1),
        Acknowledge(0, second),
        Publish(0),
        Read(1, 0),
        Acknowledge(1, first),
        Publish(1),
        Read(0, 1),
        Collect(0, first),
        Collect(0, second),
        Delete(first),
        Delete(second),
    ];
    let world = two_remotes(2);
    // Either rule alone saves the photo; without both it is lost.
    let broken = without(Rule::CheckAgain, &without(Rule::RetargetBeforeAcknowledging, &world));
    let end = tell(&broken, &story).expect("both are collected");
    assert!(!holds(&broken, LOST, &end));
    assert_eq!(tell(&without(Rule::CheckAgain, &world), &story), Err(Acknowledge(0, second)));
    assert_eq!(tell(&without(Rule::RetargetBeforeAcknowledging, &world), &story), Err(Collect(0, first)));
    assert_eq!(tell(&world, &story), Err(Acknowledge(0, second)));
}

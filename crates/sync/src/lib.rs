//! The same sealed library in any storage, from any number of devices.
//!
//! [`sync`] takes in what a place has and gives it what it lacks: history first, then thumbnails, then
//! originals, newest first. [`fetch_original`] brings one back, [`verify_remote`] looks whether everything is
//! there and whole, [`Joining`] makes a place and the recovery words into a library on an empty machine.
//!
//! Invariants: an object is recorded as being in a place only after the place acknowledged it; an op that
//! speaks of a pack is made only after that; nothing of a place is believed before it is verified; nothing in a
//! place is overwritten or deleted, except bytes that nobody signed where a segment belongs, and head hints.
//! All state is in the two databases and the folder, so a sync can be killed anywhere and goes on from there.
//!
//! The driving task alone uses the databases; transfers run beside each other as futures within it, and touch
//! only the place and files. Spec: sl1.md §3, sl1-history.md §8.

#![forbid(unsafe_code)]

mod brake;
mod checkpoint;
mod collect;
mod compare;
mod daily;
mod drill;
mod drive;
mod epochs;
mod error;
mod forget;
mod here;
mod history;
mod join;
mod keys;
mod originals;
mod packs;
mod pairing;
mod place;
mod policy;
mod problem;
mod repair;
mod replicate;
mod rests;
mod verify;
mod words;

pub use brake::{BrakeLimits, is_braked, taken_from};
pub use checkpoint::take_waiting_pages;
pub use collect::{
    AWAY_MILLIS, CollectPlan, CollectReport, DAY_MILLIS, GRACE_MILLIS, Held, LAPSE_MILLIS, Waits, collect,
    is_away, lapse_one, lapse_silent, mark, mark_damaged, mark_orphans, mark_unreferenced, plan_collection,
};
pub use compare::{Compared, Comparison, compare};
pub use daily::{DAILY_CAP, DailyCap, DailyStanding, daily_standing};
pub use drill::{DrillReport, drill};
pub use drive::{Plan, SyncOptions, SyncReport, plan, sync};
pub use epochs::{settle_epoch_here, start_epoch};
pub use error::{Result, SyncError};
pub use forget::{ForgottenThere, forget_at, forget_here, is_forgotten_there, note_nothing_forgotten};
pub use here::{Here, KeyStore, RemotePlace, Stop};
pub use history::{
    HISTORY_DAMAGED, HistoryReport, NO_HEADS, QuarantinedSegment, place_outbox, quarantined, remove_passed,
    sync_history, take_over,
};
pub use join::{
    Joining, admit_by_words, confirm_admission, find_library, find_library_as, prepare_admission,
};
pub use originals::{
    FreeOptions, Freeing, HAS_FREED, Judgement, Living, OLDEST_PROOF_MILLIS, OriginalReader, Proof,
    ReadyToFree, ThawStep, WhyNot, fetch_from, fetch_missing, fetch_original, finish_freeing, look_at_thaw,
    thaw_original,
};
pub use packs::{
    FoundEntry, ask_again_for_small_originals, fetch_entry, fetch_first_thumbnails, keep_entry,
    mend_renditions, read_entry,
};
pub use pairing::{
    Admitted, Asked, Asking, Board, Carrier, FoundInvitation, Invitation, LAN_LABEL, LanCarrier, Looked,
    PAIRING_MILLIS, PairingRefusal, answer_invitation, find_invitation, is_local, serve_board,
};
pub use place::{place_id, refuse_another_library, remember_place, start_over, witnesses_history};
pub use policy::{
    AwaitedElsewhere, Goes, Planned, apply_policy, came_here, newly_exposed, wanted, wanted_with_switches,
};
pub use problem::{Monitor, Problem, Silent, Transfer};
pub use repair::repair;
pub use replicate::{ReplicateOptions, ReplicateReport, replicate};
pub use rests::{RestsAt, is_held, is_here_in, rests_at};
pub use verify::{Depth, VerifyReport, verify_remote};
pub use words::{state_new_words, take_words_in_force};

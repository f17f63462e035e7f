//! Forgetting: what is to be gone with its traces, here and in places.
//!
//! Invariants: what is to be gone follows from the ops that forget alone, so each device does it by itself when it has read
//! them, and again for whatever comes later from one that had not; nothing of another photo goes with it: what shares a pack is
//! in another pack, which rests in the place, before the old one goes. Every step can be done twice, and what was cut is done
//! again from its beginning. While the brake is on nothing is done at all.
//!
//! Specified in sl1-history §7.8 and §10.8.

mod checkpoints;
mod objects;
mod segments;
mod there;
mod within;

pub(crate) use there::forget_there;
pub use there::{ForgottenThere, forget_at, is_forgotten_there, note_nothing_forgotten};
pub use within::forget_here;
pub(crate) use within::{holds_forgotten, is_forgotten};

/// The setting that counts how often something was found that is to be gone.
const ROUND: &str = "forget/round";
/// Up to which op of which catalogue it was looked for.
const LOOKED: &str = "forget/looked";
/// The setting of a remote that says up to which of these rounds it holds nothing of it any more.
const DONE: &str = "forgotten";

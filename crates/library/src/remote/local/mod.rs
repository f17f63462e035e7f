//! Local bytes: which originals rest on this device, and how they come and go.
//!
//! Originals that were imported or fetched here stay until somebody frees them, or a policy does. One that was fetched
//! because it was opened is *visiting*: when visitors take more than the budget, those that were opened longest ago go
//! again. What is pinned stays in any case. Whatever goes, goes by one way: against a proof (`free.rs`).

mod basket;
mod free;
mod open;
mod picture;
mod pin;
mod settings;
mod sync;
mod thaw;

pub use basket::{BasketItem, ThawBasket, ThawPriority};
pub use free::{FreeAgainst, FreePlan, FreeReport, FreeRequest, Staying};
pub(crate) use open::Away;
pub use open::OpenOriginal;
pub use picture::Brought;
pub use pin::PinReport;
pub use settings::{LocalChange, LocalSettings, LocalStanding, Originals, check_lock_after, cores};
pub use sync::LocalOutcome;
pub(in crate::remote) use sync::{after_sync, would_leave};
pub use thaw::{ThawCost, ThawReport, ThawWait};

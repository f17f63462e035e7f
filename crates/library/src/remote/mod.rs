//! Other places that hold the library: connecting them, syncing with them, joining from them.
//!
//! Thin over `safelight-sync`: here are the runtime that its futures run on, the layers around every remote, what
//! `device.db` remembers of a remote, and the lock that lets one sync of a library run at a time on this machine.
//! Nothing asynchronous leaves this module.

mod at;
mod cost;
mod join;
mod plan;
mod policy;
mod run;
mod standing;

pub use at::{AddedRemote, CapabilityFinding, RemoteRequest, ShownRemote, Surroundings};
pub use cost::{RemoteCost, TierCost};
pub use join::JoinRequest;
pub use plan::SyncPlan;
pub use policy::{PolicyChange, Turn};
pub use run::{FetchReport, HeldBack, RemoteVerifyReport, SyncOutcome, SyncRequest, Traffic, VerifyDepth};
pub use safelight_store::{AzureEnvironment, RemoteCredential};
pub use standing::{ShownPolicy, ShownStanding};

//! Other places that hold the library: connecting them, syncing with them, joining from them.
//!
//! Thin over `safelight-sync`: here are the runtime that its futures run on, the layers around every remote, what
//! `device.db` remembers of a remote, and the lock that lets one sync of a library run at a time on this machine.
//! Nothing asynchronous leaves this module.

mod absent;
mod asking_near;
mod at;
mod check;
mod collect;
mod coming;
mod cost;
mod daily;
mod forget;
mod given_code;
mod join;
mod keeper;
mod kinds;
mod lan;
mod link;
mod local;
mod lock;
mod multicast;
mod near;
mod news;
mod pairing;
mod places;
mod plan;
mod policy;
mod privacy;
mod quarantine;
mod run;
mod second;
mod sign_in;
mod standing;
mod sweep;
mod switch;
mod terms;
mod vanished;
mod verifying;
mod waiting;

pub use at::{AddedRemote, CapabilityFinding, RemoteRequest, ShownRemote, Surroundings, is_remote_name};
pub(crate) use at::{connect_to, parse_address, reconnect, refuse_library_folder, runtime};
pub use check::{CheckedRemote, CheckedRow};
pub use collect::{CollectOutcome, CollectWait};
pub use coming::CodeToJoin;
pub(crate) use coming::{Entered, Way, come_in_to_upload, lent_credential};
pub use cost::{RemoteCost, TierCost};
pub use daily::Capped;
pub use forget::{ForgetPlan, ForgetReport, ForgottenPlace, MayKeep};
pub use given_code::GivenCode;
pub use join::{JoinBy, JoinRequest, Joined};
pub(crate) use keeper::Keeper;
pub use kinds::{REMOTE_KINDS, RemoteKind, remote_kind};
pub use lan::{Lan, is_lan_address};
pub use link::{LinkCost, is_link_unmetered, link_cost};
pub(crate) use local::Away;
pub use local::{
    BasketItem, Brought, FreeAgainst, FreePlan, FreeReport, FreeRequest, LocalChange, LocalOutcome,
    LocalSettings, LocalStanding, OpenOriginal, Originals, PinReport, Staying, ThawBasket, ThawCost,
    ThawPriority, ThawReport, ThawWait, check_lock_after, cores,
};
pub(crate) use lock::SyncLock;
pub use news::LocalNews;
pub use pairing::{InviteAs, PairedDevice, PairingTalk, ShownInvitation};
pub(crate) use places::Safety;
pub use places::ShownPlace;
pub use plan::SyncPlan;
pub use policy::{Exposes, PolicyChange};
pub use privacy::{RemotePrivacy, SeenDevice, SeenSort};
pub use quarantine::{Quarantine, ShownQuarantined, TakenOver};
pub(crate) use run::here;
pub use run::{FetchReport, HeldBack, SyncOutcome, SyncRequest, SyncRun, Traffic};
pub use safelight_store::{AzureEnvironment, RemoteCredential, SecretText, SignInTalk, SignInWay, Urgency};
pub use second::{ComparedKind, Counted, DrillOutcome, RemoteComparison, ReplicateOutcome, ReplicateRequest};
pub use sign_in::sign_in;
#[cfg(test)]
pub(crate) use standing::WAITS_FOR_CONSENT;
pub use standing::{ShownPolicy, ShownStanding};
pub use switch::{AlbumSubject, SwitchStanding, SwitchSubject, Switchback, Switching, Turn};
pub use terms::{MinuteOfDay, WallClock};
pub use verifying::{RemoteVerifyReport, VerifyDepth};
pub use waiting::{NamedPhoto, WaitingGroup};

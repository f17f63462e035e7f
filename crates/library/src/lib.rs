//! The library as its users know it: open, import, search, show, export, verify.
//!
//! Everything above ([`safelight`](../safelight/index.html), later the gallery) goes through [`Library`]; everything
//! below is a room of its own. Nothing here prints or reads the environment: progress goes to a [`Monitor`],
//! paths and programs come in as arguments.

mod audit;
mod backup;
mod birth;
mod brake;
mod complete;
mod concealed;
mod devices;
mod doctor;
mod duplicates;
mod edit;
mod effects;
mod error;
mod export;
mod flock;
pub mod folder;
mod folder_lock;
mod folders;
mod history;
mod import;
mod inbox;
mod item;
pub mod keys;
mod known_files;
mod library;
mod linked;
mod listing;
mod log;
mod map;
mod monitor;
mod objects;
mod offers;
mod past;
mod proxy;
mod recovery;
mod remote;
mod render;
mod scan;
mod searches;
mod show;
mod source;
mod status;
mod storage;
#[cfg(test)]
mod testing;
mod tiles;
mod timeline;
pub mod unlock;
mod upload;
mod verify;
mod viewing;
mod whereabouts;
mod why;
mod witness;

pub use audit::{AuditReport, AuditShape};
pub use backup::{BackupReport, BackupSchedule, BroughtBack, ShownBackup, is_sealed_copy};
pub use brake::{Brake, ShownBrake, Takes};
pub use complete::{Choice, Completion, asks_for_offers};
pub use concealed::KeptBackNames;
pub use devices::{
    Departure, DeviceStanding, Leaving, SaidSentence, ShownDevice, StorageAccess, machine_name,
};
pub use doctor::{DoctorRequest, Finding, Repair, WorkerProgram, examine_machine};
pub use duplicates::{
    ChosenGroup, ChosenStack, DedupeReport, DuplicateKind, Duplicates, GroupCounts, KeepReason,
    ShownDuplicate, ShownGroup, ShownIn,
};
pub use edit::{
    AlbumRemoval, Among, Changes, ConflictingValue, EditReport, Made, NewAlbum, Part, PurgePlan, PurgeReport,
    Resolution, RestoreReport, RestoreRequest, Selection, ShownAlbum, ShownChange, ShownConflict, ShownStack,
    StackedAsset, TrashedAsset, WhichChanges,
};
pub use error::{ErrorKind, LibraryError, Result, with_causes};
pub use export::{ExportReport, ExportRequest, verify_export};
pub use folders::{TypedPath, complete_folder, meant_path};
pub use history::{HistoryEntry, HistoryFilter, HistorySort};
pub use import::{ImportPlan, ImportReport, ImportRequest, RefusedCount, SETTLE};
pub use inbox::{InboxReport, ShownUpload, UploadState};
pub use library::{Library, LibraryOptions};
pub use listing::{ListPage, ListRequest, ListedAsset, QueryMistake, query_mistake};
pub use map::{MapCell, MapPoints, MapView, NamedPlace};
pub use monitor::{Monitor, Problem, Task, Unwatched, Weight};
pub use offers::Offers;
pub use past::{Moment, ShownSnapshot, SnapshotKeep, SnapshotSchedule, zone_here};
pub use proxy::{OpenVideo, Plays, Proxy, ProxyStop};
pub use recovery::{KitSecret, NewWords, RecoveryKit, WordsStanding};
pub use remote::{
    AddedRemote, AlbumSubject, AzureEnvironment, BasketItem, Brought, CapabilityFinding, Capped,
    CheckedRemote, CheckedRow, CodeToJoin, CollectOutcome, CollectWait, ComparedKind, Counted, DrillOutcome,
    Exposes, FetchReport, ForgetPlan, ForgetReport, ForgottenPlace, FreeAgainst, FreePlan, FreeReport,
    FreeRequest, GivenCode, HeldBack, InviteAs, JoinBy, JoinRequest, Joined, Lan, LinkCost, LocalChange,
    LocalNews, LocalOutcome, LocalSettings, LocalStanding, MayKeep, MinuteOfDay, NamedPhoto, OpenOriginal,
    Originals, PairedDevice, PairingTalk, PinReport, PolicyChange, Quarantine, RemoteComparison, RemoteCost,
    RemoteCredential, RemotePrivacy, RemoteRequest, RemoteVerifyReport, ReplicateOutcome, ReplicateRequest,
    SecretText, SeenDevice, SeenSort, ShownInvitation, ShownPlace, ShownPolicy, ShownQuarantined,
    ShownRemote, ShownStanding, SignInTalk, SignInWay, Staying, Surroundings, SwitchStanding, SwitchSubject,
    Switchback, Switching, SyncOutcome, SyncPlan, SyncRequest, SyncRun, TakenOver, ThawBasket, ThawCost,
    ThawPriority, ThawReport, ThawWait, TierCost, Traffic, Turn, Urgency, VerifyDepth, WaitingGroup,
    WallClock, check_lock_after, cores, is_link_unmetered, link_cost, sign_in,
};
pub use remote::{REMOTE_KINDS, RemoteKind, is_lan_address, is_remote_name, remote_kind};
pub use render::{RenderReport, RenderTurn};
pub use safelight_catalog::{Cursor, Place, Shelf};
pub use safelight_crypto::{
    Entropy, LibraryId, OsEntropy, PairingPlace, Passkey, PasskeyQuestion, PassphraseCost, RecoveryWords,
    Slot, SlotKind, SlotSecret, UnlockKey,
};
pub use show::{FileFacts, ShownAsset, probe_files};
pub use source::Source;
pub use status::{FailedFile, Status};
pub use storage::{Storage, StorageKind, TrashSize};
pub use tiles::{MapTiles, OpenTiles, TileFormat, TileKind, TilesFile};
pub use timeline::{Day, Timeline, TimelineRequest, TimelineRow};
pub use upload::{UploadFolder, UploadJoin, UploadReport, UploadRequest};
pub use verify::{Damage, HistoryReport, VerifyReport, VerifyRequest};
pub use viewing::{OriginalHere, PictureKind};
pub use why::{SaidProblem, Why};
pub use witness::{Comparison, DeviceActivity};

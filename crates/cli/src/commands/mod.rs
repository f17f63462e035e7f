//! One file a command: its arguments and one function.

pub(crate) mod agent;
pub(crate) mod album;
pub(crate) mod background;
pub(crate) mod completions;
pub(crate) mod conflicts;
pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod join;
pub(crate) mod key;
pub(crate) mod list;
pub(crate) mod local;
pub(crate) mod lock;
pub(crate) mod man;
pub(crate) mod remote;
pub(crate) mod set;
pub(crate) mod show;
pub(crate) mod source;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod trash;
pub(crate) mod unlock;
pub(crate) mod verify;
pub(crate) mod worker;

//! `safelight plain`: folders to any remote as they are, readable by whoever keeps it.

use clap::{Args, Subcommand};

use super::{plain_look, plain_push, plain_restore, plain_tier};
use crate::context::Context;
use crate::failure::Failure;

/// Copy folders to any remote unencrypted, each file under the hash of its content
///
/// Needs no library and no passphrase. Nothing is encrypted: whoever keeps the remote can read this copy. Files go to
/// PREFIX/<two digits>/<sha256>/<path>, what is there is never written over, and any other tool can read it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Send the files of a folder that the remote does not hold yet
    ///
    /// Unchanged files are known by size, time and inode and not read again. A run that is stopped or killed goes on where
    /// it was. Exit code 1 when any file was not sent.
    Push(plain_push::Push),
    /// List what was sent, or the copies that are known
    List(plain_look::List),
    /// Read everything back and compare it with the hash in its name
    Verify(plain_look::Verify),
    /// Write the files into a folder, with their times; what differs there is never written over
    Restore(plain_restore::Restore),
    /// Move what was sent to another tier
    Tier(plain_tier::Tier),
    /// Write a rule by which the provider itself moves blobs to colder tiers as they age
    Lifecycle(plain_tier::Lifecycle),
    /// Take over a copy that another tool or machine laid out in this way
    Adopt(plain_restore::Adopt),
    /// Make a link to one file that ends by itself, or list those that were made
    Link(plain_look::Link),
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        Action::Push(push) => plain_push::run(context, push),
        Action::List(list) => plain_look::list(context, list),
        Action::Verify(verify) => plain_look::verify(context, verify),
        Action::Restore(restore) => plain_restore::restore(context, restore),
        Action::Tier(tier) => plain_tier::tier(context, tier),
        Action::Lifecycle(lifecycle) => plain_tier::lifecycle(context, lifecycle),
        Action::Adopt(adopt) => plain_restore::adopt(context, adopt),
        Action::Link(link) => plain_look::link(context, link),
    }
}

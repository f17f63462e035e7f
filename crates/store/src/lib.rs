//! Places where sealed objects rest: the [`Remote`] trait, its backends, and the folder on disk.
//!
//! A *place* holds immutable objects under short names and promises little: a finished write is whole or
//! absent, and where the place allows it an existing name is never overwritten. It need not promise that a
//! listing is fresh, that clocks agree or that the other side is honest; the format above it takes care of
//! that (`docs/spec/sl1.md` §3). Every promise that is made stands in a doc comment of [`Remote`] and is
//! checked for every backend by the same suite, [`conformance`].
//!
//! Why not simply a file system interface: renames, appends and partial writes do not exist on most
//! providers, and a trait that pretends otherwise downgrades silently. What a place cannot do is an error
//! ([`StoreError::Unsupported`]).
//!
//! * [`FolderPlace`] — sync, for the library folder: [`ObjectFile`] is written while its content is being
//!   sealed, and a [`Batch`] makes many objects durable with few waits.
//! * [`Folder`] — the same folder behind [`Remote`]; also an external drive or a folder that another
//!   program syncs.
//! * [`SealedFile`] — a sealed copy in one file that only grows, for offline keeping.
//! * [`connect`] — from an address and a credential to Azure Blob, S3, WebDAV, SFTP, Dropbox,
//!   Google Drive, OneDrive, a folder, probed, or a file.
//! * [`layer`] — what goes around any remote: retries, limits, counting, tracing, planted faults.
//! * [`SealedRemote`] — what a library uses: takes only [`Sealed`] bytes and [`ObjectPath`] names.

#![forbid(unsafe_code)]

mod address;
mod azure;
mod capabilities;
mod checksum;
mod cloud;
pub mod conformance;
mod connect;
mod credential;
mod error;
mod file;
mod folder;
mod http;
pub mod layer;
mod name;
mod oauth;
mod price;
mod remote;
mod s3;
mod sealed;
mod sealed_remote;
mod sftp;
mod webdav;

pub use address::{
    AddressError, AzureAddress, CloudAddress, RemoteAddress, S3Address, SftpAddress, WebDavAddress,
};
pub use azure::{AzureBlob, AzureEnvironment, AzureIdentity, IdentityError, KeyVault, VaultError, VaultKey};
pub use capabilities::{Capabilities, Capability, Finding};
pub use checksum::Checksum;
pub use cloud::{Dropbox, GoogleDrive, OneDrive};
pub use connect::{ConnectOptions, connect};
pub use credential::{CredentialError, RemoteCredential, SecretText};
pub use error::{Operation, StoreError};
pub use file::SealedFile;
pub use folder::{
    AppendFile, Batch, BatchEntry, Folder, FolderPlace, Found, FoundKind, ObjectFile, ObjectReader, Outcome,
    Shard, SweepReport, TempFile, TempName, TempSpace, Walk, sync_directory,
};
pub use http::{HttpOptions, Refusal};
pub use name::{Area, Generation, Key, MAX_PATH_CHARS, NameError, ObjectPath, PathPart, Prefix};
pub use oauth::{
    CredentialKeeper, KeptCredential, OAuthCredential, OAuthError, SignInTalk, SignInWay, sign_in,
};
pub use price::{PriceTable, TierPrice};
pub use remote::{
    Block, BlockUpload, Body, Declared, DownloadGrant, GrantRequest, LinkRequest, ListPage, ObjectInfo,
    PageToken, PutOptions, Remote, Stored, Tier, UploadGrant, Urgency,
};
pub use s3::S3;
pub use sealed::{NotSealed, Sealed};
pub use sealed_remote::SealedRemote;
pub use sftp::Sftp;
pub use webdav::WebDav;

//! The upload gateway: gives paired phones the right to create one object of a remote, for some minutes.
//!
//! It holds no key of a library and can open nothing; what it lends can create one name and do nothing else, and every grant is
//! written down, signed, before the phone hears of it. Any number of gateways serve one [`TokenFile`], the only state they share.
//!
//! * [`TokenFile`] — who may ask: tokens, hashed at rest, made, listed and revoked.
//! * [`GatewayServer`] — listens, with TLS or behind a proxy, and answers.
//! * [`read_grants`] — reads what gateways over one token file granted, and checks that it is whole and theirs.
//!
//! Why it is so: docs/decisions/gateway.md. How it is set up: docs/guide/gateway.md.

#![forbid(unsafe_code)]

mod allowance;
mod connections;
mod error;
mod failure;
mod gateway;
mod grants;
mod ledger;
mod name;
mod patient;
mod place;
mod plain;
mod relay;
mod routes;
mod serve;
mod shares;
mod strangers;
mod table;
mod ticket;
mod time;
mod tls;
mod tokens;
mod uploads;

pub use error::{GatewayError, Kind};
pub use grants::{GrantProblem, GrantsFound, read_grants};
pub use ledger::{BlockFault, BlockReader, Durability, GrantBlock, GrantRecord, read_blocks};
pub use name::{MOST_FILE_CHARS, MOST_USER_CHARS, UserId};
pub use place::Upstream;
pub use routes::document;
pub use safelight_store::{AzureEnvironment, HttpOptions, RemoteAddress, RemoteCredential, SecretText};
pub use serve::{GatewayOptions, GatewayServer, LONGEST_GRANT, SHORTEST_GRANT};
pub use tls::CertificateFiles;
pub use tokens::{Limits, NewToken, Scope, TokenEntry, TokenFile};

//! Storage servers and key stores for tests: started on a free port or a socket, stopped when dropped or when the test dies.
//!
//! Why a crate: the tests of `store`, `sync`, `library` and `cli` all need them. Development only; nothing that
//! is shipped depends on it. The programs come from `tools/setup.sh test`; where one is missing the test says
//! so and passes, unless `SAFELIGHT_REQUIRE_SERVERS` is set (as where every merge is checked).

#![forbid(unsafe_code)]

mod azurite;
mod cloud;
mod fake;
mod key_stores;
mod moto;
mod process;
mod sshd;
mod tls;
mod vault;
mod webdav;

pub use azurite::Azurite;
pub use cloud::Cloud;
pub use fake::{Answer, Fake, Request};
pub use key_stores::{SecretService, SoftHsm, Swtpm};
pub use moto::Moto;
pub use process::{browse, cache, find, http, http_with_head};
pub use sshd::Sshd;
pub use tls::Certificates;
pub use vault::FakeVault;
pub use webdav::{RcloneWebDav, WsgiDav};

/// Says that a test is skipped because the machine forbids what it needs, whatever is installed.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub fn forbidden(what: &str) {
    eprintln!("skipped: this machine forbids {what}");
}

/// Says that a test is skipped because a program is missing.
///
/// # Panics
/// Where `SAFELIGHT_REQUIRE_SERVERS` is set.
#[expect(
    clippy::print_stderr,
    clippy::panic,
    reason = "a skipped test says so; where it must not be skipped it fails"
)]
pub fn skip(program: &str) {
    if std::env::var_os("SAFELIGHT_REQUIRE_SERVERS").is_some() {
        panic!("{program} is not installed (tools/setup.sh test)");
    }
    eprintln!("skipped: {program} is not installed (tools/setup.sh test)");
}

//! The conformance suite on every backend that has a server to run here.

#![expect(clippy::expect_used, reason = "a test may stop at the first surprise")]

use std::sync::Arc;

use safelight_servers::{Azurite, Moto, RcloneWebDav, Sshd, WsgiDav};
use safelight_store::conformance::{Report, Verdict, check};
use safelight_store::layer::{Clock, Limit, LimitOptions, Retry, RetryOptions, SystemClock};
use safelight_store::{Capability, ConnectOptions, Remote, RemoteAddress, RemoteCredential, Tier, connect};

/// Every guarantee that there is.
const ALL: [&str; 16] =
    ["R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15", "R16"];

/// Connects, probes and runs the suite; says what was found.
async fn conform(address: &str, credential: Option<&str>) -> (Arc<dyn Remote>, Report) {
    conform_with(address, credential, ConnectOptions::default()).await
}

async fn conform_with(
    address: &str,
    credential: Option<&str>,
    options: ConnectOptions,
) -> (Arc<dyn Remote>, Report) {
    let (address, _) = RemoteAddress::parse(address).expect("an address");
    let credential = credential.map(|file| RemoteCredential::parse(file).expect("a credential"));
    let remote = connect(&address, credential, options, "tokenabc").await.expect("connects");
    // As a library uses it: test servers reset connections when sixty come at once.
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let limited =
        Limit::around(Arc::clone(&remote), Arc::new(Limit::new(LimitOptions::default(), Arc::clone(&clock))));
    let retried = Retry::around(Arc::new(limited), RetryOptions::default(), clock);
    let report = check(Arc::new(retried), "tokenabd").await.expect("a fine token");
    assert_eq!(report.broken().count(), 0, "{}\n{report}", remote.label());
    (remote, report)
}

fn works(remote: &dyn Remote, capability: Capability) -> bool {
    remote.capabilities().has(capability)
}

fn held(report: &Report, codes: &[&str]) {
    for code in codes {
        assert_eq!(report.verdict(code), Some(&Verdict::Held), "{code}\n{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_keeps_every_guarantee_with_an_account_key() {
    let Some(azurite) = Azurite::start() else { return };
    let (remote, report) = conform(&azurite.address(), Some(&azurite.account_key())).await;
    held(&report, &ALL);
    for capability in Capability::ALL {
        let is_untried = matches!(capability, Capability::Replace);
        assert!(is_untried || works(&*remote, capability), "{capability:?} {:?}", remote.capabilities());
    }
    assert_eq!(remote.capabilities().tiers, [Tier::Hot, Tier::Cool, Tier::Cold, Tier::Archive]);
    assert_eq!(remote.credential_source().as_deref(), Some("an account key, used to mint short SAS"));
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_works_with_a_sas_that_may_neither_overwrite_nor_delete() {
    let Some(azurite) = Azurite::start() else { return };
    let (remote, report) = conform(&azurite.address(), Some(&azurite.create_only_sas())).await;
    held(&report, &["R1", "R3", "R4", "R5", "R6", "R7", "R8", "R9", "R11", "R13", "R14", "R15"]);
    assert!(works(&*remote, Capability::PutAndGet) && works(&*remote, Capability::PutIfAbsent));
    assert!(!works(&*remote, Capability::Delete) && !works(&*remote, Capability::UploadGrants));
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_keeps_every_guarantee() {
    let Some(moto) = Moto::start() else { return };
    let (remote, report) = conform(&moto.bucket("photos"), Some(moto.credential())).await;
    held(&report, &ALL);
    assert!(works(&*remote, Capability::ProviderChecksum), "{:?}", remote.capabilities());
    assert_eq!(remote.capabilities().tiers, [Tier::Hot, Tier::Cool, Tier::Cold, Tier::Archive]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_webdav_server_keeps_what_webdav_can() {
    let Some(server) = WsgiDav::start() else { return };
    let (remote, report) = conform(&server.address(), None).await;
    held(&report, &["R1", "R3", "R5", "R6", "R7", "R8", "R9", "R10", "R11", "R12"]);
    assert!(works(&*remote, Capability::PutIfAbsent) && !works(&*remote, Capability::OneWinner));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lax_webdav_server_keeps_what_webdav_can() {
    let Some(server) = RcloneWebDav::start() else { return };
    let (remote, report) = conform(&server.address(), Some(server.credential())).await;
    held(&report, &["R1", "R3", "R5", "R6", "R7", "R8", "R9", "R10", "R11", "R12"]);
    assert_eq!(remote.credential_source().as_deref(), Some("a name and a password"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_behind_ssh_keeps_every_guarantee() {
    let Some(sshd) = Sshd::start() else { return };
    let options = ConnectOptions { ssh_arguments: sshd.client_arguments(), ..Default::default() };
    let (remote, report) = conform_with(&sshd.address(), None, options).await;
    held(&report, &["R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9", "R10", "R11", "R12"]);
    assert!(works(&*remote, Capability::PutIfAbsent) && works(&*remote, Capability::OneWinner));
}

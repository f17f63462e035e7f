//! A gateway from its configuration to its end.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::http::Uri;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::connections::Connections;
use crate::error::GatewayError;
use crate::gateway::{Gateway, Terms};
use crate::ledger::{Durability, Ledger};
use crate::name::is_prefix;
use crate::place::{Place, Upstream, Way};
use crate::routes::routes;
use crate::shares::Shares;
use crate::strangers::Strangers;
use crate::table::Table;
use crate::ticket::Tickets;
use crate::tls::{CertificateFiles, Tls};
use crate::tokens::{TokenFile, random};

/// The shortest time that a grant holds.
pub const SHORTEST_GRANT: Duration = Duration::from_secs(60);
/// The longest time that a grant holds.
pub const LONGEST_GRANT: Duration = Duration::from_secs(3600);
/// How often the token file and the certificate are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long requests may take to their end once the gateway was told to stop.
const DRAIN_WITHIN: Duration = Duration::from_secs(20);
/// The random bytes of the name of a folder.
const SPOOL_BYTES: usize = 10;
/// How many uploads are relayed at once.
const RELAYS: usize = 16;
/// How many of one token.
const RELAYS_OF_ONE: usize = 2;

/// How a gateway is served.
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its certificate. Without one it speaks plain HTTP, which only loopback and `behind_proxy` permit.
    pub certificate: Option<CertificateFiles>,
    /// Whether a proxy in front of it speaks TLS.
    pub behind_proxy: bool,
    /// Where phones reach it; needed only for what it relays.
    pub public_url: Option<String>,
    /// What the names of plain files begin with.
    pub prefix: String,
    /// How long a grant holds: 1 to 60 minutes.
    pub valid_for: Duration,
    /// Where grants are made durable before they are answered.
    pub durability: Durability,
    /// Where a folder for relayed bytes is made if nothing else is kept on the disk.
    pub temporary: PathBuf,
    /// The most bytes of a relayed upload that declared none.
    pub most_relayed_bytes: u64,
    /// The most connections at once.
    pub most_connections: usize,
}

/// A gateway that listens.
pub struct GatewayServer {
    gateway: Arc<Gateway>,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    address: SocketAddr,
    most_connections: usize,
    behind_proxy: bool,
}

impl fmt::Debug for GatewayServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("GatewayServer").field("address", &self.address).finish_non_exhaustive()
    }
}

impl GatewayServer {
    /// Listens, and finds the remote fit; nothing is answered before [`run`](Self::run).
    ///
    /// # Errors
    /// [`GatewayError::Refused`] for what a safeguard forbids, and what the token file, the certificate, the port and the
    /// remote answer.
    pub async fn bind(
        tokens: TokenFile,
        upstream: Upstream,
        options: GatewayOptions,
    ) -> Result<Self, GatewayError> {
        options.check()?;
        let tls = options.certificate.clone().map(Tls::load).transpose()?.map(Arc::new);
        let signing_key = tokens.read()?.signing_key;
        let table = Table::load(tokens)?;
        let listen_failed = |source| GatewayError::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(listen_failed)?;
        let address = listener.local_addr().map_err(listen_failed)?;
        let place = Place::connect(upstream).await?;
        let public_url = options.public_url(address, place.way)?;
        let tickets = Tickets::of(&signing_key);
        let ledger = Ledger::open(&options.durability, signing_key, &place.remote)?;
        let terms = Terms {
            prefix: options.prefix,
            valid_for: options.valid_for,
            public_url,
            most_relayed_bytes: options.most_relayed_bytes,
            spool: spool(&options.durability, &options.temporary)?,
        };
        let gateway = Arc::new(Gateway {
            place,
            table,
            ledger,
            tickets,
            terms,
            relays: Semaphore::new(RELAYS),
            relays_of_one: Shares::of(RELAYS_OF_ONE),
            strangers: Strangers::default(),
        });
        let (most_connections, behind_proxy) = (options.most_connections, options.behind_proxy);
        Ok(Self { gateway, listener, tls, address, most_connections, behind_proxy })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How bytes get to the remote: `sas`, `presigned` or `relayed`.
    #[must_use]
    pub fn way(&self) -> &'static str {
        self.gateway.place.way.word()
    }

    /// Answers until `stop` is ready; then what was asked before is answered, and what was granted is sent.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (tell, told) = watch::channel(false);
        let connections = Connections::with(
            routes(&self.gateway),
            self.tls.clone(),
            self.most_connections,
            self.behind_proxy,
            told,
        );
        let looking = tokio::spawn(look_on(Arc::clone(&self.gateway), self.tls));
        let answering = tokio::spawn(connections.clone().answer(self.listener));
        stop.await;
        answering.abort();
        // Connections that ended already hear nothing.
        let _gone = tell.send(true);
        connections.drain(self.most_connections, DRAIN_WITHIN).await;
        self.gateway.ledger.finish().await;
        looking.abort();
    }
}

/// Where relayed bytes rest until they are whole: with the journal, or in a new folder that is nobody else's.
fn spool(durability: &Durability, temporary: &Path) -> Result<PathBuf, GatewayError> {
    if let Durability::Disk(folder) = durability {
        return Ok(folder.clone());
    }
    let folder = temporary.join(format!("safelight-gateway-{}", random::<SPOOL_BYTES>()?));
    let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
    made.map_err(|error| GatewayError::file(&folder, "made", error))?;
    Ok(folder)
}

/// Looks at what may be changed while the gateway runs.
async fn look_on(gateway: Arc<Gateway>, tls: Option<Arc<Tls>>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        let (gateway, tls) = (Arc::clone(&gateway), tls.clone());
        let looked = tokio::task::spawn_blocking(move || {
            gateway.table.refresh();
            if let Some(tls) = tls {
                tls.refresh();
            }
        });
        if let Err(error) = looked.await {
            tracing::error!(%error, "the token file could not be looked at");
        }
    }
}

impl GatewayOptions {
    fn check(&self) -> Result<(), GatewayError> {
        let refuse = |reason: &str, hint| Err(GatewayError::Refused { reason: reason.to_owned(), hint });
        if self.certificate.is_none() && !self.listen.ip().is_loopback() && !self.behind_proxy {
            return refuse(
                "tokens would cross the network unencrypted",
                "--tls-cert and --tls-key, or --behind-proxy where a proxy in front speaks TLS",
            );
        }
        if !(SHORTEST_GRANT..=LONGEST_GRANT).contains(&self.valid_for) {
            return refuse("a grant holds for 1 to 60 minutes", "--valid-for 10m is the usual time");
        }
        if !is_prefix(&self.prefix) {
            return refuse(
                "the prefix cannot stand in front of names",
                "--prefix mobile-import is the usual one",
            );
        }
        if is_of_a_library(self.prefix.split('/').next().unwrap_or_default()) {
            return refuse("plain files would lie among a library's own objects", "choose another --prefix");
        }
        if self.most_connections == 0 || self.most_connections > 100_000 {
            return refuse("connections are 1 to 100,000", "leave --most-connections out");
        }
        Ok(())
    }

    /// Where phones reach the gateway. What is relayed would be sent in the clear to an address without TLS, off loopback.
    fn public_url(&self, address: SocketAddr, way: Way) -> Result<String, GatewayError> {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        if let Some(url) = &self.public_url {
            let url = url.trim_end_matches('/');
            if !is_safe(url) {
                return Err(GatewayError::Refused {
                    reason: "phones reach a gateway by https".to_owned(),
                    hint: "--public-url https://HOST",
                });
            }
            return Ok(url.to_owned());
        }
        if way != Way::Sas && !address.ip().is_loopback() {
            return Err(GatewayError::Refused {
                reason: "uploads to this remote go through the gateway, and it does not know its address"
                    .to_owned(),
                hint: "--public-url https://HOST says where phones reach it",
            });
        }
        Ok(format!("{scheme}://{address}"))
    }
}

/// Whether the names of objects of a library (`safelight_crypto::names`) or of a gateway begin with this.
fn is_of_a_library(first: &str) -> bool {
    const FIRST_PARTS: [&str; 12] =
        ["ckpt", "grants", "head", "inbox", "keyring", "keys", "log", "o", "page", "pair", "remote", "root"];
    FIRST_PARTS.contains(&first)
}

/// Whether what is sent to an address stays secret: it is one of https, or one of this machine itself.
fn is_safe(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|host| host.is_loopback());
    let is_bare = !url.contains(['?', '#', '@']) && !host.is_empty();
    is_bare && (scheme == "https" || (scheme == "http" && is_here))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(public_url: Option<&str>) -> GatewayOptions {
        GatewayOptions {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            certificate: None,
            behind_proxy: true,
            public_url: public_url.map(str::to_owned),
            prefix: "mobile-import".to_owned(),
            valid_for: SHORTEST_GRANT,
            durability: Durability::Remote,
            temporary: PathBuf::new(),
            most_relayed_bytes: 1,
            most_connections: 1,
        }
    }

    #[test]
    fn phones_are_sent_to_addresses_of_https_or_of_this_machine_alone() {
        let listen = SocketAddr::from(([127, 0, 0, 1], 8443));
        let of = |url| options(Some(url)).public_url(listen, Way::Relayed);
        for url in [
            "http://photos.example.org",
            "http://192.168.1.5:8443",
            "http://localhost.example.org",
            "ftp://localhost",
            "https://",
            "https:///x",
            "https://who@photos.example.org",
            "https://photos.example.org/?x",
            "photos.example.org",
        ] {
            assert!(of(url).is_err(), "{url}");
        }
        for url in [
            "https://photos.example.org",
            "https://photos.example.org:8443/here",
            "http://localhost:8443",
            "http://127.0.0.1:1",
            "http://[::1]:1",
        ] {
            assert_eq!(of(url).unwrap(), url);
        }
        assert_eq!(of("https://photos.example.org/").unwrap(), "https://photos.example.org");
    }

    #[test]
    fn who_relays_anything_beyond_this_machine_knows_its_own_address() {
        let everywhere = SocketAddr::from(([0, 0, 0, 0], 8443));
        for way in [Way::Relayed, Way::Presigned] {
            assert!(options(None).public_url(everywhere, way).is_err(), "{way:?}");
        }
        options(None).public_url(everywhere, Way::Sas).unwrap();
    }

    #[test]
    fn plain_files_lie_among_no_objects_of_a_library() {
        for prefix in ["remote", "ckpt/x", "page", "pair", "grants", "inbox", "o", "keyring"] {
            assert!(
                GatewayOptions { prefix: prefix.to_owned(), ..options(None) }.check().is_err(),
                "{prefix}"
            );
        }
        options(None).check().unwrap();
    }
}

//! The local network as a way for two devices to meet: who invites listens and is found there, who comes looks.
//!
//! Invariant: nothing listens and nothing is announced but while an invitation waits, at addresses of networks at hand alone;
//! what is announced is a name that says nothing to who does not have the code ([`PairingCode::local_name`]).
//!
//! [`PairingCode::local_name`]: safelight_crypto::PairingCode::local_name

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mdns_sd::{IfKind, Receiver, ServiceDaemon, ServiceEvent, ServiceInfo};
use safelight_sync::{Board, is_local, serve_board};
use tokio::sync::oneshot;

use crate::error::{LibraryError, Result};
use crate::monitor::Monitor;

/// What Safelight is called in DNS-SD.
const SERVICE: &str = "_safelight._tcp.local.";
/// What stands before the address of a device on the local network.
const LAN: &str = "lan:";
/// More addresses than one device has.
const MOST_FOUND: usize = 16;
/// How long who asked may take to read that nobody let it in.
const LAST_WORD: Duration = Duration::from_secs(3);
/// How often it is looked for the end of that.
const LISTEN: Duration = Duration::from_millis(100);
/// How long the network is given to hear that a name is gone.
const GOODBYE: Duration = Duration::from_millis(500);

/// Whether devices may meet on the local network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lan {
    /// Nothing listens there.
    #[default]
    Off,
    /// While an invitation waits, at every private address that this device has.
    Near,
    /// The same at one address, which has to be private or this machine's own.
    Only(IpAddr),
}

/// Where a device that invites is on the local network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LanAddress {
    /// It is to be found.
    Anywhere,
    /// `HOST:PORT`.
    At(String),
}

impl LanAddress {
    /// Reads `lan:` and `lan:HOST:PORT`; nothing where an address is of another kind.
    pub(super) fn parse(address: &str) -> Option<Self> {
        let at = address.strip_prefix(LAN)?.trim();
        Some(if at.is_empty() { Self::Anywhere } else { Self::At(at.to_owned()) })
    }

    /// The addresses that a host name has on networks at hand.
    pub(super) async fn resolve(host: &str) -> Result<Vec<SocketAddr>> {
        let no = |reason: String| LibraryError::Refused {
            reason,
            hint: "type the address as safelight device invite shows it: lan:192.168.1.5:41234".into(),
        };
        let found = tokio::net::lookup_host(host).await;
        let found = found.map_err(|error| no(format!("{LAN}{host} is no address: {error}")))?;
        let near: Vec<SocketAddr> = found.filter(|address| is_local(address.ip())).collect();
        if near.is_empty() {
            return Err(no(format!("{LAN}{host} is not on a local network")));
        }
        Ok(near)
    }
}

/// A device that listens for one that comes over the local network. It ends with the value.
pub(super) struct Listening {
    board: Arc<Board>,
    addresses: Vec<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    announced: Option<(ServiceDaemon, String)>,
}

impl Listening {
    /// Listens, and announces the name; nothing where that is off.
    ///
    /// # Errors
    /// Where this device has no address for it, or none can be listened at.
    pub(super) fn start(lan: Lan, board: Arc<Board>, name: &str) -> io::Result<Option<Self>> {
        let Some(addresses) = addresses(lan)? else { return Ok(None) };
        let listeners = listen_at(&addresses)?;
        let addresses: Vec<SocketAddr> =
            listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
        let (stop, stopped) = oneshot::channel();
        let serves = Arc::clone(&board);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listeners: Vec<tokio::net::TcpListener> = {
            let _entered = runtime.enter();
            listeners.into_iter().map(tokio::net::TcpListener::from_std).collect::<io::Result<_>>()?
        };
        // A thread of its own: whoever drives the invitation may wait for a person.
        let thread = std::thread::Builder::new().name("pairing".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve_board(&listeners, &serves) => {}
                    _ = stopped => {}
                }
            });
        })?;
        let announced = announce(name, &addresses);
        if let Err(error) = &announced {
            tracing::debug!(%error, "nobody is told by multicast that this device invites");
        }
        let (stop, thread) = (Some(stop), Some(thread));
        Ok(Some(Self { board, addresses, stop, thread, announced: announced.ok().flatten() }))
    }

    /// Where it listens, as it is typed: `lan:192.168.1.5:41234`.
    pub(super) fn shown(&self) -> Vec<String> {
        self.addresses.iter().map(|address| format!("{LAN}{address}")).collect()
    }

    /// Whether a device that was let in has yet to read so.
    pub(super) fn is_waited_for(&self) -> bool {
        self.board.has_welcomed() && self.board.is_waited_for()
    }

    /// Goes on listening until the device that asked has read how it ended: one that was let in at most until then, for its
    /// person may not have compared the words yet; another for a moment.
    pub(super) fn linger(&self, until: Instant, monitor: &dyn Monitor) {
        let until = if self.board.has_welcomed() { until } else { Instant::now() + LAST_WORD };
        while self.board.is_waited_for() && Instant::now() < until && !monitor.cancelled() {
            std::thread::sleep(LISTEN);
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some((daemon, name)) = self.announced.take() {
            // Whoever heard the name hears that it is gone; it ends by itself if not.
            if let Ok(said) = daemon.unregister(&name) {
                let _said = said.recv_timeout(GOODBYE);
            }
            end(&daemon);
        }
        if let Some(stop) = self.stop.take() {
            let _gone = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// The addresses to listen at; nothing where that is off.
fn addresses(lan: Lan) -> io::Result<Option<Vec<IpAddr>>> {
    match lan {
        Lan::Off => Ok(None),
        Lan::Only(address) if is_local(address) => Ok(Some(vec![address])),
        Lan::Only(address) => {
            let reason = format!("{address} is no private address");
            Err(io::Error::new(io::ErrorKind::InvalidInput, reason))
        }
        Lan::Near => {
            let mut near: Vec<IpAddr> = if_addrs::get_if_addrs()?
                .into_iter()
                .filter(|interface| interface.is_oper_up() && !interface.is_loopback())
                .map(|interface| interface.ip())
                .filter(|address| is_local(*address) && has_no_scope(*address))
                .collect();
            near.sort_unstable();
            near.dedup();
            if near.is_empty() {
                let reason = "this device has no private address on any network";
                return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, reason));
            }
            Ok(Some(near))
        }
    }
}

/// An address of one link alone means nothing without saying which.
const fn has_no_scope(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) => !address.is_unicast_link_local(),
    }
}

/// Listens at one port of all these addresses, as far as it is free there; the system chooses it.
fn listen_at(addresses: &[IpAddr]) -> io::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let (mut port, mut failed) = (0, None);
    for address in addresses {
        match TcpListener::bind((*address, port)) {
            Ok(listener) => {
                listener.set_nonblocking(true)?;
                port = listener.local_addr()?.port();
                listeners.push(listener);
            }
            Err(error) => {
                tracing::debug!(%error, %address, "cannot be listened at");
                failed = Some(error);
            }
        }
    }
    match failed {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

/// Announces the name where others may hear it: not on this machine alone.
fn announce(name: &str, addresses: &[SocketAddr]) -> mdns_sd::Result<Option<(ServiceDaemon, String)>> {
    let outside: Vec<IpAddr> =
        addresses.iter().map(SocketAddr::ip).filter(|address| !address.is_loopback()).collect();
    let Some(port) = addresses.first().map(SocketAddr::port).filter(|_| !outside.is_empty()) else {
        return Ok(None);
    };
    let daemon = ServiceDaemon::new()?;
    let register = || {
        daemon.disable_interface(IfKind::All)?;
        daemon.enable_interface(outside.clone())?;
        // The host is called by the same name: what people call this machine is nobody's business.
        let host = format!("{name}.local.");
        let nothing_more: Option<HashMap<String, String>> = None;
        let service = ServiceInfo::new(SERVICE, name, &host, outside.as_slice(), port, nothing_more)?;
        let called = service.get_fullname().to_owned();
        daemon.register(service)?;
        Ok(called)
    };
    match register() {
        Ok(called) => Ok(Some((daemon, called))),
        Err(error) => {
            end(&daemon);
            Err(error)
        }
    }
}

fn end(daemon: &ServiceDaemon) {
    if let Ok(said) = daemon.shutdown() {
        let _ended = said.recv_timeout(GOODBYE);
    }
}

/// Looks for a device that announces a name. It ends with the value.
pub(super) struct Looking {
    daemon: ServiceDaemon,
    events: Receiver<ServiceEvent>,
    name: String,
    found: Vec<SocketAddr>,
}

impl Looking {
    /// Begins to look.
    ///
    /// # Errors
    /// Where this machine lets nobody listen to multicast.
    pub(super) fn start(name: &str) -> mdns_sd::Result<Self> {
        let daemon = ServiceDaemon::new()?;
        match daemon.browse(SERVICE) {
            Ok(events) => Ok(Self { daemon, events, name: name.to_owned(), found: Vec::new() }),
            Err(error) => {
                end(&daemon);
                Err(error)
            }
        }
    }

    /// Addresses that were announced under the name since it was asked last. Anybody may announce it.
    pub(super) fn found(&mut self) -> Vec<SocketAddr> {
        let before = self.found.len();
        while let Ok(event) = self.events.try_recv() {
            let ServiceEvent::ServiceResolved(service) = event else { continue };
            if !is_of(&service.fullname, &self.name) {
                continue;
            }
            for address in &service.addresses {
                let address = SocketAddr::new(address.to_ip_addr(), service.port);
                let is_near = is_local(address.ip()) && has_no_scope(address.ip());
                if is_near && self.found.len() < MOST_FOUND && !self.found.contains(&address) {
                    self.found.push(address);
                }
            }
        }
        self.found.get(before..).unwrap_or_default().to_vec()
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        end(&self.daemon);
    }
}

/// Whether a service is announced under that name, or under one that begins so: where somebody else announces it as well, the
/// later one is called `name (2)`. DNS knows no upper and lower case.
fn is_of(announced: &str, name: &str) -> bool {
    let announced = announced.to_ascii_lowercase();
    announced.strip_suffix(SERVICE).is_some_and(|instance| instance.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_on_the_local_network_is_told_from_a_place() {
        assert_eq!(LanAddress::parse("lan:"), Some(LanAddress::Anywhere));
        let at = |text: &str| Some(LanAddress::At(text.to_owned()));
        assert_eq!(LanAddress::parse("lan:192.168.1.5:4711"), at("192.168.1.5:4711"));
        assert_eq!(LanAddress::parse("lan:[fd00::1]:4711"), at("[fd00::1]:4711"));
        assert_eq!(LanAddress::parse("folder:/lan:"), None);
    }

    #[test]
    fn nothing_listens_where_that_is_off_nor_at_a_public_address() {
        assert_eq!(addresses(Lan::Off).expect("nothing is tried"), None);
        let refused = addresses(Lan::Only([93, 184, 216, 34].into())).expect_err("a public one");
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
        let own: IpAddr = [127, 0, 0, 1].into();
        assert_eq!(addresses(Lan::Only(own)).expect("this machine's own"), Some(vec![own]));
        // Whatever this machine has: none of it is public, or of this machine alone.
        if let Ok(Some(near)) = addresses(Lan::Near) {
            assert!(near.iter().all(|address| is_local(*address) && !address.is_loopback()), "{near:?}");
        }
    }

    #[test]
    fn a_name_is_known_again_in_any_case_and_with_a_number_behind_it() {
        let name = "abcdefghijklmnopqrstuvwxyz";
        assert!(is_of(&format!("{}.{SERVICE}", name.to_uppercase()), name));
        assert!(is_of(&format!("{name} (2).{SERVICE}"), name), "somebody else announces it as well");
        assert!(!is_of(&format!("{}.{SERVICE}", &name[..25]), name) && !is_of(name, name));
        assert!(
            !is_of(&format!("a{name}.{SERVICE}"), name) && !is_of(&format!("{name}._http._tcp.local."), name)
        );
    }

    #[tokio::test]
    async fn a_host_that_is_far_away_is_refused() {
        assert!(LanAddress::resolve("127.0.0.1:4711").await.is_ok_and(|found| found.len() == 1));
        for host in ["93.184.216.34:80", "127.0.0.1", "no port"] {
            assert!(LanAddress::resolve(host).await.is_err(), "{host}");
        }
    }
}

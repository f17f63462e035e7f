//! The local network as a way for two devices to meet: who invites listens and is found there, who comes looks.
//!
//! Invariant: nothing listens and nothing is announced but while an invitation waits, at addresses of networks at hand alone;
//! what is announced is a name that says nothing to who does not have the code ([`PairingCode::local_name`]).
//!
//! [`PairingCode::local_name`]: safelight_crypto::PairingCode::local_name

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use safelight_sync::{Board, is_local, serve_board};
use tokio::sync::oneshot;

use super::multicast::Announced;
use crate::error::{LibraryError, Result};
use crate::monitor::Monitor;

/// What stands before the address of a device on the local network.
const LAN: &str = "lan:";
/// How long who asked may take to read that nobody let it in.
const LAST_WORD: Duration = Duration::from_secs(3);
/// How often it is looked for the end of that.
const LISTEN: Duration = Duration::from_millis(100);

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

/// Whether an address is one of a device on the local network, and of no place.
#[must_use]
pub fn is_lan_address(address: &str) -> bool {
    LanAddress::parse(address).is_some()
}

/// Refuses an address to listen at that is not private, or not one of this device's.
pub(super) fn check_lan(lan: Lan) -> Result<()> {
    let Lan::Only(address) = lan else { return Ok(()) };
    let listened = addresses(lan).and_then(|_| TcpListener::bind((address, 0)));
    listened.map(drop).map_err(|error| LibraryError::Refused {
        reason: format!("{address} cannot be listened at: {error}"),
        hint: "name a private address that this device has, or leave --lan-address out for all of them; --no-lan keeps the \
               invitation to the remote"
            .into(),
    })
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
    announced: Option<Announced>,
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
        let announced = Announced::begin(name, &addresses).unwrap_or_else(|error| {
            tracing::debug!(%error, "nobody is told by multicast that this device invites");
            None
        });
        let (stop, thread) = (Some(stop), Some(thread));
        Ok(Some(Self { board, addresses, stop, thread, announced }))
    }

    /// Where it listens, as it is typed: `lan:192.168.1.5:41234`.
    pub(super) fn shown(&self) -> Vec<String> {
        self.addresses.iter().map(|address| format!("{LAN}{address}")).collect()
    }

    /// Whether a new device can find it; else its address has to be typed.
    pub(super) const fn is_announced(&self) -> bool {
        self.announced.is_some()
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
        drop(self.announced.take());
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
        Lan::Near => near_addresses().map(Some),
    }
}

/// The private addresses that this device has on networks with others: neither its own loopback nor one end of a line
/// between two (a VPN, a modem).
pub(super) fn near_addresses() -> io::Result<Vec<IpAddr>> {
    let mut near: Vec<IpAddr> = if_addrs::get_if_addrs()?
        .into_iter()
        .filter(|interface| interface.is_oper_up() && !interface.is_loopback() && !interface.is_p2p())
        .map(|interface| interface.ip())
        .filter(|address| is_local(*address) && has_no_scope(*address))
        .collect();
    near.sort_unstable();
    near.dedup();
    if near.is_empty() {
        let reason = "this device has no private address on any network";
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, reason));
    }
    Ok(near)
}

/// An address of one link alone means nothing without saying which.
pub(super) const fn has_no_scope(address: IpAddr) -> bool {
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
        for wrong in [[93, 184, 216, 34], [10, 255, 255, 254]] {
            let refused = check_lan(Lan::Only(wrong.into())).expect_err("none of this device's");
            assert!(refused.to_string().contains("cannot be listened at"), "{refused}");
        }
        assert!(check_lan(Lan::Only([127, 0, 0, 1].into())).is_ok() && check_lan(Lan::Near).is_ok());
        let own: IpAddr = [127, 0, 0, 1].into();
        assert_eq!(addresses(Lan::Only(own)).expect("this machine's own"), Some(vec![own]));
        // Whatever this machine has: none of it is public, or of this machine alone.
        if let Ok(Some(near)) = addresses(Lan::Near) {
            assert!(near.iter().all(|address| is_local(*address) && !address.is_loopback()), "{near:?}");
        }
    }

    #[tokio::test]
    async fn a_host_that_is_far_away_is_refused() {
        assert!(LanAddress::resolve("127.0.0.1:4711").await.is_ok_and(|found| found.len() == 1));
        for host in ["93.184.216.34:80", "127.0.0.1", "no port"] {
            assert!(LanAddress::resolve(host).await.is_err(), "{host}");
        }
    }
}

//! Multicast DNS: announcing the name of an invitation on the local network, and looking for one.
//!
//! Invariant: only the interfaces with the private addresses that are listened at, or would be, are spoken and listened on;
//! nothing but the name, the addresses and the port is said.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mdns_sd::{IfKind, Receiver, ServiceDaemon, ServiceEvent, ServiceInfo};
use safelight_sync::is_local;

use super::lan::{has_no_scope, near_addresses};

/// What Safelight is called in DNS-SD.
const SERVICE: &str = "_safelight._tcp.local.";
/// How long the network is given to hear that a name is gone.
const GOODBYE: Duration = Duration::from_millis(500);
/// What is remembered of one search: more than anybody asks within its time.
const MOST_FOUND: usize = 4_096;

/// A name that is announced. It is taken back with the value.
pub(super) struct Announced {
    daemon: ServiceDaemon,
    called: String,
}

impl Announced {
    /// Announces the name where others may hear it: not on this machine alone.
    ///
    /// # Errors
    /// Where this machine lets nobody speak by multicast.
    pub(super) fn begin(name: &str, addresses: &[SocketAddr]) -> mdns_sd::Result<Option<Self>> {
        let Some((service, outside)) = service(name, addresses)? else { return Ok(None) };
        let daemon = daemon_at(outside)?;
        let called = service.get_fullname().to_owned();
        match daemon.register(service) {
            Ok(()) => Ok(Some(Self { daemon, called })),
            Err(error) => {
                end(&daemon);
                Err(error)
            }
        }
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        // Whoever heard the name hears that it is gone; it ends by itself if not.
        if let Ok(said) = self.daemon.unregister(&self.called) {
            let _said = said.recv_timeout(GOODBYE);
        }
        end(&self.daemon);
    }
}

/// What is said of a name, and at which addresses; nothing where only this machine would hear it.
fn service(name: &str, addresses: &[SocketAddr]) -> mdns_sd::Result<Option<(ServiceInfo, Vec<IpAddr>)>> {
    let outside: Vec<IpAddr> =
        addresses.iter().map(SocketAddr::ip).filter(|address| !address.is_loopback()).collect();
    let Some(port) = addresses.first().map(SocketAddr::port).filter(|_| !outside.is_empty()) else {
        return Ok(None);
    };
    // The host is called by the same name: what people call this machine is nobody's business.
    let host = format!("{name}.local.");
    let nothing_more: Option<HashMap<String, String>> = None;
    let service = ServiceInfo::new(SERVICE, name, &host, outside.as_slice(), port, nothing_more)?;
    Ok(Some((service, outside)))
}

/// Speaks and listens on the interfaces of these addresses, and on no other.
fn daemon_at(addresses: Vec<IpAddr>) -> mdns_sd::Result<ServiceDaemon> {
    let daemon = ServiceDaemon::new()?;
    let limited = daemon.disable_interface(IfKind::All).and_then(|()| daemon.enable_interface(addresses));
    match limited {
        Ok(()) => Ok(daemon),
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
    /// Begins to look, where this device would listen itself.
    ///
    /// # Errors
    /// Where it is on no network, or this machine lets nobody listen to multicast.
    pub(super) fn start(name: &str) -> io::Result<Self> {
        let daemon = daemon_at(near_addresses()?).map_err(io::Error::other)?;
        match daemon.browse(SERVICE) {
            Ok(events) => Ok(Self { daemon, events, name: name.to_owned(), found: Vec::new() }),
            Err(error) => {
                end(&daemon);
                Err(io::Error::other(error))
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
            let addresses = service.addresses.iter().map(mdns_sd::ScopedIp::to_ip_addr);
            for address in addresses.filter(|address| may_be_asked(*address)) {
                let address = SocketAddr::new(address, service.port);
                if self.found.len() < MOST_FOUND && !self.found.contains(&address) {
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

/// Whether an address that somebody announced may be that of another device on a network at hand.
fn may_be_asked(address: IpAddr) -> bool {
    let address = address.to_canonical();
    is_local(address) && has_no_scope(address) && !address.is_loopback()
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
    fn a_name_is_announced_with_addresses_and_a_port_and_nothing_else() {
        let name = "abcdefghijklmnopqrstuvwxyz";
        let at = |address: &str| -> SocketAddr { address.parse().expect("an address") };
        let own = service(name, &[at("127.0.0.1:4711"), at("[::1]:4711")]).expect("a name");
        assert!(own.is_none(), "this machine alone hears nothing");
        let addresses = [at("127.0.0.1:4711"), at("192.168.1.5:4711"), at("[fd00::1]:4711")];
        let (service, outside) = service(name, &addresses).expect("a name").expect("others hear it");
        assert_eq!(outside, [addresses[1].ip(), addresses[2].ip()]);
        assert_eq!(service.get_fullname(), format!("{name}.{SERVICE}"));
        assert_eq!((service.get_hostname(), service.get_port()), (format!("{name}.local.").as_str(), 4711));
        assert_eq!(service.get_properties().len(), 0, "no TXT entries");
        assert!(!service.is_addr_auto() && service.get_subtype().is_none());
        let mut said: Vec<IpAddr> = service.get_addresses().iter().copied().collect();
        said.sort_unstable();
        assert_eq!(said, outside);
    }

    #[test]
    fn of_what_is_announced_only_other_devices_on_networks_at_hand_are_asked() {
        for other in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "fe80::1", "8.8.8.8", "2001:db8::1", "0.0.0.0"]
        {
            assert!(!may_be_asked(other.parse().expect("an address")), "{other}");
        }
        for near in ["192.168.1.5", "fd00::1"] {
            assert!(may_be_asked(near.parse().expect("an address")), "{near}");
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
}

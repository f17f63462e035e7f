//! Where the server listens: this machine, by both its addresses, and nowhere else.
//!
//! Browsers try `[::1]` and `127.0.0.1` for `localhost`, in an order of their own. If somebody else had one of them, half of
//! the requests would go there: so a port is good only if both addresses are free, or the machine has only one of them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;

/// The two addresses of this machine.
pub(crate) const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
/// How many ports the system may propose until one is free at both addresses.
const PROPOSALS: usize = 20;

/// Listens at a port, or at one that the system proposes when it is 0. Answers the port and a listener an address.
///
/// # Errors
/// When an address is not of this machine alone, or the port is taken.
pub(crate) async fn listen(addresses: &[IpAddr], port: u16) -> io::Result<(u16, Vec<TcpListener>)> {
    if let Some(address) = addresses.iter().find(|address| !address.is_loopback()) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "{address} can be reached from other machines, and this is served without TLS and without a password"
            ),
        ));
    }
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for _ in 0..if port == 0 { PROPOSALS } else { 1 } {
        match at_one_port(addresses, port).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
            other => return other,
        }
    }
    Err(last)
}

async fn at_one_port(addresses: &[IpAddr], port: u16) -> io::Result<(u16, Vec<TcpListener>)> {
    let (mut chosen, mut listeners) = (port, Vec::new());
    let mut missing = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpListener::bind(SocketAddr::new(*address, chosen)).await {
            Ok(listener) => {
                chosen = listener.local_addr()?.port();
                listeners.push(listener);
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            // A machine without IPv6, or without IPv4.
            Err(error) => missing = error,
        }
    }
    if listeners.is_empty() { Err(missing) } else { Ok((chosen, listeners)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_but_loopback_is_listened_at() {
        for address in ["0.0.0.0", "::", "192.168.1.10", "::ffff:127.0.0.1"] {
            let refused = listen(&[address.parse().unwrap()], 0).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "{address}");
        }
    }

    #[tokio::test]
    async fn a_port_that_somebody_has_at_one_address_is_not_taken() {
        let (port, listeners) = listen(&LOOPBACK[..1], 0).await.unwrap();
        let taken = listen(&LOOPBACK, port).await.unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        drop(listeners);
        let (_, both) = listen(&LOOPBACK, port).await.unwrap();
        assert!(!both.is_empty());
    }
}

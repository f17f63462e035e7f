//! Whose program a connection comes from.
//!
//! The address that opens the gallery is seen by others: what opens a browser gets it as an argument, which every account
//! of this machine can read. So a token is worth something to this account alone, where the system tells whose a
//! connection is (Linux does).

use std::net::SocketAddr;

/// Whether a connection to this port certainly comes from another account. Root can do anything anyway.
pub(crate) fn is_of_another_account(peer: SocketAddr, port: u16) -> bool {
    #[cfg(target_os = "linux")]
    {
        let own = rustix::process::geteuid().as_raw();
        let tables =
            ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
        let others = tables.iter().flat_map(|table| accounts_of(table, peer, port));
        others.into_iter().any(|account| account.is_none_or(|account| account != own && account != 0))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (peer, port);
        false
    }
}

/// The accounts whose sockets are the other end of a connection, by the kernel's table of connections. Of an end that is
/// closed the kernel knows no account any more, and says that it is root's: that is nobody's.
#[cfg(any(target_os = "linux", test))]
fn accounts_of(table: &str, peer: SocketAddr, port: u16) -> Vec<Option<u32>> {
    const ESTABLISHED: &str = "01";
    let of_line = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (local, remote, state) = (words.next()?, words.next()?, words.next()?);
        let (this, that) = (address(local)?, address(remote)?);
        let is_it = this == (peer.ip().to_canonical(), peer.port())
            && that.1 == port
            && crate::listen::LOOPBACK.contains(&that.0);
        let account = words.nth(3).and_then(|word| word.parse().ok());
        is_it.then(|| account.filter(|_| state == ESTABLISHED))
    };
    table.lines().skip(1).filter_map(of_line).collect()
}

/// `0100007F:1F90`: the words of an address in the machine's own order, and a port.
#[cfg(any(target_os = "linux", test))]
fn address(text: &str) -> Option<(std::net::IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let mut bytes = Vec::with_capacity(16);
    for at in (0..address.len()).step_by(8) {
        bytes.extend(u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    }
    let address: std::net::IpAddr = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => four.into(),
        Err(_) => <[u8; 16]>::try_from(bytes.as_slice()).ok()?.into(),
    };
    Some((address.to_canonical(), u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn the_kernels_table_tells_whose_a_connection_is() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0\n\
             1: 0100007F:1F90 0100007F:A6E2 01 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0\n\
             2: 0100007F:A6E2 0100007F:1F90 01 00000000:00000000 00:00000000 00000000 65534        0 1 1 0 100 0 0 10 0\n";
        let wide = "  sl\n   0: 00000000000000000000000001000000:A6E3 00000000000000000000000001000000:1F90 01 \
             00000000:00000000 00:00000000 00000000  1001        0 1 1 0 100 0 0 10 0\n\
             1: 0000000000000000FFFF00000100007F:A6E4 0000000000000000FFFF00000100007F:1F90 01 \
             00000000:00000000 00:00000000 00000000  1002        0 1 1 0 100 0 0 10 0\n";
        let of = |table: &str, peer: &str| accounts_of(table, peer.parse().unwrap(), 8080);
        assert_eq!(of(table, "127.0.0.1:42722"), [Some(65534)]);
        assert!(of(table, "127.0.0.1:42723").is_empty());
        assert!(of(table, "127.0.0.1:8080").is_empty(), "the end that listens is nobody's peer");
        assert_eq!(of(wide, "[::1]:42723"), [Some(1001)]);
        assert_eq!(of(wide, "127.0.0.1:42724"), [Some(1002)]);
        assert!(of("garbage\n1 2 3\n", "127.0.0.1:42722").is_empty());
        // An end that is closed is said to be root's, and a connection to another address of this machine is another one.
        let closed = table.replace("0100007F:1F90 01 ", "0100007F:1F90 06 ").replace("65534", "0");
        assert_eq!(of(&closed, "127.0.0.1:42722"), [None]);
        let elsewhere = table.replace("0100007F:A6E2 0100007F:1F90", "0100007F:A6E2 0200007F:1F90");
        assert!(of(&elsewhere, "127.0.0.1:42722").is_empty());
    }

    #[test]
    fn ones_own_connection_is_no_strangers() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        if cfg!(target_os = "linux") {
            let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
            let own = rustix::process::geteuid().as_raw();
            assert_eq!(accounts_of(&table, client.local_addr().unwrap(), port), [Some(own)]);
        }
        assert!(!is_of_another_account(client.local_addr().unwrap(), port));
    }
}

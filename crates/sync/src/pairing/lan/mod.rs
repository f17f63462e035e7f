//! The local network as a carrier of pairing messages: the device that invites keeps them on a [`Board`] and answers at
//! a port while it waits; the new device asks there ([`LanCarrier`]) as it would ask a place.
//!
//! Everybody on the network may read all that passes and say what he likes. Invariant: what comes over it is bounded before
//! it is looked at (length, number, time), and counts as what a place would count as: nothing, until it opens under the
//! code. Nothing but messages of the one pairing can be read or left.
//!
//! Specified in sl1 §1.14, "Over the local network".

mod board;
mod call;
mod listen;
mod wire;

use std::net::IpAddr;

pub use board::Board;
pub use call::{LAN_LABEL, LanCarrier};
pub use listen::serve_board;

/// Whether an address is one of a network at hand: private, of this link, or of this machine.
#[must_use]
pub fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_private() || address.is_link_local() || address.is_loopback(),
        IpAddr::V6(address) => {
            address.is_unique_local() || address.is_unicast_link_local() || address.is_loopback()
        }
    }
}

#[cfg(test)]
mod tests;

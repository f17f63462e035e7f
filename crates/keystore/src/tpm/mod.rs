//! The TPM 2.0 of this machine. The slot's secret is sealed under the storage root key, which the TPM derives anew from
//! a seed that never leaves it; so another machine's TPM does not open the slot, and says so.
//!
//! ```text
//! u8(1) ‖ TPM2B_PUBLIC ‖ TPM2B_PRIVATE      of the sealed object, as the TPM returned them
//! ```
//! Five commands over the device are all that is needed, so nothing of a TPM stack is linked: the program starts where
//! none is installed. What a TPM does not protect from: whoever runs programs on this machine as this user, and whoever
//! listens on the wires to a TPM that is a chip of its own, because the secret crosses them in the clear.

mod device;
mod wire;

use std::path::PathBuf;

use safelight_crypto::{KeyWrap, SecretBytes, SlotKind, StoreError};

use crate::{WRAPPED_VERSION, check_version, foreign_bytes};
use device::Device;
use wire::Answer;

/// The TPM of a Linux machine, by way of the kernel's resource manager.
pub const DEFAULT_TPM: &str = "/dev/tpmrm0";

/// The most that a TPM object takes, each half of it.
const PART_BYTES: usize = 1 << 10;

/// A TPM, as a key store.
#[derive(Debug, Clone)]
pub struct Tpm {
    /// Its device, or a socket that speaks as one (`swtpm`).
    pub device: PathBuf,
}

impl Default for Tpm {
    fn default() -> Self {
        Self { device: PathBuf::from(DEFAULT_TPM) }
    }
}

impl KeyWrap for Tpm {
    fn kind(&self) -> SlotKind {
        SlotKind::Tpm
    }

    fn wrap(&self, secret: &[u8; 32]) -> Result<Vec<u8>, StoreError> {
        let mut tpm = Device::open(&self.device)?;
        let root = storage_root(&mut tpm)?;
        let sealed = tpm.ask(&wire::create_sealed(root, secret)).and_then(|answer| {
            let mut reader = answer.parameters()?;
            let private = reader.sized()?;
            Ok([&[WRAPPED_VERSION], wire::sized(&reader.sized()?).as_slice(), &wire::sized(&private)]
                .concat())
        });
        flush(&mut tpm, root);
        sealed
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<SecretBytes, StoreError> {
        let (public, private) = parse(wrapped)?;
        let mut tpm = Device::open(&self.device)?;
        let root = storage_root(&mut tpm)?;
        let secret = load(&mut tpm, root, public, private).and_then(|object| {
            let secret = tpm.ask(&wire::unseal(object)).and_then(|answer| answer.parameters()?.sized());
            flush(&mut tpm, object);
            secret
        });
        flush(&mut tpm, root);
        secret.map(SecretBytes::new)
    }
}

/// Makes the storage root key: the same one every time, of the owner's seed in this TPM.
fn storage_root(tpm: &mut Device) -> Result<u32, StoreError> {
    tpm.ask(&wire::create_storage_root()).and_then(|answer| answer.handle())
}

fn load(tpm: &mut Device, root: u32, public: &[u8], private: &[u8]) -> Result<u32, StoreError> {
    tpm.ask(&wire::load(root, public, private)).and_then(|answer: Answer| answer.handle())
}

/// A TPM has room for three objects. One that stays behind is taken away by the resource manager when we leave.
fn flush(tpm: &mut Device, handle: u32) {
    if let Err(error) = tpm.ask(&wire::flush(handle)) {
        tracing::debug!(%error, "an object stays in the TPM");
    }
}

/// The public and the private part of the sealed object.
fn parse(wrapped: &[u8]) -> Result<(&[u8], &[u8]), StoreError> {
    let (public, rest) = take_sized(check_version(wrapped)?)?;
    match take_sized(rest)? {
        (private, []) => Ok((public, private)),
        _ => Err(foreign_bytes()),
    }
}

fn take_sized(bytes: &[u8]) -> Result<(&[u8], &[u8]), StoreError> {
    let (length, rest) = bytes.split_first_chunk::<2>().ok_or_else(foreign_bytes)?;
    let length = usize::from(u16::from_be_bytes(*length));
    if length == 0 || length > PART_BYTES {
        return Err(foreign_bytes());
    }
    rest.split_at_checked(length).ok_or_else(foreign_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_slot_holds_is_read_strictly() {
        let good = [1, 0, 2, 7, 7, 0, 1, 9];
        assert_eq!(parse(&good), Ok((&[7, 7][..], &[9][..])));
        for bad in [
            &good[..7],
            &[1, 0, 2, 7, 7, 0, 1, 9, 0],
            &[2, 0, 1, 7, 0, 1, 9],
            &[1, 0, 0, 0, 1, 9],
            &[1, 255, 255],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_machine_without_a_tpm_says_so() {
        let error = Tpm { device: "/nowhere/tpm".into() }.wrap(&[1; 32]).expect_err("no TPM");
        assert!(matches!(&error, StoreError::Absent(text) if text.contains("/nowhere/tpm")), "{error}");
    }
}

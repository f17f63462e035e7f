//! The head hint: how far a device's chain goes, signed, so that a reader can ask for many segments at once.
//!
//! It is only a hint. It may be old, absent or withheld; nothing is concluded from it but that what it names
//! was once there. Specified in sl1-history §8.5.

use safelight_crypto::{
    Device, DeviceId, Domain, Entropy, Epoch, EpochSecrets, Kind, LibraryId, ObjectContext, SIGNATURE_LEN,
    Signature, VerifyingKey, names, open, seal,
};

use super::Tip;
use crate::error::ModelError;
use crate::ids::{SegmentRoot, SegmentSeq};

const MAGIC: &[u8; 4] = b"SLHD";

/// A head hint that was opened; its signature is not checked yet.
#[derive(Clone, Copy, Debug)]
#[must_use = "a hint says nothing before it is verified"]
pub struct HeadHint {
    library: LibraryId,
    device: DeviceId,
    tip: Tip,
    signature: Signature,
}

impl HeadHint {
    /// Signs and seals the hint of this device's own chain.
    ///
    /// # Errors
    /// [`ModelError::Sealed`].
    pub fn seal(
        library: LibraryId,
        device: &Device,
        tip: Tip,
        epoch: &Epoch,
        entropy: &mut dyn Entropy,
    ) -> Result<Vec<u8>, ModelError> {
        let content = content(&device.id(), &tip);
        let signature = device.sign(Domain::Head, &signed(&library, &content));
        let name = names::head(&device.id());
        let context = ObjectContext::named(library, &name);
        let bytes = [content.as_slice(), signature.as_bytes()].concat();
        let sealed = seal(Kind::Segment, epoch, &context, &bytes, entropy).map_err(ModelError::Sealed)?;
        Ok(sealed.into_bytes())
    }

    /// Opens the hint that rests at `head/<device>`.
    ///
    /// # Errors
    /// [`ModelError::Sealed`]; [`ModelError::NotASegment`] if it is no hint of this device.
    pub fn open(
        bytes: &[u8],
        library: LibraryId,
        device: DeviceId,
        secrets: &(impl EpochSecrets + ?Sized),
    ) -> Result<Self, ModelError> {
        let name = names::head(&device);
        let context = ObjectContext::named(library, &name);
        let bytes = open(bytes, Kind::Segment, secrets, &context).map_err(ModelError::Sealed)?;
        let split = || {
            let rest = bytes.strip_prefix(MAGIC)?;
            let (id, rest) = rest.split_first_chunk()?;
            let (seq, rest) = rest.split_first_chunk()?;
            let (root, signature) = rest.split_first_chunk()?;
            let signature: [u8; SIGNATURE_LEN] = signature.try_into().ok()?;
            let tip = Tip { seq: SegmentSeq(u32::from_be_bytes(*seq)), root: SegmentRoot(*root) };
            let signature = Signature::from_bytes(signature);
            (DeviceId::from_bytes(*id) == device).then_some(Self { library, device, tip, signature })
        };
        split().ok_or(ModelError::NotASegment)
    }

    /// Checks that the device signed it, and says how far its chain goes.
    ///
    /// # Errors
    /// [`ModelError::BadSegment`].
    pub fn verify(self, key: &VerifyingKey) -> Result<Tip, ModelError> {
        let content = content(&self.device, &self.tip);
        key.verify(Domain::Head, &signed(&self.library, &content), &self.signature).map_err(|_| {
            ModelError::BadSegment {
                device: self.device,
                seq: self.tip.seq,
                rule: "the signature of the head is not that of its device",
            }
        })?;
        Ok(self.tip)
    }

    /// What it claims; for whoever does not know the device's key yet.
    #[must_use]
    pub fn claimed(&self) -> Tip {
        self.tip
    }
}

fn content(device: &DeviceId, tip: &Tip) -> Vec<u8> {
    [MAGIC.as_slice(), device.as_bytes(), &tip.seq.0.to_be_bytes(), &tip.root.0].concat()
}

fn signed(library: &LibraryId, content: &[u8]) -> Vec<u8> {
    [library.as_bytes().as_slice(), content].concat()
}

#[cfg(test)]
mod tests {
    use safelight_crypto::SeededEntropy;

    use super::*;

    #[test]
    fn a_head_is_believed_only_from_its_own_device_in_its_own_library() {
        let mut entropy = SeededEntropy::new(4);
        let library = LibraryId::from_bytes([1; 20]);
        let (device, other) = (Device::generate(&mut entropy), Device::generate(&mut entropy));
        let epoch = Epoch::generate(&mut entropy);
        let tip = Tip { seq: SegmentSeq(7), root: SegmentRoot([9; 32]) };
        let bytes = HeadHint::seal(library, &device, tip, &epoch, &mut entropy).unwrap();
        let hint = HeadHint::open(&bytes, library, device.id(), &epoch).unwrap();
        assert_eq!(hint.verify(device.card().verifying_key()).unwrap(), tip);
        assert!(hint.verify(other.card().verifying_key()).is_err());
        assert!(HeadHint::open(&bytes, library, other.id(), &epoch).is_err());
        assert!(HeadHint::open(&bytes, LibraryId::from_bytes([2; 20]), device.id(), &epoch).is_err());
    }
}

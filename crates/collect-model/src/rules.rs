//! The rules that protect bytes, each of which a test takes away alone.

/// One rule of `docs/spec/sl1-history.md` §10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Rule {
    /// An object is deleted only when every active device has acknowledged its mark.
    WaitForAcknowledgements = 1,
    /// Whoever acknowledges drops proofs and uploads that rely on the marked object.
    RetargetBeforeAcknowledging = 1 << 1,
    /// An object of a marked generation is never written again: the next one has another name.
    NewGeneration = 1 << 2,
    /// Before an object is deleted, the merged history is asked again whether it may go. Here a record is as good as a
    /// proof, as places lose nothing by themselves; the shipping code also asks for its own proof of 30 days at most,
    /// for deleting and not for acknowledging, which forbids deletions that are explored here and allows no others.
    CheckAgain = 1 << 3,
    /// What another device holds counts neither when local bytes are freed nor when a remote replica is dropped.
    OthersHoldNothing = 1 << 4,
    /// A linked file, which its user may delete, counts as nothing.
    LinksHoldNothing = 1 << 5,
    /// Local bytes are freed only against an unmarked replica that was proven present.
    ProveBeforeFreeing = 1 << 6,
    /// Nothing is deleted, here or there, while an op of this device is unpublished.
    PublishBeforeActing = 1 << 7,
    /// A device that was silent for long trusts no proof from before.
    ForgetOldProofs = 1 << 8,
    /// A device that was silent for long publishes that it is back *before* it reads on.
    ReturnBeforeReading = 1 << 9,
    /// A restored device reads its own published history before it does anything.
    AdoptOwnHistory = 1 << 10,
}

/// A set of rules in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules(u16);

impl Rules {
    /// The whole protocol.
    #[must_use]
    pub const fn all() -> Self {
        Self((1 << 11) - 1)
    }

    /// The protocol without one rule.
    #[must_use]
    pub const fn without(self, rule: Rule) -> Self {
        Self(self.0 & !(rule as u16))
    }

    /// Whether a rule is in force.
    #[must_use]
    pub const fn has(self, rule: Rule) -> bool {
        self.0 & rule as u16 != 0
    }
}

//! The kinds of ops, and their numbers, which are never used twice.
//!
//! An unknown kind with an odd number may be ignored; one with an even number must not be. So a later version
//! chooses an even number for what would make an old device do harm by not knowing it.

/// The number of a kind of op, known or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindNumber(pub u16);

impl KindNumber {
    /// Whether a reader that does not know this kind must stop rather than ignore it.
    #[must_use]
    pub fn is_required(self) -> bool {
        self.0.is_multiple_of(2)
    }

    /// The kind's name, for history and messages; also of kinds that are reserved.
    #[must_use]
    pub fn word(self) -> Option<&'static str> {
        RESERVED.iter().chain(KNOWN).find_map(|(number, word)| (*number == self.0).then_some(*word))
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $word:literal;)*) => {
        /// The kinds of ops that this version knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum OpKind {
            $($(#[$doc])* $name,)*
        }

        impl OpKind {
            /// The number in the format.
            #[must_use]
            pub const fn number(self) -> KindNumber {
                KindNumber(match self {
                    $(Self::$name => $number,)*
                })
            }

            /// The kind of a number, if this version knows it.
            #[must_use]
            pub const fn from_number(number: KindNumber) -> Option<Self> {
                match number.0 {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }
        }

        const KNOWN: &[(u16, &str)] = &[$(($number, $word),)*];
    };
}

kinds! {
    /// [`crate::OpBody::AddAsset`]
    AddAsset = 2, "asset added";
    /// [`crate::OpBody::AddVersion`]
    AddVersion = 4, "version added";
    /// [`crate::OpBody::Alias`]
    Alias = 6, "merged";
    /// [`crate::OpBody::Set`]
    Set = 8, "set";
    /// [`crate::OpBody::AddTo`]
    AddTo = 10, "put in";
    /// [`crate::OpBody::RemoveFrom`]
    RemoveFrom = 12, "taken out";
    /// [`crate::OpBody::Purge`]
    Purge = 14, "purged";
    /// [`crate::OpBody::Forget`]
    Forget = 18, "forgotten";
    /// [`crate::OpBody::Statement`]
    Statement = 16, "statement";
    /// [`crate::OpBody::Derive`]
    Derive = 1, "derived";
    /// [`crate::OpBody::Render`]
    Render = 3, "rendered";
    /// [`crate::OpBody::Seen`]
    Seen = 5, "seen";
    /// [`crate::OpBody::Note`]
    Note = 7, "note";
    /// [`crate::OpBody::Packed`]
    Packed = 25, "packed";
    /// [`crate::OpBody::Mark`]
    Mark = 20, "mark";
    /// [`crate::OpBody::Acknowledged`]
    Acknowledged = 9, "acknowledged";
    /// [`crate::OpBody::Lapse`]
    Lapse = 11, "lapse";
    /// [`crate::OpBody::Replicas`]
    Replicas = 13, "replicas";
    /// [`crate::OpBody::Carried`]
    Carried = 27, "branches carried";
    /// [`crate::OpBody::Presence`]
    Presence = 29, "presence";
}

/// Kinds with a number and a meaning (sl1-history §4.3) whose bodies later versions define.
const RESERVED: &[(u16, &str)] = &[
    (22, "segment lost"),
    (24, "version dropped"),
    (26, "quarantine accepted"),
    (28, "inbox taken"),
    (30, "snapshot"),
    (15, "proof sweep"),
    (17, "settings"),
    (19, "attested"),
    (21, "gateway grants"),
    (23, "rendition dropped"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_used_twice() {
        let mut numbers: Vec<_> = KNOWN.iter().chain(RESERVED).map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    }

    #[test]
    fn numbers_and_kinds_name_each_other() {
        for (number, word) in KNOWN {
            let number = KindNumber(*number);
            assert_eq!(OpKind::from_number(number).map(OpKind::number), Some(number));
            assert_eq!(number.word(), Some(*word));
        }
        assert_eq!(OpKind::from_number(KindNumber(22)), None);
        assert_eq!(KindNumber(22).word(), Some("segment lost"));
    }
}

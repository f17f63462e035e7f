//! The five commands that sealing needs, byte for byte: TPM 2.0 Library, parts 2 (structures) and 3 (commands).

use safelight_crypto::StoreError;
use zeroize::Zeroizing;

const NO_SESSIONS: u16 = 0x8001;
const SESSIONS: u16 = 0x8002;

const CREATE_PRIMARY: u32 = 0x131;
const CREATE: u32 = 0x153;
const LOAD: u32 = 0x157;
const UNSEAL: u32 = 0x15e;
const FLUSH_CONTEXT: u32 = 0x165;

/// The owner's hierarchy, and the session of an empty password.
const OWNER: u32 = 0x4000_0001;
const PASSWORD: u32 = 0x4000_0009;

const SHA256: u16 = 0x000b;
const NULL: u16 = 0x0010;

const FIXED_TPM: u32 = 1 << 1;
const FIXED_PARENT: u32 = 1 << 4;
const SENSITIVE_DATA_ORIGIN: u32 = 1 << 5;
const USER_WITH_AUTH: u32 = 1 << 6;
const NO_DICTIONARY_ATTACK: u32 = 1 << 10;
const RESTRICTED: u32 = 1 << 16;
const DECRYPT: u32 = 1 << 17;

/// Bytes before the parameters of every command and answer.
pub(super) const HEADER_BYTES: usize = 10;
/// The most that a command or an answer here takes.
pub(super) const FRAME_BYTES: usize = 4096;

/// A command, ready to be sent. It may hold a secret, so it is wiped.
pub(super) type Command = Zeroizing<Vec<u8>>;

/// The storage root key as the TCG provisions it: ECC P-256 with AES-128-CFB, of the owner's seed.
pub(super) fn create_storage_root() -> Command {
    let attributes = FIXED_TPM
        | FIXED_PARENT
        | SENSITIVE_DATA_ORIGIN
        | USER_WITH_AUTH
        | NO_DICTIONARY_ATTACK
        | RESTRICTED
        | DECRYPT;
    let mut public = Vec::new();
    u16s(&mut public, &[0x0023, SHA256]);
    public.extend(attributes.to_be_bytes());
    // No policy; AES, 128 bits, CFB; no scheme; NIST P-256; no KDF; a point of zeros to begin with.
    u16s(&mut public, &[0, 0x0006, 128, 0x0043, NULL, 0x0003, NULL]);
    for _ in 0..2 {
        public.extend(sized(&[0; 32]));
    }
    authorised(CREATE_PRIMARY, OWNER, &created_of(&[], &public))
}

/// An object that holds `secret`, under a key of the TPM that only it has, and cannot leave.
pub(super) fn create_sealed(parent: u32, secret: &[u8; 32]) -> Command {
    let attributes = FIXED_TPM | FIXED_PARENT | USER_WITH_AUTH | NO_DICTIONARY_ATTACK;
    let mut public = Vec::new();
    u16s(&mut public, &[0x0008, SHA256]);
    public.extend(attributes.to_be_bytes());
    // No policy, no scheme, nothing unique.
    u16s(&mut public, &[0, NULL, 0]);
    authorised(CREATE, parent, &created_of(secret, &public))
}

pub(super) fn load(parent: u32, public: &[u8], private: &[u8]) -> Command {
    authorised(LOAD, parent, &[sized(private), sized(public)].concat())
}

pub(super) fn unseal(object: u32) -> Command {
    authorised(UNSEAL, object, &[])
}

pub(super) fn flush(object: u32) -> Command {
    framed(NO_SESSIONS, FLUSH_CONTEXT, &object.to_be_bytes())
}

/// What both create commands take: the sensitive part with an empty password, the public part, nothing from outside, no PCRs.
fn created_of(data: &[u8], public: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut sensitive = Zeroizing::new(Vec::with_capacity(64));
    sensitive.extend([0, 0]);
    sensitive.extend(len16(data));
    sensitive.extend(data);
    let mut parameters = Zeroizing::new(Vec::with_capacity(256));
    parameters.extend(len16(&sensitive));
    parameters.extend(sensitive.iter());
    parameters.extend(sized(public));
    u16s(&mut parameters, &[0, 0, 0]);
    parameters
}

/// A command about one handle, authorised by an empty password.
fn authorised(code: u32, handle: u32, parameters: &[u8]) -> Command {
    let mut body = Zeroizing::new(Vec::with_capacity(FRAME_BYTES));
    body.extend(handle.to_be_bytes());
    // The session, no nonce, no attributes, no password.
    body.extend(9_u32.to_be_bytes());
    body.extend(PASSWORD.to_be_bytes());
    body.extend([0; 5]);
    body.extend(parameters);
    framed(SESSIONS, code, &body)
}

fn framed(tag: u16, code: u32, body: &[u8]) -> Command {
    let mut command = Zeroizing::new(Vec::with_capacity(HEADER_BYTES + body.len()));
    command.extend(tag.to_be_bytes());
    let length = u32::try_from(HEADER_BYTES + body.len()).unwrap_or(u32::MAX);
    command.extend(length.to_be_bytes());
    command.extend(code.to_be_bytes());
    command.extend(body);
    command
}

/// Bytes behind their length, as a `TPM2B` is.
pub(super) fn sized(bytes: &[u8]) -> Vec<u8> {
    [len16(bytes).as_slice(), bytes].concat()
}

fn len16(bytes: &[u8]) -> [u8; 2] {
    // Callers hold their parts to `PART_BYTES`; a longer one would be refused by the TPM, not cut.
    u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes()
}

fn u16s(out: &mut Vec<u8>, numbers: &[u16]) {
    out.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
}

/// An answer without an error. It may hold a secret, so it is wiped.
pub(super) struct Answer(Zeroizing<Vec<u8>>);

impl Answer {
    /// Reads a frame that has come whole.
    pub(super) fn parse(frame: Zeroizing<Vec<u8>>) -> Result<Self, StoreError> {
        let code = frame.get(6..HEADER_BYTES).and_then(|code| code.try_into().ok()).map(u32::from_be_bytes);
        match code {
            Some(0) => Ok(Self(frame)),
            Some(code) => Err(refusal(code)),
            None => Err(nonsense()),
        }
    }

    /// The handle that the command made.
    pub(super) fn handle(&self) -> Result<u32, StoreError> {
        let handle = self.0.get(HEADER_BYTES..HEADER_BYTES + 4).ok_or_else(nonsense)?;
        handle.try_into().map(u32::from_be_bytes).map_err(|_| nonsense())
    }

    /// The parameters of a command that makes no handle.
    pub(super) fn parameters(&self) -> Result<Reader<'_>, StoreError> {
        self.0.get(HEADER_BYTES + 4..).map(Reader).ok_or_else(nonsense)
    }
}

/// The length that a frame says it has, once its beginning is there.
pub(super) fn frame_length(beginning: &[u8]) -> Option<usize> {
    let length = beginning.get(2..6)?.try_into().ok().map(u32::from_be_bytes)?;
    usize::try_from(length).ok()
}

/// Parameters of an answer, from the first on.
pub(super) struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    pub(super) fn sized(&mut self) -> Result<Vec<u8>, StoreError> {
        let (length, rest) = self.0.split_first_chunk::<2>().ok_or_else(nonsense)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (bytes, rest) = rest.split_at_checked(length).ok_or_else(nonsense)?;
        self.0 = rest;
        Ok(bytes.to_vec())
    }
}

pub(super) fn nonsense() -> StoreError {
    StoreError::Failed("the TPM answered something that is no answer".to_owned())
}

/// Whether a TPM asks to be asked again: it is busy, or tests itself.
pub(super) fn is_busy(frame: &[u8]) -> bool {
    let code = frame.get(6..HEADER_BYTES).and_then(|code| code.try_into().ok()).map(u32::from_be_bytes);
    matches!(code, Some(0x908 | 0x90a | 0x922))
}

/// What a response code means for whoever wanted to unlock.
fn refusal(code: u32) -> StoreError {
    // Bit 7 marks codes about a parameter, a session or a handle; which one it is stands in the other bits.
    let kind = if code & 0x80 == 0 { code } else { code & 0xbf };
    match kind {
        // INTEGRITY, and what a damaged blob looks like: SIZE, VALUE, INSUFFICIENT, TYPE, ATTRIBUTES.
        0x09f | 0x095 | 0x084 | 0x09a | 0x08a | 0x082 => StoreError::Foreign(
            "this TPM did not seal it: the library was made on another machine, or the TPM was cleared"
                .to_owned(),
        ),
        // AUTH_FAIL, BAD_AUTH: somebody gave the owner's hierarchy a password.
        0x08e | 0x0a2 => StoreError::Denied(
            "the TPM's owner has set a password, which Safelight does not ask for".to_owned(),
        ),
        0x921 => StoreError::Denied("the TPM is locked after too many wrong passwords".to_owned()),
        0x100 => StoreError::Absent("the TPM was not started".to_owned()),
        other => StoreError::Failed(format!("the TPM refused: code {other:#05x}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_says_its_own_length() {
        for command in [create_storage_root(), create_sealed(0x8000_0000, &[7; 32]), unseal(1), flush(1)] {
            assert_eq!(frame_length(&command), Some(command.len()));
        }
        assert_eq!(*flush(0x8000_0001), [0x80, 1, 0, 0, 0, 14, 0, 0, 1, 0x65, 0x80, 0, 0, 1]);
    }

    #[test]
    fn another_machine_s_seal_is_told_from_a_failure() {
        // INTEGRITY about parameter 1, as Load answers.
        assert!(matches!(refusal(0x1df), StoreError::Foreign(_)));
        assert!(matches!(refusal(0x9a2), StoreError::Denied(_)));
        assert!(matches!(refusal(0x101), StoreError::Failed(_)));
    }

    #[test]
    fn a_cut_answer_is_no_answer() {
        let answer = |bytes: &[u8]| Answer::parse(Zeroizing::new(bytes.to_vec()));
        assert!(answer(&[0x80, 2, 0, 0, 0, 9, 0, 0, 0]).is_err());
        let bare = answer(&[0x80, 2, 0, 0, 0, 10, 0, 0, 0, 0]).expect("no error code");
        assert!(bare.handle().is_err() && bare.parameters().is_err());
        let short = answer(&[0x80, 2, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 3, 0, 9, 1]).expect("parses");
        assert!(short.parameters().expect("there").sized().is_err());
    }
}

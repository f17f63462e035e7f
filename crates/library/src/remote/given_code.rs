//! A code as it is typed, or as a QR code says it.

use safelight_crypto::{Fault, PairingCode};
use safelight_store::RemoteCredential;
use zeroize::Zeroizing;

/// What a QR code begins with.
const QR_MARK: &str = "safelight-pair 1";
/// What stands before a SAS in a QR code.
const QR_SAS: &str = "sas=";

/// What was typed or read from a QR code.
#[derive(Debug, Clone)]
pub struct GivenCode {
    /// The code.
    pub code: PairingCode,
    /// Where the library rests, if that was said.
    pub address: Option<String>,
    /// What opens that place until the device has a credential of its own, if that was said.
    pub credential: Option<RemoteCredential>,
}

impl GivenCode {
    /// Reads eight words, or what a QR code says.
    ///
    /// # Errors
    /// Why it is no code, in a sentence that repeats nothing of it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let parse = |words: &str| PairingCode::parse(words).map_err(|error| why_not(error.fault()));
        let Some(said) = text.strip_prefix(QR_MARK) else {
            return Ok(Self { code: parse(text)?, address: None, credential: None });
        };
        let mut said: Vec<&str> = said.split_whitespace().collect();
        let sas = said.pop_if(|last| last.starts_with(QR_SAS)).and_then(|sas| sas.strip_prefix(QR_SAS));
        let credential =
            sas.map(RemoteCredential::azure_sas).transpose().map_err(|error| error.to_string())?;
        let (words, address) = said.split_at(said.len().min(safelight_crypto::CODE_WORDS));
        let code = parse(&Zeroizing::new(words.join(" ")))?;
        let address = Some(address.join(" ")).filter(|address| !address.is_empty());
        Ok(Self { code, address, credential })
    }
}

fn why_not(fault: Option<&Fault>) -> String {
    match fault {
        Some(Fault::WordCount(count)) => format!("a code has eight words, and these are {count}"),
        Some(Fault::UnknownWord(place)) => format!("word {place} of the code is not in the list"),
        _ => "the words of the code do not fit together: one of them is another".to_owned(),
    }
}

pub(super) fn qr_text(words: &str, address: &str, lent: Option<&RemoteCredential>) -> Zeroizing<String> {
    let sas = match lent {
        Some(RemoteCredential::AzureSas(sas)) => Zeroizing::new(format!(" {QR_SAS}{}", sas.expose())),
        _ => Zeroizing::default(),
    };
    Zeroizing::new(format!("{QR_MARK} {words} {address}{}", *sas))
}

#[cfg(test)]
mod tests {
    use safelight_crypto::OsEntropy;

    use super::*;

    #[test]
    fn a_code_is_read_from_words_and_from_what_a_qr_code_says() {
        let words = PairingCode::generate(&mut OsEntropy).words();
        let typed = GivenCode::parse(&format!("\n{} ", words.as_str())).expect("words");
        assert_eq!((typed.code.words(), typed.address), (words.clone(), None));
        let address = "folder:/a place/with spaces";
        let read = GivenCode::parse(&qr_text(&words, address, None)).expect("what a QR code says");
        assert_eq!((read.code.words(), read.address.as_deref()), (words.clone(), Some(address)));
        let sas = RemoteCredential::azure_sas("sv=1&sig=2").expect("a SAS");
        let read = GivenCode::parse(&qr_text(&words, "azure://a/b", Some(&sas))).expect("with a SAS");
        assert_eq!((read.address.as_deref(), read.credential), (Some("azure://a/b"), Some(sas)));
        let (first, _) = words.rsplit_once(' ').expect("eight words");
        assert_eq!(GivenCode::parse(first).expect_err("seven"), "a code has eight words, and these are 7");
        let unknown = GivenCode::parse(&format!("{first} safelight")).expect_err("no word");
        assert_eq!(unknown, "word 8 of the code is not in the list");
    }
}

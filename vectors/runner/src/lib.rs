//! Runs SL1 test vectors: one JSON object in, one outcome out. The same code runs as a native test and as a
//! wasm module under Node, so both builds of the format answer the same questions.
//!
//! A vector names an operation, its input and what is expected: `{"ok": …}` with what comes out, or
//! `{"fault": "code"}` with the one rule that is broken. Bytes are written as pieces (see [`Files::bytes`]), so
//! that a hundred damaged variants of one object cost one file.

mod operations;
#[cfg(target_arch = "wasm32")]
pub mod wasm;

use std::collections::HashMap;

use data_encoding::HEXLOWER;
use safelight_crypto::CryptoError;
use serde::Deserialize;
use serde_json::{Value, json};

/// One vector.
#[derive(Debug, Deserialize)]
pub struct Vector {
    /// Its id, as the specification names it.
    pub id: String,
    /// What to do.
    pub op: String,
    /// With what.
    pub input: Value,
    /// What must come of it.
    pub expect: Value,
}

/// Why a vector could not be run, or what the format refused.
#[derive(Debug)]
pub enum Failure {
    /// The format refused: the outcome that many vectors expect.
    Refused(CryptoError),
    /// The vector itself is not well made.
    BadVector(String),
}

impl From<CryptoError> for Failure {
    fn from(error: CryptoError) -> Self {
        Self::Refused(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::BadVector(error.to_string())
    }
}

pub(crate) fn bad(what: impl Into<String>) -> Failure {
    Failure::BadVector(what.into())
}

/// The binary files that vectors take pieces of.
#[derive(Debug, Default)]
pub struct Files(HashMap<String, Vec<u8>>);

impl Files {
    /// Adds a file under the name that vectors use.
    pub fn add(&mut self, name: &str, bytes: Vec<u8>) {
        self.0.insert(name.to_owned(), bytes);
    }

    /// Puts bytes together: a string is hex; an object is one piece; a list is pieces in order. A piece is
    /// `{"hex"}`, `{"text"}`, `{"file", "from", "to"}`, `{"fill", "len"}` or `{"pattern"}`.
    ///
    /// # Errors
    /// When the vector is not well made.
    pub fn bytes(&self, value: &Value) -> Result<Vec<u8>, Failure> {
        match value {
            Value::String(hex) => {
                HEXLOWER.decode(hex.as_bytes()).map_err(|error| bad(format!("{error}: {hex}")))
            }
            Value::Array(pieces) => {
                let pieces = pieces.iter().map(|piece| self.bytes(piece)).collect::<Result<Vec<_>, _>>()?;
                Ok(pieces.concat())
            }
            Value::Object(_) => self.piece(serde_json::from_value(value.clone())?),
            other => Err(bad(format!("no bytes: {other}"))),
        }
    }

    fn piece(&self, piece: Piece) -> Result<Vec<u8>, Failure> {
        match piece {
            Piece::Hex { hex } => HEXLOWER.decode(hex.as_bytes()).map_err(|error| bad(error.to_string())),
            Piece::Text { text } => Ok(text.into_bytes()),
            Piece::Fill { fill, len } => Ok(vec![fill; len]),
            Piece::Pattern { pattern } => Ok(counted(pattern)),
            Piece::File { file, from, to } => {
                let bytes = self.0.get(&file).ok_or_else(|| bad(format!("no file {file}")))?;
                let range = from.unwrap_or(0)..to.unwrap_or(bytes.len());
                bytes.get(range).map(<[u8]>::to_vec).ok_or_else(|| bad(format!("{file} is too short")))
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Piece {
    Hex { hex: String },
    Text { text: String },
    Fill { fill: u8, len: usize },
    Pattern { pattern: usize },
    File { file: String, from: Option<usize>, to: Option<usize> },
}

/// The content that needs no file: byte `i` is `(i + i / 251) mod 256`.
fn counted(len: usize) -> Vec<u8> {
    (0..len).map(|place| (place + place / 251).to_le_bytes()[0]).collect()
}

/// Runs a vector and gives what came of it in the form of its `expect`.
///
/// # Errors
/// When the vector is not well made.
pub fn outcome(vector: &Vector, files: &Files) -> Result<Value, String> {
    match operations::run(&vector.op, &vector.input, files) {
        Ok(value) => Ok(json!({ "ok": value })),
        Err(Failure::Refused(error)) => match error.fault() {
            Some(fault) => Ok(json!({ "fault": fault.code() })),
            None => Ok(json!({ "fault": "io" })),
        },
        Err(Failure::BadVector(what)) => Err(what),
    }
}

/// Runs a vector and compares; `None` when the outcome is the expected one.
#[must_use]
pub fn complaint(vector: &Vector, files: &Files) -> Option<String> {
    match outcome(vector, files) {
        Ok(found) if found == vector.expect => None,
        Ok(found) => Some(format!("{}: expected {}, found {found}", vector.id, vector.expect)),
        Err(what) => Some(format!("{}: cannot be run: {what}", vector.id)),
    }
}

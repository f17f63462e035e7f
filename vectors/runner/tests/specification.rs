//! The specification and the vectors name each other: every vector that `sl1.md` refers to exists, and every
//! rule with MUST refers to one.

#![expect(clippy::expect_used, reason = "a helper that fails is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use safelight_vectors::Vector;
use serde::Deserialize;

#[derive(Deserialize)]
struct VectorFile {
    vectors: Vec<Vector>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn ids() -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for entry in fs::read_dir(root().join("vectors/json")).expect("the folder is there") {
        let text = fs::read_to_string(entry.expect("readable").path()).expect("readable");
        let file: VectorFile = serde_json::from_str(&text).expect("a vector file");
        ids.extend(file.vectors.into_iter().map(|vector| vector.id));
    }
    ids
}

/// The texts in backticks that name a vector: `file/id`, where there is a file of that name.
fn references<'a>(line: &'a str, ids: &BTreeSet<String>) -> Vec<&'a str> {
    let is_reference = |text: &&str| {
        let file = text.split_once('/').map(|(file, _)| file);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_*/".contains(&byte);
        file.is_some_and(|file| ids.iter().any(|id| id.starts_with(&format!("{file}/"))))
            && text.bytes().all(plain)
    };
    line.split('`').skip(1).step_by(2).filter(is_reference).collect()
}

fn matches(pattern: &str, id: &str) -> bool {
    match pattern.split_once('*') {
        Some((head, tail)) => {
            id.starts_with(head) && id.ends_with(tail) && id.len() >= head.len() + tail.len()
        }
        None => pattern == id,
    }
}

#[test]
fn every_must_names_a_vector_that_exists() {
    let ids = ids();
    let text = fs::read_to_string(root().join("docs/spec/sl1.md")).expect("the specification is there");
    let mut missing = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let references = references(line, &ids);
        if line.starts_with("- ") && line.contains("MUST") && references.is_empty() {
            missing.push(format!("line {number}: a MUST without a vector"));
        }
        for reference in references {
            if !ids.iter().any(|id| matches(reference, id)) {
                missing.push(format!("line {number}: no vector {reference}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

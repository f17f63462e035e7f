//! Every vector of `vectors/`, run natively.

#![expect(clippy::expect_used, reason = "a helper that fails is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};

use safelight_vectors::{Files, Vector, complaint};
use serde::Deserialize;

#[derive(Deserialize)]
struct VectorFile {
    vectors: Vec<Vector>,
}

fn listed(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let mut paths: Vec<_> = fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    paths.sort();
    paths
}

#[test]
fn every_vector_comes_out_as_the_specification_says() {
    let mut files = Files::default();
    for path in listed("data", "bin") {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        files.add(&name, fs::read(&path).expect("readable"));
    }
    let (mut count, mut complaints) = (0, Vec::new());
    for path in listed("json", "json") {
        let text = fs::read_to_string(&path).expect("readable");
        let file: VectorFile = serde_json::from_str(&text).expect("a vector file");
        for vector in &file.vectors {
            count += 1;
            complaints.extend(complaint(vector, &files));
        }
    }
    println!("{count} vectors");
    assert!(complaints.is_empty(), "{} of {count}:\n{}", complaints.len(), complaints.join("\n"));
    assert!(count >= 300, "only {count} vectors: are some missing?");
}

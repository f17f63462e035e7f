//! Time that passes for the built program: its wall clock goes ahead, and it has no part in that.
//!
//! Proofs live 30 days and marks rest as long. The program reads the clock as everything does that is linked to libc;
//! a library that is loaded before answers with a later time. Files keep the times of this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

/// By how many seconds the clock goes ahead.
pub(crate) const AHEAD: &str = "PLANTED_CLOCK_AHEAD";

const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    long failed = syscall(SYS_clock_gettime, clock, now);
    const char *ahead = getenv("PLANTED_CLOCK_AHEAD");
    if (!failed && clock == CLOCK_REALTIME && ahead) now->tv_sec += atol(ahead);
    return (int)failed;
}
"#;

/// Builds the library that goes ahead, with the compiler that linked these tests.
pub(crate) fn build(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    if !library.exists() {
        std::fs::write(&source, SOURCE).unwrap();
        let status = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status();
        assert!(status.unwrap().success(), "the clock was not built");
    }
    library
}

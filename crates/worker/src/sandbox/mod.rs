//! What holds a worker: closed descriptors, limits, and on Linux no way to files, network and programs.
//!
//! Invariant: nothing that a stranger wrote is looked at before the sandbox is entered, and what could
//! not be entered is said in the worker's hello, so that the parent decides.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
pub(crate) use linux::{close_inherited_descriptors, enter_for_decoding, enter_for_video};
#[cfg(not(target_os = "linux"))]
pub(crate) use other::{close_inherited_descriptors, enter_for_decoding, enter_for_video};

use rustix::process::{Resource, Rlimit, setrlimit};

/// Processor seconds of a worker's life; the pool replaces it well before.
const DECODE_CPU_SECONDS: u64 = 600;
/// Descriptors that ffmpeg and its loader need.
const VIDEO_DESCRIPTORS: u64 = 64;

/// Limits memory, time and files of a decoding worker.
fn limit_decoding(memory_bytes: u64) -> std::io::Result<()> {
    limit(Resource::Cpu, DECODE_CPU_SECONDS)?;
    limit_all(memory_bytes)?;
    // Its three descriptors, and never another.
    limit(Resource::Nofile, 3)
}

/// Limits memory, time and files of what is about to become ffmpeg.
fn limit_video(memory_bytes: u64, cpu_seconds: u64) -> std::io::Result<()> {
    limit(Resource::Cpu, cpu_seconds)?;
    limit(Resource::Nofile, VIDEO_DESCRIPTORS)?;
    limit_all(memory_bytes)
}

fn limit_all(memory_bytes: u64) -> std::io::Result<()> {
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    // macOS accepts a limit of the address space only above what is mapped already, which is a lot.
    if cfg!(target_os = "linux") { limit(Resource::As, memory_bytes) } else { Ok(()) }
}

fn limit(resource: Resource, value: u64) -> std::io::Result<()> {
    Ok(setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?)
}

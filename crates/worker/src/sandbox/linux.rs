//! The sandbox on Linux: no new privileges, resource limits, Landlock and a system-call filter.
//!
//! A decoding worker ends up able to compute, take memory, start threads, and use its standard streams.
//! Opening anything is refused; sockets, programs, forks and looking into other processes end it at
//! once. The filter alone closes the worker; Landlock closes the same doors a second time, and is
//! absent on kernels before 5.13. What becomes ffmpeg must load its libraries, so there Landlock is what
//! holds, and its absence is an error.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use crate::protocol::Sandbox;

/// The newest rules we know; an older kernel enforces those of them that it knows.
const LANDLOCK: ABI = ABI::V6;

/// Where programs find their libraries and loaders.
const LIBRARIES: [&str; 9] = [
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix/store",
    "/etc/ld.so.cache",
];
/// The dynamic loaders, which the kernel opens as programs.
const LOADERS: [&str; 5] = [
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-linux-riscv64-lp64d.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Closes what the parent may have leaked; Rust's own descriptors are close-on-exec, a C library's may not be.
#[expect(unsafe_code, reason = "closing descriptors by number has no safe form")]
pub(crate) fn close_inherited_descriptors() {
    // SAFETY: called first thing in the process; nothing here owns a descriptor above the standard three,
    // and the arguments are plain numbers. A kernel without the call (before 5.9) leaves them open, which
    // the filter makes harmless for anything but reading what was inherited.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32);
    }
}

pub(crate) fn enter_for_decoding(memory_bytes: u64) -> Sandbox {
    let mut missing = Vec::new();
    let mut note = |what: &str, outcome: io::Result<bool>| match outcome {
        Ok(true) => true,
        Ok(false) => {
            missing.push(format!("{what}: not known to this kernel"));
            false
        }
        Err(error) => {
            missing.push(format!("{what}: {error}"));
            false
        }
    };
    // Rules take a descriptor while they are made, so they come before the limit of descriptors.
    let landlock = note("Landlock", ruleset().and_then(restrict));
    let private = set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .and_then(|()| rustix::thread::set_no_new_privs(true))
        .map_err(io::Error::from);
    let limits = note("limits", private.and_then(|()| super::limit_decoding(memory_bytes)).map(|()| true));
    let system_calls = note("system-call filter", filter_decoding().map(|()| true));
    Sandbox { system_calls, landlock, limits, missing: (!missing.is_empty()).then(|| missing.join("; ")) }
}

/// Prepares this process to become `program`, with the video as standard input.
pub(crate) fn enter_for_video(program: &Path, memory_bytes: u64, cpu_seconds: u64) -> io::Result<()> {
    let program = program.canonicalize()?;
    rustix::thread::set_no_new_privs(true)?;
    super::limit_video(memory_bytes, cpu_seconds)?;
    let execute = AccessFs::Execute | AccessFs::ReadFile;
    let mut rules = allow(ruleset()?, &program, execute)?;
    for loader in LOADERS {
        rules = allow(rules, Path::new(loader), execute)?;
    }
    for library in LIBRARIES {
        rules = allow(rules, Path::new(library), AccessFs::ReadFile | AccessFs::ReadDir)?;
    }
    // The video alone. A memfd lies on no file system that Landlock knows: it needs no rule and takes none.
    let rules = rules.add_rule(PathBeneath::new(io::stdin().as_fd(), AccessFs::ReadFile));
    let Ok(rules) = rules else { return enter_for_sealed_video(&program, execute) };
    finish_video(rules)
}

/// The same without a rule for standard input.
fn enter_for_sealed_video(program: &Path, execute: BitFlags<AccessFs>) -> io::Result<()> {
    let mut rules = allow(ruleset()?, program, execute)?;
    for loader in LOADERS {
        rules = allow(rules, Path::new(loader), execute)?;
    }
    for library in LIBRARIES {
        rules = allow(rules, Path::new(library), AccessFs::ReadFile | AccessFs::ReadDir)?;
    }
    finish_video(rules)
}

fn finish_video(rules: RulesetCreated) -> io::Result<()> {
    if !restrict(rules)? {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "this kernel has no Landlock"));
    }
    filter_video()
}

/// Rules that forbid every use of files, TCP, and other processes' sockets and signals.
fn ruleset() -> io::Result<RulesetCreated> {
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(LANDLOCK))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(LANDLOCK)))
        .and_then(|rules| rules.scope(Scope::from_all(LANDLOCK)))
        .and_then(Ruleset::create)
        .map_err(io::Error::other)
}

/// Allows `access` to `path` and what lies beneath; a path that is not there needs no rule.
fn allow(rules: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> io::Result<RulesetCreated> {
    let Ok(opened) = PathFd::new(path) else { return Ok(rules) };
    // Access to directories means nothing for a file.
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(LANDLOCK) };
    rules.add_rule(PathBeneath::new(opened, access)).map_err(io::Error::other)
}

/// Enforces the rules from here on; whether the kernel knows Landlock at all.
fn restrict(rules: RulesetCreated) -> io::Result<bool> {
    let status = rules.restrict_self().map_err(io::Error::other)?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

/// What a decoder needs, and nothing else: everything not named is refused, and what only an intruder
/// would call ends the process.
fn filter_decoding() -> io::Result<()> {
    apply(intruders_calls(), SeccompAction::Allow, SeccompAction::KillProcess)?;
    // glibc starts threads with clone3, whose flags a filter cannot see; told that there is none, it
    // falls back to clone.
    apply(calls(&[libc::SYS_clone3]), SeccompAction::Allow, errno(libc::ENOSYS))?;
    apply(decoders_calls()?, errno(libc::EPERM), SeccompAction::Allow)
}

/// What ffmpeg must not do beyond what Landlock already refuses.
fn filter_video() -> io::Result<()> {
    apply(calls(&[libc::SYS_clone3]), SeccompAction::Allow, errno(libc::ENOSYS))?;
    let mut refused = intruders_calls();
    refused.remove(&libc::SYS_execve);
    refused.insert(
        libc::SYS_clone,
        vec![only_if(&[condition(0, SeccompCmpOp::MaskedEq(flag(libc::CLONE_THREAD)), 0)?])?],
    );
    apply(refused, SeccompAction::Allow, errno(libc::EPERM))
}

fn intruders_calls() -> Rules {
    let mut rules = calls(&[
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_socket,
        libc::SYS_socketpair,
        libc::SYS_connect,
        libc::SYS_bind,
        libc::SYS_listen,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_open,
        libc::SYS_pidfd_getfd,
        libc::SYS_open_by_handle_at,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_io_uring_setup,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_kexec_load,
        libc::SYS_memfd_create,
    ]);
    #[cfg(target_arch = "x86_64")]
    rules.extend(calls(&[libc::SYS_fork, libc::SYS_vfork]));
    rules
}

fn decoders_calls() -> io::Result<Rules> {
    let mut rules = calls(&[
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_readv,
        libc::SYS_writev,
        libc::SYS_ppoll,
        libc::SYS_brk,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_futex,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_nanosleep,
        libc::SYS_clock_nanosleep,
        libc::SYS_clock_gettime,
        libc::SYS_clock_getres,
        libc::SYS_gettimeofday,
        libc::SYS_getrusage,
        libc::SYS_getrandom,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_rt_sigreturn,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigaction,
        libc::SYS_sigaltstack,
        libc::SYS_restart_syscall,
        libc::SYS_set_robust_list,
        libc::SYS_rseq,
        libc::SYS_membarrier,
        libc::SYS_exit,
        libc::SYS_exit_group,
        // Answered by the filter above.
        libc::SYS_clone3,
    ]);
    #[cfg(target_arch = "x86_64")]
    rules.extend(calls(&[libc::SYS_poll]));
    // Memory, but never executable memory.
    let not_executable = only_if(&[condition(2, SeccompCmpOp::MaskedEq(flag(libc::PROT_EXEC)), 0)?])?;
    rules.insert(libc::SYS_mmap, vec![not_executable.clone()]);
    rules.insert(libc::SYS_mprotect, vec![not_executable]);
    // Threads, but never processes.
    let thread = flag(libc::CLONE_THREAD);
    rules.insert(libc::SYS_clone, vec![only_if(&[condition(0, SeccompCmpOp::MaskedEq(thread), thread)?])?]);
    // abort() signals itself, nobody else.
    let own = u64::try_from(rustix::process::getpid().as_raw_nonzero().get()).map_err(io::Error::other)?;
    rules.insert(libc::SYS_tgkill, vec![only_if(&[condition(0, SeccompCmpOp::Eq, own)?])?]);
    Ok(rules)
}

fn calls(numbers: &[i64]) -> Rules {
    numbers.iter().map(|&number| (number, Vec::new())).collect()
}

fn errno(number: i32) -> SeccompAction {
    SeccompAction::Errno(number.unsigned_abs())
}

fn flag(bits: i32) -> u64 {
    u64::from(bits.unsigned_abs())
}

fn condition(argument: u8, operator: SeccompCmpOp, value: u64) -> io::Result<SeccompCondition> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value).map_err(io::Error::other)
}

fn only_if(conditions: &[SeccompCondition]) -> io::Result<SeccompRule> {
    SeccompRule::new(conditions.to_vec()).map_err(io::Error::other)
}

fn apply(rules: Rules, otherwise: SeccompAction, matched: SeccompAction) -> io::Result<()> {
    let architecture = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    let program: BpfProgram = SeccompFilter::new(rules, otherwise, matched, architecture)
        .and_then(TryInto::try_into)
        .map_err(io::Error::other)?;
    seccompiler::apply_filter(&program).map_err(io::Error::other)
}

//! The agent as a process of its own: it takes the key through a pipe, outlives whoever started it, does not show
//! the key to anybody, and ends by itself. Without a test harness, because this program must also be able to
//! play the hidden command.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use safelight_crypto::{LibraryId, SeededEntropy, UnlockKey};
use safelight_library::unlock::agent::{self, Address, Memory};

/// The hidden command.
const CHILD: &str = "play-the-agent";
/// The hidden command's caller, which ends at once.
const CALLER: &str = "start-one-and-end";

fn main() {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.first().and_then(|first| first.to_str()) {
        Some(CHILD) => agent::serve_child().expect("serves"),
        Some(CALLER) => start(&memory(Path::new(&arguments[1]), Duration::from_secs(60))),
        // `cargo test -- --list` and filters for other tests.
        Some("--list") => {}
        _ => {
            an_agent_outlives_its_caller_and_keeps_the_key_to_itself();
            an_agent_ends_by_itself();
            println!("test result: ok. 2 passed; 0 failed");
        }
    }
}

fn memory(folder: &Path, lifetime: Duration) -> Memory {
    let address = Address::new(folder, LibraryId::from_bytes([5; 20]));
    Memory {
        address,
        key: UnlockKey::generate(&mut SeededEntropy::new(5)),
        lifetime,
        leash: agent::Leash::default(),
    }
}

fn program() -> PathBuf {
    std::env::current_exe().expect("known")
}

fn start(memory: &Memory) {
    agent::start(&program(), &[CHILD.into()], memory).expect("starts");
}

fn an_agent_outlives_its_caller_and_keeps_the_key_to_itself() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let folder = temporary.path().join("agents");
    let begin = Instant::now();
    let caller = std::process::Command::new(program()).arg(CALLER).arg(&folder).status().expect("runs");
    assert!(caller.success());
    println!("starting an agent took {:?}", begin.elapsed());
    let memory = memory(&folder, Duration::from_secs(60));
    let key = agent::fetch(&memory.address).expect("asks").expect("it lives on");
    assert_eq!(key.as_bytes(), memory.key.as_bytes());

    if cfg!(target_os = "linux") {
        let id = agent_process();
        let proc = PathBuf::from(format!("/proc/{id}"));
        let environment = std::fs::read(proc.join("environ")).unwrap_or_default();
        assert!(environment.is_empty(), "it has no environment");
        let arguments = std::fs::read(proc.join("cmdline")).expect("reads");
        assert!(arguments.ends_with(format!("{CHILD}\0").as_bytes()), "no key in its arguments");
        let limits = std::fs::read_to_string(proc.join("limits")).expect("reads");
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("there is one");
        assert!(core.split_ascii_whitespace().nth(4) == Some("0"), "it dumps no core: {core}");
        let status = std::fs::read_to_string(proc.join("stat")).expect("reads");
        let session = status.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(3));
        assert_eq!(session, Some(id.to_string().as_str()), "it leads a session of its own");
        assert_eq!(std::fs::read_link(proc.join("cwd")).expect("reads"), Path::new("/"));
    }

    // A second start hands the key over instead.
    start(&Memory { lifetime: Duration::from_secs(5_000), ..memory });
    let address = Address::new(&folder, LibraryId::from_bytes([5; 20]));
    assert!(agent::remaining(&address).expect("asks").expect("lives") > Duration::from_secs(1_000));
    assert!(agent::lock(&address).expect("locks"));
    wait_until(|| std::fs::read_dir(&folder).expect("lists").count() == 0);
    println!("test an_agent_outlives_its_caller_and_keeps_the_key_to_itself ... ok");
}

fn an_agent_ends_by_itself() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let folder = temporary.path().join("agents");
    let memory = memory(&folder, Duration::from_secs(1));
    start(&memory);
    wait_until(|| agent::fetch(&memory.address).expect("asks").is_none());
    wait_until(|| std::fs::read_dir(&folder).expect("lists").count() == 0);
    println!("test an_agent_ends_by_itself ... ok");
}

/// The one process that runs this program as the agent.
fn agent_process() -> u32 {
    let own = program();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("lists") {
        let entry = entry.expect("lists");
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let is_agent = arguments.split(|byte| *byte == 0).any(|argument| argument == CHILD.as_bytes());
        if is_agent && std::fs::read_link(entry.path().join("exe")).is_ok_and(|program| program == own) {
            found.push(id);
        }
    }
    match found.as_slice() {
        [one] => *one,
        others => panic!("{} agents are found", others.len()),
    }
}

fn wait_until(mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it takes too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

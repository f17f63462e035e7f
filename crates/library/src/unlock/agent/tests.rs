use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Instant;

use safelight_crypto::SeededEntropy;

use super::*;
use crate::unlock::UnlockError;

fn key(seed: u64) -> UnlockKey {
    UnlockKey::generate(&mut SeededEntropy::new(seed))
}

fn memory(folder: &Path, library: u8, lifetime: Duration) -> Memory {
    let address = Address::new(folder, LibraryId::from_bytes([library; 20]));
    Memory { address, key: key(library.into()), lifetime, leash: Leash::default() }
}

/// Starts an agent on a thread and waits until it answers.
fn spawn(memory: Memory) -> JoinHandle<Result<(), UnlockError>> {
    let (sender, ready) = mpsc::channel();
    let agent = std::thread::spawn(move || {
        serve(memory, || {
            sender.send(()).map_err(std::io::Error::other)?;
            Ok(())
        })
    });
    ready.recv().expect("becomes ready");
    agent
}

fn is_key_of(found: Option<&UnlockKey>, seed: u64) -> bool {
    found.is_some_and(|found| found.as_bytes() == key(seed).as_bytes())
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn an_agent_gives_the_key_until_it_is_locked() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let folder = temporary.path().join("agents");
    let memory = memory(&folder, 1, HOUR);
    let address = memory.address.clone();
    assert!(fetch(&address).expect("asks").is_none());
    let agent = spawn(memory);
    assert!(is_key_of(fetch(&address).expect("asks").as_ref(), 1));
    let left = remaining(&address).expect("asks").expect("lives");
    assert!(left <= HOUR && left > HOUR - Duration::from_secs(60), "{left:?}");
    let mode = |path: &Path| std::fs::metadata(path).expect("stats").permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&address.socket())), (0o700, 0o600));

    assert!(lock(&address).expect("locks"));
    agent.join().expect("joins").expect("ends well");
    assert!(fetch(&address).expect("asks").is_none());
    assert!(!lock(&address).expect("asks"), "there is none any more");
    assert_eq!(std::fs::read_dir(&folder).expect("lists").count(), 0, "nothing stays behind");
}

#[test]
fn an_agent_forgets_when_its_time_is_over() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let folder = temporary.path().join("agents");
    let memory = memory(&folder, 1, Duration::from_millis(300));
    let address = memory.address.clone();
    let agent = spawn(memory);
    agent.join().expect("joins").expect("ends well");
    assert!(fetch(&address).expect("asks").is_none());
    assert_eq!(std::fs::read_dir(&folder).expect("lists").count(), 0);
}

#[test]
fn an_agent_started_twice_lives_once_and_takes_the_newer_key() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let folder = temporary.path().join("agents");
    let first = spawn(memory(&folder, 1, Duration::from_secs(30)));
    let mut second = memory(&folder, 1, HOUR);
    second.key = key(99);
    let address = second.address.clone();
    spawn(second).join().expect("joins").expect("hands over and returns");
    assert!(is_key_of(fetch(&address).expect("asks").as_ref(), 99));
    assert!(remaining(&address).expect("asks").expect("lives") > Duration::from_secs(60));
    assert!(lock(&address).expect("locks"));
    first.join().expect("joins").expect("ends well");
}

#[test]
fn many_agents_started_at_once_leave_one_that_answers() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let folder = temporary.path().join("agents");
    let address = memory(&folder, 1, HOUR).address;
    let agents: Vec<_> = (0..6)
        .map(|_| {
            let memory = memory(&folder, 1, HOUR);
            std::thread::spawn(move || serve(memory, || Ok(())))
        })
        .collect();
    let start = Instant::now();
    while fetch(&address).expect("asks").is_none() {
        assert!(start.elapsed() < Duration::from_secs(10), "nobody answers");
    }
    while agents.iter().filter(|agent| !agent.is_finished()).count() > 1 {
        assert!(start.elapsed() < Duration::from_secs(10), "more than one lives");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(lock(&address).expect("locks"));
    for agent in agents {
        agent.join().expect("joins").expect("ends well");
    }
}

#[test]
fn locking_all_reaches_every_library_and_removes_dead_sockets() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let folder = temporary.path().join("agents");
    let agents = [spawn(memory(&folder, 1, HOUR)), spawn(memory(&folder, 2, HOUR))];
    let dead = Address::new(&folder, LibraryId::from_bytes([3; 20])).socket();
    drop(std::os::unix::net::UnixListener::bind(&dead).expect("binds"));
    assert!(dead.exists());
    assert_eq!(lock_all(&folder).expect("locks"), 2);
    for agent in agents {
        agent.join().expect("joins").expect("ends well");
    }
    assert_eq!(std::fs::read_dir(&folder).expect("lists").count(), 0);
    assert_eq!(lock_all(&temporary.path().join("missing")).expect("asks"), 0);
}

#[test]
fn a_dead_agents_socket_is_taken_over() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let folder = temporary.path().join("agents");
    let memory = memory(&folder, 1, HOUR);
    let address = memory.address.clone();
    socket::prepare_folder(&folder).expect("makes");
    drop(std::os::unix::net::UnixListener::bind(address.socket()).expect("binds"));
    std::fs::write(address.lock_file(), b"").expect("writes");
    let agent = spawn(memory);
    assert!(is_key_of(fetch(&address).expect("asks").as_ref(), 1));
    assert!(lock(&address).expect("locks"));
    agent.join().expect("joins").expect("ends well");
}

#[test]
fn a_folder_that_others_may_enter_is_refused() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let open = temporary.path().join("open");
    std::fs::create_dir(&open).expect("creates");
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).expect("sets");
    let link = temporary.path().join("link");
    std::os::unix::fs::symlink(&open, &link).expect("links");
    for folder in [&open, &link] {
        let memory = memory(folder, 1, HOUR);
        assert!(matches!(fetch(&memory.address), Err(UnlockError::AgentFolder { .. })));
        assert!(matches!(store(&memory), Err(UnlockError::AgentFolder { .. })));
        assert!(matches!(serve(memory, || Ok(())), Err(UnlockError::AgentFolder { .. })));
    }
}

#[test]
fn a_path_too_long_for_a_socket_still_works() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let folder = temporary.path().join("long/".repeat(40)).join("agents");
    let memory = memory(&folder, 1, HOUR);
    let address = memory.address.clone();
    assert!(address.socket().as_os_str().len() > 200);
    if !cfg!(target_os = "linux") {
        println!("skipped: only Linux reaches sockets under long paths");
        return;
    }
    let agent = spawn(memory);
    assert!(is_key_of(fetch(&address).expect("asks").as_ref(), 1));
    assert!(lock(&address).expect("locks"));
    agent.join().expect("joins").expect("ends well");
}

#[test]
fn callers_that_talk_nonsense_or_nothing_do_not_stop_the_agent() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let memory = memory(&temporary.path().join("agents"), 1, HOUR);
    let address = memory.address.clone();
    let agent = spawn(memory);
    let mut nonsense = UnixStream::connect(address.socket()).expect("connects");
    nonsense.write_all(&[0xff; 44]).expect("writes");
    let mut answer = Vec::new();
    nonsense.read_to_end(&mut answer).expect("reads");
    assert!(answer.is_empty(), "nonsense gets no answer");
    let silent: Vec<_> = (0..70).map(|_| UnixStream::connect(address.socket()).expect("connects")).collect();
    assert!(is_key_of(fetch(&address).expect("asks").as_ref(), 1), "the next caller is answered");
    drop(silent);
    let mut question = UnixStream::connect(address.socket()).expect("connects");
    message::Frame::new(message::Word::Done).write(&mut question).expect("writes");
    let answer = message::Frame::read(&mut question).expect("reads");
    assert_eq!((answer.word, *answer.key), (message::Word::Refused, [0; 32]));
    assert!(lock(&address).expect("locks"));
    agent.join().expect("joins").expect("ends well");
}

#[test]
fn asking_an_agent_costs_less_than_five_milliseconds() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let memory = memory(&temporary.path().join("agents"), 1, HOUR);
    let address = memory.address.clone();
    let agent = spawn(memory);
    let mut times: Vec<Duration> = (0..50)
        .map(|_| {
            let start = Instant::now();
            assert!(fetch(&address).expect("asks").is_some());
            start.elapsed()
        })
        .collect();
    times.sort();
    println!("asking the agent: median {:?}, slowest {:?}", times[25], times[49]);
    assert!(times[10] < Duration::from_millis(5), "{times:?}");
    assert!(lock(&address).expect("locks"));
    agent.join().expect("joins").expect("ends well");
}

#[test]
fn a_program_that_does_not_become_an_agent_is_an_error() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let memory = memory(&temporary.path().join("agents"), 1, HOUR);
    for program in ["/bin/true", "/nonexistent/program"] {
        let error = start(Path::new(program), &[], &memory).expect_err("it serves nothing");
        assert!(matches!(error, UnlockError::Agent { action: "start", .. }), "{error}");
    }
}

#[test]
fn an_agent_that_nobody_asks_forgets_and_one_that_is_asked_does_not() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let folder = temporary.path().join("agents");
    let idle = Some(Duration::from_secs(2));
    let memory = Memory { leash: Leash { idle, through_sleep: false }, ..memory(&folder, 1, HOUR) };
    let address = memory.address.clone();
    let agent = spawn(memory);
    for _ in 0..6 {
        std::thread::sleep(Duration::from_millis(500));
        assert!(fetch(&address).expect("asks").is_some(), "it was asked in time");
    }
    // Asking how long it still remembers is not asking for the key.
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(remaining(&address).expect("asks").is_some());
    agent.join().expect("joins").expect("ends well");
    assert!(fetch(&address).expect("asks").is_none());
}

#[test]
fn a_replaced_key_is_remembered_for_what_is_left() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let folder = temporary.path().join("agents");
    let memory = memory(&folder, 1, HOUR);
    let address = memory.address.clone();
    assert!(!replace(&address, &key(9)).expect("asks"), "there is none yet");
    let agent = spawn(memory);
    assert!(replace(&address, &key(9)).expect("asks"));
    assert!(is_key_of(fetch(&address).expect("asks").as_ref(), 9));
    assert!(remaining(&address).expect("asks").is_some_and(|left| left <= HOUR));
    assert!(lock(&address).expect("locks"));
    agent.join().expect("joins").expect("ends well");
}

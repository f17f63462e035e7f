//! The agent's own life: bind, answer, forget.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::message::{Frame, Word};
use super::socket::{bind, prepare, prepare_folder};
use super::term::{Clocks, Term};
use super::{Address, Memory, store};
use crate::flock::{self, Answer, Ask};
use crate::unlock::UnlockError;
use crate::unlock::secret::{LockedBytes, forbid_core_dumps};

/// How often a sleeping machine's clock is looked at.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// How long a caller may be silent.
const CALLER_PATIENCE: Duration = Duration::from_secs(5);
/// How many callers may be silent at once; for another one the oldest is dropped.
const MOST_CALLERS: usize = 64;
/// How often a start is tried while another agent is just ending.
const STARTS: u32 = 20;

/// Remembers a key until its time is over or somebody locks it. Calls `ready` once it can be asked.
///
/// If an agent for this library lives already, that one gets the key and this call returns at once.
///
/// # Errors
/// [`UnlockError::AgentFolder`], [`UnlockError::Agent`].
pub fn serve(memory: Memory, ready: impl FnOnce() -> io::Result<()>) -> Result<(), UnlockError> {
    forbid_core_dumps();
    prepare_folder(memory.address.folder())?;
    let fail = |source| UnlockError::Agent { action: "start", source };
    let mut ready = Some(ready);
    for _ in 0..STARTS {
        if let Some(lock) = take_lock(&memory.address).map_err(fail)? {
            return Agent::start(memory, lock, ready.take())?.run();
        }
        if store(&memory)? {
            return ready.take().map_or(Ok(()), |ready| ready()).map_err(fail);
        }
        // The other one is starting or ending.
        std::thread::sleep(Duration::from_millis(25));
    }
    Err(fail(io::ErrorKind::WouldBlock.into()))
}

/// Takes the lock that says that a library's agent lives; `None` when another has it.
fn take_lock(address: &Address) -> io::Result<Option<File>> {
    let no_link = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    loop {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(no_link)
            .open(address.lock_file())?;
        if flock::lock(&file, Ask::AloneNow)? == Answer::Taken {
            return Ok(None);
        }
        // The agent before may have removed the name between our opening and locking.
        if rustix::fs::fstat(&file)?.st_nlink > 0 {
            return Ok(Some(file));
        }
    }
}

struct Agent {
    address: Address,
    listener: UnixListener,
    /// Callers that have not said anything yet, with when they came.
    callers: Vec<(UnixStream, Duration)>,
    key: LockedBytes,
    /// When to forget.
    term: Term,
    /// Held until the socket is removed.
    _lock: File,
}

impl Agent {
    fn start<Ready: FnOnce() -> io::Result<()>>(
        memory: Memory,
        lock: File,
        ready: Option<Ready>,
    ) -> Result<Self, UnlockError> {
        let fail = |source| UnlockError::Agent { action: "start", source };
        let socket = memory.address.socket();
        // We hold the lock, so a socket that is there is a dead agent's.
        match std::fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
            _ => {}
        }
        let listener = bind(&socket).map_err(fail)?;
        let agent = Self {
            key: LockedBytes::new(memory.key.as_bytes()),
            term: Term::begin(memory.lifetime, memory.leash, Clocks::now()),
            address: memory.address,
            listener,
            callers: Vec::new(),
            _lock: lock,
        };
        ready.map_or(Ok(()), |ready| ready()).map_err(fail)?;
        Ok(agent)
    }

    fn run(mut self) -> Result<(), UnlockError> {
        let fail = |source| UnlockError::Agent { action: "keep", source };
        while let Some(left) = self.term.left(Clocks::now()) {
            for mut caller in self.wait(left.min(LONGEST_WAIT)).map_err(fail)? {
                // The machine may have slept since: whoever asks first is not to get what should be forgotten.
                if self.term.left(Clocks::now()).is_none() {
                    return Ok(());
                }
                // Whoever asks wrongly gets nothing, and the agent lives on.
                if self.answer(&mut caller).is_ok_and(|word| word == Word::Lock) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Waits for callers, and returns those that have said something. One that connects and is silent holds up
    /// nobody else, and is dropped after a while.
    fn wait(&mut self, longest: Duration) -> io::Result<Vec<UnixStream>> {
        let longest = if self.callers.is_empty() { longest } else { longest.min(CALLER_PATIENCE) };
        let longest = Timespec::try_from(longest).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        let mut watched = vec![PollFd::new(&self.listener, PollFlags::IN)];
        watched.extend(self.callers.iter().map(|(caller, _)| PollFd::new(caller, PollFlags::IN)));
        match poll(&mut watched, Some(&longest)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let speaks: Vec<bool> = watched.iter().skip(1).map(|caller| !caller.revents().is_empty()).collect();
        drop(watched);

        let (now, mut ready, mut silent) = (Clocks::now().all, Vec::new(), Vec::new());
        for ((caller, since), speaks) in self.callers.drain(..).zip(speaks) {
            if speaks {
                ready.push(caller);
            } else if now.saturating_sub(since) < CALLER_PATIENCE {
                silent.push((caller, since));
            }
        }
        self.callers = silent;
        self.accept(now);
        Ok(ready)
    }

    fn accept(&mut self, now: Duration) {
        loop {
            match self.listener.accept().and_then(|(caller, _)| {
                prepare(&caller)?;
                caller.set_nonblocking(true)?;
                Ok(caller)
            }) {
                Ok(caller) => {
                    if self.callers.len() == MOST_CALLERS {
                        self.callers.remove(0);
                    }
                    self.callers.push((caller, now));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // One caller's failure (it hung up, or is another user) is not the agent's end.
                Err(error) => {
                    tracing::debug!(%error, "a caller was turned away");
                    return;
                }
            }
        }
    }

    /// Answers one question. A frame is small enough to arrive whole, so a part of one is nonsense.
    fn answer(&mut self, caller: &mut UnixStream) -> io::Result<Word> {
        let question = Frame::read(caller)?;
        let mut answer = Frame::new(Word::Done);
        match question.word {
            Word::Fetch => {
                answer.key.copy_from_slice(self.key.as_bytes());
                self.term.note_asked(Clocks::now());
            }
            Word::Remaining => answer.seconds = self.term.remaining(Clocks::now()).as_secs(),
            Word::Store => {
                self.key = LockedBytes::new(&*question.key);
                let lifetime = Duration::from_secs(question.seconds);
                self.term = Term::begin(lifetime, question.leash, Clocks::now());
            }
            Word::Replace => self.key = LockedBytes::new(&*question.key),
            Word::Lock => self.remove_socket(),
            Word::Done | Word::Refused => answer = Frame::new(Word::Refused),
        }
        answer.write(caller)?;
        Ok(question.word)
    }

    /// The socket goes first, so that nobody who is told "locked" finds it again.
    fn remove_socket(&self) {
        for path in [self.address.socket(), self.address.lock_file()] {
            if let Err(error) = std::fs::remove_file(path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::debug!(%error, "a file of the agent stays behind");
            }
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.remove_socket();
    }
}

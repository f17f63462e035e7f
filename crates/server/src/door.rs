//! The library behind the server: open while the keys are in memory, and shut when nobody has asked for a while.
//!
//! [`Library`] is synchronous and is used by one thread at a time. So a few are open at once: readers, each of which
//! sees what was committed last, and one writer, as if they were programs of their own; SQLite keeps their
//! transactions apart, as it does with an `import` in another terminal. They work on threads that may block, and a
//! request waits for its turn without holding one (docs/decisions/the-gallery-s-server.md).
//!
//! Invariant: once the door is shut no request gets a library, and with the last request or work that has one the keys are
//! gone.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use safelight_library::folder::LibraryFolder;
use safelight_library::keys::UnlockedKeys;
use safelight_library::{Library, LibraryError, LibraryOptions, Moment, PictureKind, Surroundings};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use crate::ServeOptions;
use crate::bringing::Bringing;
use crate::failure::{Answer, Failure};
use crate::gallery::held;
use crate::guesses::{Guesses, WayIn, opens_nothing, too_many};
use crate::hidden::Hidden;
use crate::idle::Idle;

/// The word for what cannot be done while the past is shown.
const LOOKING_BACK: &str = "looking-back";
/// Requests that read at the same time. Each reader may keep 56 MiB of pages in memory.
const READERS: usize = 2;
/// So long work that needs the folder alone waits for those who have the library in use.
const KEEP_OUT_PATIENCE: Duration = Duration::from_secs(8);

/// What the server makes or joins a library with, where there is none yet.
#[derive(Debug)]
pub struct Empty {
    /// The folder that it will lie in.
    pub path: PathBuf,
    /// How it is opened then.
    pub options: LibraryOptions,
    /// What connecting to remotes takes from the environment.
    pub surroundings: Surroundings,
}

/// What the server opens the library with.
#[derive(Debug)]
pub struct Opened {
    /// Its folder.
    pub folder: LibraryFolder,
    /// Its keys.
    pub keys: UnlockedKeys,
    /// How it is opened.
    pub options: LibraryOptions,
    /// What connecting to remotes takes from the environment.
    pub surroundings: Surroundings,
}

/// Where the library lies, or will.
enum House {
    Empty(PathBuf),
    Lived(LibraryFolder),
}

pub(crate) struct Door {
    house: RwLock<House>,
    options: LibraryOptions,
    surroundings: Surroundings,
    rooms: RwLock<Option<Arc<Rooms>>>,
    begun: Instant,
    /// When somebody asked last, in milliseconds since `begun`.
    touched: AtomicU64,
    idle: Idle,
    guesses: Arc<tokio::sync::Mutex<Guesses>>,
    /// Whether hidden photos are told.
    hidden: Arc<Hidden>,
    /// Whether remotes are asked for pictures.
    bringing: Arc<Bringing>,
}

/// Open libraries that nobody uses at the moment, and the right to use one.
struct Bench {
    idle: Mutex<Vec<Library>>,
    seats: Arc<Semaphore>,
}

struct Rooms {
    folder: LibraryFolder,
    keys: UnlockedKeys,
    options: LibraryOptions,
    /// The moment that is looked back at; then nothing is changed but by what was.
    moment: Option<Moment>,
    readers: Bench,
    writer: Bench,
    fetcher: Bench,
    bringer: Bench,
    surveyor: Bench,
    forerunner: Bench,
    worker: Bench,
    inviter: Bench,
}

/// What one is opened for: to look at it, to change it, for what waits for a remote, for a picture that is brought from one,
/// for what looks at every file (these must hold nobody up), for what will be asked for soon, for work that takes long, or for letting a device in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Read,
    Change,
    Fetch,
    Bring,
    Survey,
    Ahead,
    Work,
    Invite,
    /// To change it by what it was, which is done while the past is looked at.
    Restore,
}

impl Bench {
    fn with(seats: usize) -> Self {
        Self { idle: Mutex::default(), seats: Arc::new(Semaphore::new(seats)) }
    }
}

impl Rooms {
    fn of(
        folder: LibraryFolder,
        keys: UnlockedKeys,
        options: LibraryOptions,
        moment: Option<Moment>,
    ) -> Self {
        Self {
            folder,
            keys,
            options,
            readers: Bench::with(Self::reading_seats(moment.as_ref())),
            moment,
            writer: Bench::with(1),
            fetcher: Bench::with(1),
            bringer: Bench::with(1),
            surveyor: Bench::with(1),
            forerunner: Bench::with(1),
            worker: Bench::with(1),
            inviter: Bench::with(1),
        }
    }

    /// The same library at another moment, which is folded when this returns.
    fn at(&self, moment: Option<Moment>) -> Result<Self, LibraryError> {
        let rooms = Self::of(self.folder.clone(), self.keys.clone(), self.options.clone(), moment);
        let library = rooms.take(Purpose::Read)?;
        held(&rooms.readers.idle).push(library);
        Ok(rooms)
    }

    fn bench(&self, purpose: Purpose) -> &Bench {
        match purpose {
            Purpose::Read => &self.readers,
            Purpose::Change | Purpose::Restore => &self.writer,
            Purpose::Fetch => &self.fetcher,
            Purpose::Bring => &self.bringer,
            Purpose::Survey => &self.surveyor,
            Purpose::Ahead => &self.forerunner,
            Purpose::Work => &self.worker,
            Purpose::Invite => &self.inviter,
        }
    }

    fn take(&self, purpose: Purpose) -> Result<Library, LibraryError> {
        let idle = held(&self.bench(purpose).idle).pop();
        if let Some(library) = idle.filter(|library| purpose == Purpose::Read || library.is_same_device()) {
            return Ok(library);
        }
        let (folder, keys) = (self.folder.clone(), self.keys.clone());
        match (purpose, &self.moment) {
            (Purpose::Read | Purpose::Ahead, Some(moment)) => {
                Library::open_as_it_was_to_show(folder, keys, &self.options, moment)
            }
            (Purpose::Read | Purpose::Ahead, None) => Library::open_to_read(folder, keys, &self.options),
            (
                Purpose::Change
                | Purpose::Fetch
                | Purpose::Bring
                | Purpose::Survey
                | Purpose::Work
                | Purpose::Invite
                | Purpose::Restore,
                _,
            ) => Library::open(folder, keys, &self.options),
        }
    }

    /// Closes the libraries that nobody uses at the moment.
    fn close_unused(&self) {
        for bench in [
            &self.readers,
            &self.writer,
            &self.fetcher,
            &self.bringer,
            &self.surveyor,
            &self.forerunner,
            &self.worker,
            &self.inviter,
        ] {
            held(&bench.idle).drain(..).for_each(close);
        }
    }

    /// Takes every seat but that of long work. Those who sit longest are waited for first, so that pages wait least.
    async fn take_seats(&self, taken: &mut Vec<OwnedSemaphorePermit>) {
        for (bench, seats) in [
            (&self.inviter, 1),
            (&self.surveyor, 1),
            (&self.fetcher, 1),
            (&self.bringer, 1),
            (&self.forerunner, 1),
            (&self.writer, 1),
            (&self.readers, Self::reading_seats(self.moment.as_ref())),
        ] {
            for _ in 0..seats {
                // They are never closed.
                taken.extend(Arc::clone(&bench.seats).acquire_owned().await.ok());
            }
        }
    }

    /// Of the past there is one library.
    fn reading_seats(moment: Option<&Moment>) -> usize {
        if moment.is_some() { 1 } else { READERS }
    }

    /// What is used for a purpose, or why it cannot be had: of the past there is one library, for whoever looks.
    fn admit(&self, purpose: Purpose) -> Answer<Purpose> {
        match (purpose, &self.moment) {
            (Purpose::Read | Purpose::Ahead, Some(_)) => Ok(Purpose::Read),
            (Purpose::Restore, _) | (_, None) => Ok(purpose),
            (_, Some(_)) => Err(looking_back()),
        }
    }
}

fn close(library: Library) {
    if let Err(error) = library.close() {
        tracing::warn!(%error, "the library could not be closed as it should");
    }
}

impl Drop for Rooms {
    fn drop(&mut self) {
        self.close_unused();
    }
}

impl Door {
    pub(crate) fn open(opened: Opened, serving: &ServeOptions) -> Self {
        let Opened { folder, keys, options, surroundings } = opened;
        let empty = Empty { path: folder.path().to_owned(), options, surroundings };
        let door = Self::before(empty, serving);
        door.move_in(folder, keys);
        door
    }

    /// A door behind which no library is yet.
    pub(crate) fn before(empty: Empty, serving: &ServeOptions) -> Self {
        let Empty { path, options, surroundings } = empty;
        Self {
            house: RwLock::new(House::Empty(path)),
            options,
            surroundings,
            rooms: RwLock::new(None),
            begun: Instant::now(),
            touched: AtomicU64::new(0),
            idle: Idle::told(serving.idle),
            guesses: Arc::default(),
            hidden: Arc::new(Hidden::closed(serving.hidden_idle)),
            bringing: Arc::default(),
        }
    }

    /// A library is there from now on, and open.
    pub(crate) fn move_in(&self, folder: LibraryFolder, keys: UnlockedKeys) {
        *self.house.write().unwrap_or_else(PoisonError::into_inner) = House::Lived(folder.clone());
        self.let_in(folder, keys);
    }

    fn let_in(&self, folder: LibraryFolder, keys: UnlockedKeys) {
        *self.rooms.write().unwrap_or_else(PoisonError::into_inner) =
            Some(Arc::new(Rooms::of(folder, keys, self.options.clone(), None)));
        self.touch();
    }

    /// From now on the library is shown as it was at a moment, or as it is. Answers only once that is folded.
    pub(crate) async fn look_at(&self, moment: Option<Moment>) -> Answer<()> {
        let before = self.rooms().ok_or_else(|| self.closed())?;
        let opening = Arc::clone(&before);
        let opened = tokio::task::spawn_blocking(move || opening.at(moment));
        let rooms = opened.await.map_err(|_| Failure::broken())??;
        let mut now = self.rooms.write().unwrap_or_else(PoisonError::into_inner);
        // It may have been shut meanwhile, or somebody looks at another moment.
        if !now.as_ref().is_some_and(|now| Arc::ptr_eq(now, &before)) {
            return Err(Failure::locked());
        }
        *now = Some(Arc::new(rooms));
        Ok(())
    }

    /// The same before anything is served.
    pub(crate) fn look_back(&self, moment: &Moment) -> Result<(), LibraryError> {
        let Some(before) = self.rooms() else {
            let reason = "there is no library yet, and nothing to look back at".to_owned();
            return Err(LibraryError::Refused { reason, hint: "leave --at out".into() });
        };
        let rooms = before.at(Some(moment.clone()))?;
        *self.rooms.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(rooms));
        Ok(())
    }

    /// The moment that is looked back at.
    pub(crate) fn moment(&self) -> Option<Moment> {
        self.rooms()?.moment.clone()
    }

    /// Keeps everybody but long work out until what it answers is dropped, and closes the libraries that nobody uses then: for
    /// work that needs the folder alone. Waits some seconds for those who have one in use; whoever has one for longer keeps it.
    /// For a thread that may block.
    pub(crate) fn keep_out(&self) -> Vec<OwnedSemaphorePermit> {
        let Some(rooms) = self.rooms() else { return Vec::new() };
        let mut seats = Vec::new();
        let all = tokio::time::timeout(KEEP_OUT_PATIENCE, rooms.take_seats(&mut seats));
        if tokio::runtime::Handle::current().block_on(all).is_err() {
            tracing::debug!("the library is in use for longer than work that needs it alone waits");
        }
        rooms.close_unused();
        seats
    }

    fn rooms(&self) -> Option<Arc<Rooms>> {
        self.rooms.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Somebody asked for something: the time until the door shuts begins anew. What is answered unasked changes nothing.
    pub(crate) fn touch(&self) {
        if !is_asked() {
            return;
        }
        let millis = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.touched.fetch_max(millis, Ordering::Relaxed);
    }

    /// How long nobody has asked for anything.
    fn unused(&self) -> Duration {
        self.begun.elapsed().saturating_sub(Duration::from_millis(self.touched.load(Ordering::Relaxed)))
    }

    /// Whether there is a library whose keys are not in memory.
    pub(crate) fn is_locked(&self) -> bool {
        self.folder().is_some() && self.rooms.read().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// The library's folder; none before there is a library.
    pub(crate) fn folder(&self) -> Option<LibraryFolder> {
        match &*self.house.read().unwrap_or_else(PoisonError::into_inner) {
            House::Empty(_) => None,
            House::Lived(folder) => Some(folder.clone()),
        }
    }

    /// Where the library lies, or will.
    pub(crate) fn path(&self) -> PathBuf {
        match &*self.house.read().unwrap_or_else(PoisonError::into_inner) {
            House::Empty(path) => path.clone(),
            House::Lived(folder) => folder.path().to_owned(),
        }
    }

    /// How the library is opened, or will be.
    pub(crate) fn options(&self) -> &LibraryOptions {
        &self.options
    }

    /// Refuses whoever needs an open library where there is none.
    pub(crate) fn require_open(&self) -> Answer<()> {
        match self.rooms.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(_) => Ok(()),
            None => Err(self.closed()),
        }
    }

    /// Why there is no open library.
    fn closed(&self) -> Failure {
        if self.folder().is_some() { Failure::locked() } else { Failure::no_library() }
    }

    /// What connecting to remotes, and completing paths, takes from the environment.
    pub(crate) fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// Whether hidden photos are told.
    pub(crate) fn hidden(&self) -> &Hidden {
        &self.hidden
    }

    /// Shuts the door. Answers whether it was open.
    pub(crate) fn lock(&self) -> bool {
        let mut door = self.rooms.write().unwrap_or_else(PoisonError::into_inner);
        self.hidden.close();
        let rooms = door.take();
        drop(door);
        let was_open = rooms.is_some();
        // Closing writes to the disk.
        tokio::task::spawn_blocking(move || drop(rooms));
        was_open
    }

    /// Shuts the door if nobody has asked for anything for so long. Answers whether it did.
    pub(crate) fn lock_if_unused(&self) -> bool {
        self.unused() >= self.idle.in_force() && self.lock()
    }

    /// After how long without use it shuts.
    pub(crate) fn idle(&self) -> &Idle {
        &self.idle
    }

    /// Reads from the library.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Library) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        self.with(Purpose::Read, move |library| run(library)).await
    }

    /// Reads what will be asked for soon, beside those who ask.
    pub(crate) async fn read_ahead<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Library) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        self.with(Purpose::Ahead, move |library| run(library)).await
    }

    /// Changes the library. What is begun is finished, even if nobody waits for it any more.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Library) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        self.with(Purpose::Change, run).await
    }

    /// The same by what the library was, also while the past is looked at.
    pub(crate) async fn restore<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Library) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        self.with(Purpose::Restore, run).await
    }

    /// Brings something here from remotes; one request at a time.
    pub(crate) async fn fetch<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Library, &Surroundings) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let surroundings = self.surroundings.clone();
        self.with(Purpose::Fetch, move |library| run(library, &surroundings)).await
    }

    /// Brings a picture of a photo here from remotes, if one has it and answers.
    pub(crate) async fn bring(&self, id: String, kind: PictureKind) -> Answer<Option<Vec<u8>>> {
        let (bringing, surroundings) = (Arc::clone(&self.bringing), self.surroundings.clone());
        let brought = self.with(Purpose::Bring, move |library| {
            Ok(bringing.ask(|patience| library.bring_picture(&id, kind, &surroundings, patience))?)
        });
        match self.bringing.wait(brought).await {
            // Nothing is written while the past is shown.
            Err(failure) if failure.code == LOOKING_BACK => Ok(None),
            brought => brought,
        }
    }

    /// Looks at every file, or at every original; one request at a time.
    pub(crate) async fn survey<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Library, &Surroundings) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let surroundings = self.surroundings.clone();
        self.with(Purpose::Survey, move |library| run(library, &surroundings)).await
    }

    /// Does what takes long. It goes on to its end when the door shuts meanwhile, with the keys that it has.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Library, &Surroundings) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let surroundings = self.surroundings.clone();
        self.with(Purpose::Work, move |library| run(library, &surroundings)).await
    }

    /// Lets a device in, beside everything else: most of it is waiting for somebody.
    pub(crate) async fn invite<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Library, &Surroundings) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let surroundings = self.surroundings.clone();
        self.with(Purpose::Invite, move |library| run(library, &surroundings)).await
    }

    async fn with<T: Send + 'static>(
        &self,
        purpose: Purpose,
        run: impl FnOnce(&mut Library) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let (rooms, seat, purpose) = self.seat(purpose).await?;
        let hidden = Arc::clone(&self.hidden);
        let is_asked = is_asked();
        let work = tokio::task::spawn_blocking(move || {
            let _seat = seat;
            let mut library = rooms.take(purpose)?;
            // Long work tells no page what it meets.
            let tells = !matches!(purpose, Purpose::Work | Purpose::Invite);
            library.keep_hidden_back(tells && !hidden.is_open(Instant::now()));
            let answer = run(&mut library);
            if tells && is_asked && library.told_of_hidden() {
                hidden.touch(Instant::now());
            }
            if matches!(purpose, Purpose::Bring | Purpose::Survey | Purpose::Ahead | Purpose::Invite) {
                // The next one comes late, if at all, and its pages would stay in memory until then.
                close(library);
            } else {
                held(&rooms.bench(purpose).idle).push(library);
            }
            answer
        });
        work.await.map_err(|error| {
            tracing::error!(%error, "a request broke off");
            Failure::broken()
        })?
    }

    async fn seat(&self, purpose: Purpose) -> Answer<(Arc<Rooms>, OwnedSemaphorePermit, Purpose)> {
        loop {
            let rooms = self.rooms().ok_or_else(|| self.closed())?;
            let purpose = rooms.admit(purpose)?;
            let seats = Arc::clone(&rooms.bench(purpose).seats);
            let seat = seats.acquire_owned().await.map_err(|_| Failure::locked())?;
            // It may have been shut meanwhile, or another moment is looked at: then there are other seats.
            match self.rooms() {
                None => return Err(Failure::locked()),
                Some(now) if Arc::ptr_eq(&now, &rooms) => return Ok((rooms, seat, purpose)),
                Some(_) => {}
            }
        }
    }

    /// Opens the door. Whoever guesses waits longer and longer; only one guess is tried at a time.
    pub(crate) async fn unlock(&self, way: WayIn) -> Answer<()> {
        let keys = self.prove(way).await?;
        let folder = self.folder().ok_or_else(Failure::no_library)?;
        self.let_in(folder, keys);
        Ok(())
    }

    /// Lets hidden photos be told. Wrong passphrases count with those of the door.
    pub(crate) async fn open_hidden(&self, passphrase: Zeroizing<String>) -> Answer<()> {
        let rooms = || self.rooms.read().unwrap_or_else(PoisonError::into_inner);
        let before = rooms().as_ref().map(Arc::downgrade).ok_or_else(|| self.closed())?;
        self.prove(WayIn::Passphrase(passphrase)).await?;
        // It may have been shut meanwhile: they are opened only with the door that was asked at.
        let now = rooms();
        if !now.as_ref().is_some_and(|now| Arc::downgrade(now).ptr_eq(&before)) {
            return Err(Failure::locked());
        }
        self.hidden.open(Instant::now());
        Ok(())
    }

    /// The keys of the library, if that way opens it. Whoever guesses waits longer and longer.
    pub(crate) async fn prove(&self, way: WayIn) -> Answer<UnlockedKeys> {
        let mut guesses = Arc::clone(&self.guesses).try_lock_owned().map_err(|_| too_many(1))?;
        guesses.may_try(Instant::now())?;
        let folder = self.folder().ok_or_else(Failure::no_library)?;
        if way.is_empty() {
            // No slot has an empty one, and nothing need be tried.
            guesses.wrong(Instant::now());
            return Err(way.refused());
        }
        // What was begun is counted, and nothing else is tried meanwhile, even if nobody waits for it any more.
        let tried = tokio::task::spawn_blocking(move || {
            let tried = way.try_on(&folder);
            match &tried {
                Ok(_) => guesses.right(),
                Err(error) if opens_nothing(error) => guesses.wrong(Instant::now()),
                Err(_) => {}
            }
            tried.map_err(|error| {
                if opens_nothing(&error) { way.refused() } else { LibraryError::from(error).into() }
            })
        });
        tried.await.map_err(|_| Failure::broken())?
    }
}

tokio::task_local! {
    /// Set while a request is answered that nobody asked for: a page that is open fetched again what changed.
    static UNASKED: ();
}

/// Answers a request that nobody asked for: it does not make any time begin anew.
pub(crate) async fn unasked<T>(answer: impl Future<Output = T>) -> T {
    UNASKED.scope((), answer).await
}

fn is_asked() -> bool {
    UNASKED.try_with(|()| ()).is_err()
}

fn looking_back() -> Failure {
    let message = "the library is shown as it was, and nothing can be changed in that";
    Failure::new(StatusCode::CONFLICT, LOOKING_BACK, message).hint("go back to today first")
}

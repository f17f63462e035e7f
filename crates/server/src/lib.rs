//! The gallery's server: one library, shown to the person at this machine, in a browser.
//!
//! [`Server::bind`] listens on loopback; [`Server::address`] makes an address that opens the gallery once, within a
//! minute; [`Server::run`] answers until it is told to stop. Everything goes through `safelight-library`: here is only who may ask
//! (`guard`, `session`), when the keys are forgotten (`door`), and how answers are written.
//!
//! Invariant: without a session nothing of the library is told, and while it is locked nothing of it is in memory.

mod albums;
mod asked;
mod bringing;
mod completing;
mod connecting;
mod connections;
mod devices;
mod door;
mod duplicates;
mod events;
mod failure;
mod fetching;
mod first;
mod forgetting;
mod gallery;
mod guard;
mod guesses;
mod hidden;
mod idle;
mod importing;
mod inviting;
mod jobs;
mod keys;
mod listen;
mod locking;
mod map;
mod media;
mod organised;
mod page;
mod passkeys;
mod past;
mod peer;
mod plans;
mod proxies;
mod reading;
mod remotes;
mod routes;
mod searches;
mod session;
mod settings;
mod storage;
mod switching;
mod thawing;
mod tiles;
mod timeline;
mod undone;
mod uploads;
mod watch;
mod writing;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use safelight_library::{LibraryError, Moment};
use tokio::net::TcpListener;

pub use door::{Empty, Opened};
pub use routes::document;

use completing::Offered;
use connections::{Connections, Limits};
use door::Door;
use duplicates::Found;
use events::News;
use first::First;
use gallery::Gallery;
use guard::Site;
use inviting::Inviting;
use jobs::Jobs;
use map::Points;
use passkeys::Passkeys;
use plans::Plans;
use proxies::Proxies;
use reading::States;
use session::Sessions;
use timeline::Timelines;
use undone::Undone;

/// After so long without a request about them hidden photos are kept back again.
pub const HIDDEN_IDLE: Duration = Duration::from_secs(5 * 60);

/// How a library is served.
#[derive(Debug, Clone, Copy)]
pub struct ServeOptions {
    /// The port; 0 for one that is free.
    pub port: u16,
    /// After so long without a request the keys are forgotten; none: as this device's rules say.
    pub idle: Option<Duration>,
    /// After so long without a request about them hidden photos are kept back again.
    pub hidden_idle: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self { port: 0, idle: None, hidden_idle: HIDDEN_IDLE }
    }
}

/// A server that listens.
pub struct Server {
    gallery: Arc<Gallery>,
    listeners: Vec<TcpListener>,
    port: u16,
}

impl Server {
    /// Listens on loopback; nothing is answered before [`Server::run`].
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn bind(opened: Opened, options: &ServeOptions) -> io::Result<Self> {
        Self::behind(Door::open(opened, options), options).await
    }

    /// The same where there is no library yet: the page makes one, or joins one.
    ///
    /// # Errors
    /// As [`Server::bind`].
    pub async fn bind_empty(empty: Empty, options: &ServeOptions) -> io::Result<Self> {
        Self::behind(Door::before(empty, options), options).await
    }

    /// Shows the library as it was at a moment, until a page goes back to today.
    ///
    /// # Errors
    /// As [`open_as_it_was_to_show`](safelight_library::Library::open_as_it_was_to_show); where there is no library yet.
    pub fn look_back(&self, moment: &Moment) -> Result<(), LibraryError> {
        self.gallery.door.look_back(moment)
    }

    async fn behind(door: Door, options: &ServeOptions) -> io::Result<Self> {
        let (port, listeners) = listen::listen(&listen::LOOPBACK, options.port).await?;
        let gallery = Arc::new(Gallery {
            site: Site::at(port),
            sessions: Sessions::new(),
            door,
            timelines: Timelines::default(),
            points: Points::default(),
            offered: Offered::default(),
            found: Found::default(),
            undone: Undone::default(),
            news: News::new(),
            jobs: Jobs::default(),
            plans: Plans::default(),
            forgets: Plans::default(),
            first: First::default(),
            states: States::default(),
            proxies: Proxies::default(),
            inviting: Inviting::default(),
            passkeys: Passkeys::default(),
        });
        Ok(Self { gallery, listeners, port })
    }

    /// The port that it listens at.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes an address that opens the gallery once, within a minute.
    #[must_use]
    pub fn address(&self) -> String {
        self.gallery.address()
    }

    /// What makes further addresses while the server runs.
    #[must_use]
    pub fn invitations(&self) -> Invitations {
        Invitations(Arc::clone(&self.gallery))
    }

    /// Answers until `stop` is ready. Then the library is closed, and requests that are not answered break off.
    ///
    /// # Errors
    /// When a listener fails.
    pub async fn run(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let routes = routes::routes(&self.gallery);
        self.gallery.read_ahead();
        let watching = watch::watch(&self.gallery);
        let mut serving = tokio::task::JoinSet::new();
        let connections = Connections::with(self.port, Limits::default(), routes).await;
        for listener in self.listeners {
            serving.spawn(connections.clone().answer(listener));
        }
        let ended = tokio::select! {
            () = stop => Ok(()),
            () = watching => Ok(()),
            Some(ended) = serving.join_next() => match ended {
                Ok(Err(error)) => Err(error),
                Err(error) => Err(io::Error::other(error)),
            },
        };
        serving.shutdown().await;
        self.gallery.jobs.stop();
        self.gallery.lock();
        ended
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Server").field("port", &self.port).finish_non_exhaustive()
    }
}

/// Makes addresses that open a gallery that is being served.
#[derive(Clone)]
pub struct Invitations(Arc<Gallery>);

impl Invitations {
    /// Makes an address that opens the gallery once, within a minute.
    #[must_use]
    pub fn address(&self) -> String {
        self.0.address()
    }
}

impl std::fmt::Debug for Invitations {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Invitations(..)")
    }
}

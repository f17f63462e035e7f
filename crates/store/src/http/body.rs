//! Bodies on their way out, read piece by piece, and the note of when the last piece moved.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{AsyncRead, Stream};

use crate::remote::Body;

/// How much of a file is read and handed to the connection at a time.
const PIECE_BYTES: usize = 256 << 10;

/// When something last moved on a connection.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    begun: Instant,
    last_milliseconds: Arc<AtomicU64>,
}

impl Progress {
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), last_milliseconds: Arc::default() }
    }

    fn elapsed_milliseconds(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn note(&self) {
        self.last_milliseconds.store(self.elapsed_milliseconds(), Ordering::Relaxed);
    }

    /// Waits for as long as something moves: nothing once nothing did for `stall`.
    pub(crate) async fn watch<F: Future>(&self, stall: Duration, work: F) -> Option<F::Output> {
        let begun = Instant::now();
        let mut work = std::pin::pin!(work);
        loop {
            // What was quiet before the work began is not held against it.
            let left = stall.saturating_sub(self.quiet().min(begun.elapsed()));
            if left.is_zero() {
                return None;
            }
            if let Ok(done) = tokio::time::timeout(left, work.as_mut()).await {
                return Some(done);
            }
        }
    }

    /// How long nothing has moved.
    pub(crate) fn quiet(&self) -> Duration {
        let last = self.last_milliseconds.load(Ordering::Relaxed);
        Duration::from_millis(self.elapsed_milliseconds().saturating_sub(last))
    }
}

/// Marks an error of the file being sent, so that it is told apart from one of the connection.
#[derive(Debug, thiserror::Error)]
#[error("the file to send could not be read")]
pub(super) struct FileFault(#[source] io::Error);

impl FileFault {
    fn mark(error: io::Error) -> io::Error {
        io::Error::new(error.kind(), Self(error))
    }
}

/// Reads a [`Body`] from its beginning, both as the SDK and as reqwest want it.
///
/// The file is read in the task itself: 256 KiB come from the page cache in some 30 µs, which is less than a
/// hop to another thread and back costs; the next piece is only read when the connection took the last one.
#[derive(Debug, Clone)]
pub(crate) struct BodyReader {
    body: Body,
    offset: u64,
}

impl BodyReader {
    pub(crate) const fn new(body: Body) -> Self {
        Self { body, offset: 0 }
    }

    fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        if let Body::Bytes(bytes) = &self.body {
            let start = usize::try_from(self.offset).unwrap_or(usize::MAX).min(bytes.len());
            let piece = bytes.slice(start..bytes.len().min(start + PIECE_BYTES));
            self.offset += piece.len() as u64;
            return Ok((!piece.is_empty()).then_some(piece));
        }
        let left = self.body.length_bytes().saturating_sub(self.offset);
        let mut piece = vec![0; usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES)];
        let read = self.body.read_at(self.offset, &mut piece).map_err(FileFault::mark)?;
        self.offset += read as u64;
        Ok((read > 0).then(|| piece.into()))
    }
}

impl Stream for BodyReader {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.next_piece().transpose())
    }
}

impl AsyncRead for BodyReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = self.body.read_at(self.offset, buffer).map_err(FileFault::mark);
        if let Ok(read) = &read {
            self.offset += *read as u64;
        }
        Poll::Ready(read)
    }
}

#[async_trait::async_trait]
impl azure_core::stream::SeekableStream for BodyReader {
    async fn reset(&mut self) -> azure_core::Result<()> {
        self.offset = 0;
        Ok(())
    }

    fn len(&self) -> Option<u64> {
        Some(self.body.length_bytes())
    }

    fn buffer_size(&self) -> usize {
        PIECE_BYTES
    }
}

tokio::task_local! {
    /// Bytes of bodies that the call under way handed to its connections, for whoever counts them.
    pub(crate) static SENT: Arc<AtomicU64>;
}

/// Notes progress whenever a piece is taken from the stream inside.
pub(crate) struct Noted<S> {
    inner: S,
    progress: Progress,
    sent: Option<Arc<AtomicU64>>,
}

impl<S> Noted<S> {
    /// To be made where the call is: the connection reads it in a task of its own.
    pub(crate) fn new(inner: S, progress: Progress) -> Self {
        Self { inner, progress, sent: SENT.try_with(Arc::clone).ok() }
    }
}

impl<S: Stream<Item = Result<Bytes, E>> + Unpin, E> Stream for Noted<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.inner).poll_next(context);
        if polled.is_ready() {
            self.progress.note();
        }
        if let (Poll::Ready(Some(Ok(piece))), Some(sent)) = (&polled, &self.sent) {
            sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn a_file_is_streamed_whole_in_pieces() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("body");
        let content: Vec<u8> =
            (0..PIECE_BYTES + 1234).map(|at| u8::try_from(at % 251).expect("small")).collect();
        std::fs::write(&path, &content).expect("write");
        let body = Body::from_file(std::fs::File::open(&path).expect("open")).expect("length");
        let pieces: Vec<Bytes> = BodyReader::new(body).map(|piece| piece.expect("reads")).collect().await;
        assert_eq!(pieces.len(), 2);
        assert_eq!(pieces.concat(), content);
    }

    #[tokio::test]
    async fn patience_counts_from_what_moved_last() {
        let stall = Duration::from_millis(200);
        let progress = Progress::begin();
        let moving = tokio::spawn({
            let progress = progress.clone();
            async move {
                for _ in 0..20 {
                    tokio::time::sleep(Duration::from_millis(30)).await;
                    progress.note();
                }
            }
        });
        let slow = tokio::time::sleep(Duration::from_millis(500));
        assert!(progress.watch(stall, slow).await.is_some(), "something moved all the time");
        moving.await.expect("it ends");
        let waited = Instant::now();
        assert!(progress.watch(stall, std::future::pending::<()>()).await.is_none());
        assert!(waited.elapsed() >= Duration::from_millis(150));
        tokio::time::sleep(stall).await;
        let quick = tokio::time::sleep(Duration::from_millis(20));
        assert!(progress.watch(stall, quick).await.is_some(), "an idle connection is no stalled one");
    }

    #[tokio::test]
    async fn what_is_handed_to_a_connection_is_counted() {
        let sent = Arc::new(AtomicU64::new(0));
        let body = BodyReader::new(Body::from(vec![7; PIECE_BYTES + 5]));
        let make = async { Noted::new(body, Progress::begin()) };
        let mut noted = SENT.scope(Arc::clone(&sent), make).await;
        assert_eq!(sent.load(Ordering::Relaxed), 0, "nothing was read yet");
        assert!(noted.next().await.is_some());
        assert_eq!(sent.load(Ordering::Relaxed), PIECE_BYTES as u64, "one piece left");
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_is_an_error_and_not_a_short_body() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("body");
        std::fs::write(&path, b"0123456789").expect("write");
        let body = Body::from_file(std::fs::File::open(&path).expect("open")).expect("length");
        std::fs::OpenOptions::new().write(true).open(&path).expect("open").set_len(5).expect("cut");
        let mut reader = BodyReader::new(body);
        assert!(reader.next().await.expect("one item").is_err());
    }
}

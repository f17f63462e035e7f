//! Answers whoever connects, for as long as an invitation waits.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_all;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::wire::{read_request, write_answer};
use super::{Board, is_local};

/// How long one request and its answer may take together.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many connections are open at a time. One more ends the oldest: whoever holds them open keeps nobody out, for a
/// request takes a moment.
const MOST_CONNECTIONS: usize = 32;
/// How long nobody is let in after the system had nothing left for a connection.
const REST: Duration = Duration::from_millis(100);

/// Answers requests at these listeners from a board, until it is dropped; then everything that is open ends.
/// It never ends by itself. Peers outside of the networks at hand are not heard.
pub async fn serve_board(listeners: &[TcpListener], board: &Arc<Board>) {
    let (mut connections, mut open) = (JoinSet::new(), VecDeque::<AbortHandle>::new());
    if listeners.is_empty() {
        return std::future::pending().await;
    }
    loop {
        let accepting = listeners.iter().map(|listener| Box::pin(listener.accept()));
        let (stream, peer): (TcpStream, SocketAddr) = match select_all(accepting).await.0 {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be taken");
                sleep(REST).await;
                continue;
            }
        };
        if !is_local(peer.ip()) {
            continue;
        }
        while connections.try_join_next().is_some() {}
        open.retain(|connection| !connection.is_finished());
        if open.len() >= MOST_CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let board = Arc::clone(board);
        open.push_back(connections.spawn(async move {
            match timeout(PATIENCE, attend(stream, &board)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, %peer, "no request of a pairing"),
                Err(_) => tracing::debug!(%peer, "a request did not come in time"),
            }
        }));
    }
}

async fn attend(mut stream: TcpStream, board: &Board) -> io::Result<()> {
    let request = read_request(&mut stream).await?;
    let answer = board.answer(&request);
    write_answer(&mut stream, &answer).await?;
    stream.shutdown().await?;
    board.note_answered(&request, &answer);
    Ok(())
}

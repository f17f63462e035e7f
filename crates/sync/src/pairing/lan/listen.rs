//! Answers whoever connects, for as long as an invitation waits.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::wire::{read_request, write_answer};
use super::{Board, is_local};

/// How long one request and its answer may take together.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many connections are open at a time, together and from one address. One more ends the oldest of the address that has
/// most open: whoever holds them open ends his own.
const MOST_CONNECTIONS: usize = 32;
const MOST_OF_ONE: usize = 4;
/// How long nobody is let in after the system had nothing left for a connection.
const REST: Duration = Duration::from_millis(100);

/// Answers requests at these listeners from a board, until it is dropped; then everything that is open ends.
/// It never ends by itself. Peers outside of the networks at hand are not heard.
pub async fn serve_board(listeners: &[TcpListener], board: &Arc<Board>) {
    let (mut connections, mut open) = (JoinSet::new(), Open::default());
    if listeners.is_empty() {
        return std::future::pending().await;
    }
    let mut first = 0;
    loop {
        // They take turns: one that is flooded keeps no other waiting.
        let (before, after) = listeners.split_at(first);
        let accepting = after.iter().chain(before).map(|listener| Box::pin(listener.accept()));
        let (accepted, at, _) = select_all(accepting).await;
        first = (first + at + 1) % listeners.len();
        let (stream, peer): (TcpStream, SocketAddr) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be taken");
                sleep(REST).await;
                continue;
            }
        };
        let from = peer.ip().to_canonical();
        if !is_local(from) {
            continue;
        }
        while connections.try_join_next().is_some() {}
        open.make_room(from);
        let board = Arc::clone(board);
        let connection = connections.spawn(async move {
            match timeout(PATIENCE, attend(stream, from, &board)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, %peer, "no request of a pairing"),
                Err(_) => tracing::debug!(%peer, "a request did not come in time"),
            }
        });
        open.0.push((from, connection));
    }
}

/// Connections that are open, with the address that each comes from; the oldest first.
#[derive(Default)]
struct Open(Vec<(IpAddr, AbortHandle)>);

impl Open {
    /// Ends a connection where one more from that address would be too many.
    fn make_room(&mut self, from: IpAddr) {
        self.0.retain(|(_, connection)| !connection.is_finished());
        let of = |address: IpAddr| self.0.iter().filter(|(other, _)| *other == address).count();
        let ends = if of(from) >= MOST_OF_ONE {
            self.0.iter().position(|(address, _)| *address == from)
        } else if self.0.len() >= MOST_CONNECTIONS {
            let most = self.0.iter().map(|(address, _)| of(*address)).max();
            self.0.iter().position(|(address, _)| Some(of(*address)) == most)
        } else {
            None
        };
        if let Some(oldest) = ends {
            self.0.remove(oldest).1.abort();
        }
    }
}

async fn attend(mut stream: TcpStream, from: IpAddr, board: &Board) -> io::Result<()> {
    let request = read_request(&mut stream).await?;
    let answer = board.answer(&request, from);
    write_answer(&mut stream, &answer).await?;
    stream.shutdown().await?;
    // Whoever has read all of it hangs up; whoever goes before that resets the connection.
    if stream.read(&mut [0]).await? == 0 {
        board.note_read(&request, &answer, from);
    }
    Ok(())
}

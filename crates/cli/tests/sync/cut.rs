//! The line is cut in the middle of a large original: what was finished is not sent again.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use safelight_servers::Azurite;

use crate::devices::{Meeting, World};
use crate::pictures;

/// Bytes of the original: seven parts.
const ORIGINAL_BYTES: u64 = 200 << 20;
const PART_BYTES: u64 = 32 << 20;

/// What went through a proxy to a server on this machine.
#[derive(Default)]
struct Line {
    /// Bytes of bodies of original parts that went up.
    part_bytes: AtomicU64,
    /// How often each part was put and acknowledged.
    finished: Mutex<BTreeMap<String, u32>>,
    /// One part at a time goes through, as on a slow line.
    one_part: Mutex<()>,
    /// Cut when so many bytes of parts went up.
    cut_at: AtomicU64,
    is_cut: AtomicBool,
    /// Connections that are served.
    open: AtomicU64,
}

impl Line {
    fn finished(&self) -> MutexGuard<'_, BTreeMap<String, u32>> {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sent(&self) -> u64 {
        self.part_bytes.load(Ordering::SeqCst)
    }

    /// Counts, and cuts where it is time.
    fn pass(&self, bytes: u64) -> std::io::Result<()> {
        let before = self.part_bytes.fetch_add(bytes, Ordering::SeqCst);
        let cut_at = self.cut_at.load(Ordering::SeqCst);
        if before < cut_at && before + bytes >= cut_at {
            self.is_cut.store(true, Ordering::SeqCst);
        }
        self.check()
    }

    fn check(&self) -> std::io::Result<()> {
        if self.is_cut.load(Ordering::SeqCst) {
            return Err(std::io::Error::other("the line is cut"));
        }
        Ok(())
    }
}

/// Starts a proxy to a port; answers its own.
fn proxy(to: u16, line: &Arc<Line>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let line = Arc::clone(line);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let line = Arc::clone(&line);
            line.open.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || {
                // A connection that ends is closed on both sides, whatever the reason.
                drop(serve(&client, to, &line));
                drop(client.shutdown(Shutdown::Both));
                line.open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    port
}

fn serve(mut client: &TcpStream, to: u16, line: &Line) -> std::io::Result<()> {
    line.check()?;
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, to))?;
    while let Some((head, rest)) = read_head(client)? {
        let target = head.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
        let target = target.replace("%2F", "/");
        let part = target.split_once("/o/").map(|(_, part)| part.to_owned());
        let part = part.filter(|_| head.starts_with("PUT"));
        let one = part.as_ref().map(|_| line.one_part.lock().unwrap_or_else(PoisonError::into_inner));
        line.check()?;
        server.write_all(head.as_bytes())?;
        let length = length_of(&head).unwrap_or(0);
        forward(client, &mut server, &rest, length, |bytes| match part {
            Some(_) => line.pass(bytes),
            None => line.check(),
        })?;
        let Some((answer, rest)) = read_head(&server)? else { return Ok(()) };
        client.write_all(answer.as_bytes())?;
        let is_bodiless = head.starts_with("HEAD") || answer.contains(" 304 ") || answer.contains(" 204 ");
        match length_of(&answer) {
            _ if is_bodiless => {}
            Some(length) => forward(&server, &mut client, &rest, length, |_| line.check())?,
            None if answer.to_lowercase().contains("chunked") => {
                let mut tail = rest;
                client.write_all(&tail)?;
                let mut buffer = [0; 16 << 10];
                while !tail.ends_with(b"0\r\n\r\n") {
                    let count = (&server).read(&mut buffer)?;
                    if count == 0 {
                        break;
                    }
                    client.write_all(&buffer[..count])?;
                    tail.extend_from_slice(&buffer[..count]);
                    tail.drain(..tail.len().saturating_sub(16));
                }
            }
            None => {}
        }
        if let Some(part) = part.filter(|_| answer.contains(" 201 ")) {
            *line.finished().entry(part).or_default() += 1;
        }
        drop(one);
    }
    Ok(())
}

/// A head as text, and what was read beyond it.
fn read_head(mut from: &TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok(Some((String::from_utf8_lossy(&bytes).into_owned(), rest)));
        }
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&buffer[..count]);
    }
}

fn length_of(head: &str) -> Option<u64> {
    let line = head.lines().find(|line| line.to_lowercase().starts_with("content-length:"))?;
    line.split_once(':')?.1.trim().parse().ok()
}

fn forward(
    mut from: &TcpStream,
    to: &mut impl std::io::Write,
    begun: &[u8],
    length: u64,
    pass: impl Fn(u64) -> std::io::Result<()>,
) -> std::io::Result<()> {
    pass(begun.len() as u64)?;
    to.write_all(begun)?;
    let mut left = length.saturating_sub(begun.len() as u64);
    let mut buffer = vec![0; 64 << 10];
    while left > 0 {
        let most = usize::try_from(left.min(buffer.len() as u64)).unwrap_or(buffer.len());
        let count = from.read(&mut buffer[..most])?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        pass(count as u64)?;
        to.write_all(&buffer[..count])?;
        left -= count as u64;
    }
    Ok(())
}

#[test]
fn a_cut_in_the_middle_of_a_large_original_does_not_send_finished_parts_again() {
    let Some(server) = Azurite::start() else { return };
    let line = Arc::new(Line::default());
    let port = proxy(server.port(), &line);
    let address = server.address().replace(&format!(":{}/", server.port()), &format!(":{port}/"));
    let world = World::new(Meeting { address, credential: Some(server.sas()) });
    let one = world.first("one");
    let folder = world.path("film");
    std::fs::create_dir(&folder).unwrap();
    let film = pictures::heavy_photo(5, usize::try_from(ORIGINAL_BYTES).unwrap());
    std::fs::write(folder.join("large.jpg"), &film).unwrap();
    one.import(&folder);

    // The line is cut in the middle of the fourth part, and with it the process some time later.
    line.cut_at.store(3 * PART_BYTES + PART_BYTES / 2, Ordering::SeqCst);
    let mut child = one.command(&["sync"]).spawn().unwrap();
    let begun = Instant::now();
    while !line.is_cut.load(Ordering::SeqCst) {
        assert!(begun.elapsed() < Duration::from_secs(120), "{} bytes after two minutes", line.sent());
        assert!(child.try_wait().unwrap().is_none(), "it ended before the line was cut: {}", line.sent());
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(300));
    child.kill().unwrap();
    child.wait().unwrap();
    // What the system still holds of parts that waited for their turn goes with the line.
    while line.open.load(Ordering::SeqCst) > 0 {
        assert!(
            begun.elapsed() < Duration::from_secs(180),
            "connections stay open after their process is gone"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let finished = line.finished().clone();
    assert!(finished.len() >= 3, "{finished:?}");
    let sent = line.sent();
    assert!(sent < 4 * PART_BYTES + (1 << 20), "{sent}");

    // The line comes back.
    line.is_cut.store(false, Ordering::SeqCst);
    one.sync();
    let all = line.finished().clone();
    let sealed: u64 = line.sent();
    println!(
        "{} parts finished before the cut, {} in all; {:.1} MB went up for {:.1} MB",
        finished.len(),
        all.len(),
        sealed as f64 / 1e6,
        ORIGINAL_BYTES as f64 / 1e6,
    );
    for (part, times) in &finished {
        assert_eq!(all.get(part), Some(times), "{part} was sent again");
    }
    // Padding makes an original some 3 % larger; one half part went up in vain.
    let most = ORIGINAL_BYTES + ORIGINAL_BYTES / 25 + PART_BYTES / 2 + (1 << 20);
    assert!(sealed <= most, "{sealed} bytes went up, at most {most} were needed");
    one.ends(&["verify", "--remote", "--all"], 0);
    let two = world.join("two");
    two.has_whole(&[film], "out");
}

//! Files that go in blocks: interrupted, gone on with, and changed on their way.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use safelight_plain::PushReport;
use safelight_servers::Azurite;

use crate::common::{Heard, Server, World, destination, tree};

const MIB: usize = 1 << 20;

/// Something between a client and a server that counts what goes up, and cuts every connection after so many bytes in all.
struct Between {
    port: u16,
    up_bytes: Arc<AtomicU64>,
    cut_after: Arc<AtomicU64>,
}

impl Between {
    fn start(to: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (up_bytes, cut_after) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(u64::MAX)));
        let (counted, cut) = (Arc::clone(&up_bytes), Arc::clone(&cut_after));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)) else { return };
                let (down_from, down_to) = (server.try_clone(), client.try_clone());
                let (Ok(mut down_from), Ok(mut down_to)) = (down_from, down_to) else { return };
                std::thread::spawn(move || {
                    let _ended = std::io::copy(&mut down_from, &mut down_to);
                    let _gone = down_to.shutdown(Shutdown::Both);
                });
                let (counted, cut) = (Arc::clone(&counted), Arc::clone(&cut));
                std::thread::spawn(move || pass_up(client, server, &counted, &cut));
            }
        });
        Self { port, up_bytes, cut_after }
    }
}

fn pass_up(mut client: TcpStream, mut server: TcpStream, counted: &AtomicU64, cut: &AtomicU64) {
    let mut piece = vec![0; 64 << 10];
    while let Ok(read) = client.read(&mut piece) {
        let total = counted.fetch_add(read as u64, Ordering::Relaxed) + read as u64;
        if read == 0 || total > cut.load(Ordering::Relaxed) || server.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    let _gone = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
}

fn video(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let bytes = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    });
    bytes.take(length).collect()
}

#[test]
fn a_large_file_is_whole_everywhere_and_comes_back() {
    for server in Server::all() {
        let world = World::new(server.destination());
        world.write("clip.mp4", &video(20 * MIB + 77));
        world.write("again/clip.mp4", &video(20 * MIB + 77));
        let report = world.push("one");
        assert_eq!((report.uploaded, report.failed), (2, 0));
        assert_eq!(world.verify("one").whole, 2);
        assert_eq!(world.restore("one", false), tree(&world.source()));
        assert_eq!(world.push("two").existing, 2);
    }
}

#[test]
fn blocks_that_arrived_before_an_interruption_are_not_sent_again() {
    let Some(azurite) = Azurite::start() else { return };
    let between = Between::start(azurite.port());
    let address = azurite.address().replace(&azurite.port().to_string(), &between.port.to_string());
    let world = World::new(destination(&address, Some(&azurite.sas())));
    let length = 64 * MIB + 5;
    world.write("clip.mp4", &video(length));
    // Nothing gets through from here on: the push gives up, whatever it tries.
    between.cut_after.store(44 * MIB as u64, Ordering::Relaxed);
    let heard = Heard::default();
    let first: PushReport = world.copy("one").push(&world.request(), &heard).unwrap();
    assert_eq!((first.uploaded, first.failed), (0, 1), "{:?}", heard.failures());
    between.cut_after.store(u64::MAX, Ordering::Relaxed);
    let before = between.up_bytes.load(Ordering::Relaxed);
    let second = world.push("one");
    let sent = between.up_bytes.load(Ordering::Relaxed) - before;
    assert_eq!(second.uploaded, 1);
    assert!(sent < (length - 7 * MIB) as u64, "{sent} bytes were sent again, of {length}");
    assert_eq!(world.verify("one").whole, 1);
}

#[test]
fn a_file_that_changes_on_its_way_is_named_and_leaves_no_blob_that_is_wrong() {
    let Some(azurite) = Azurite::start() else { return };
    let between = Between::start(azurite.port());
    let address = azurite.address().replace(&azurite.port().to_string(), &between.port.to_string());
    let world = World::new(destination(&address, Some(&azurite.sas())));
    let path = world.source().join("clip.mp4");
    world.write("clip.mp4", &video(24 * MIB));
    // Once its first block is on its way, slowly, somebody writes into the last.
    let mut slow = world.destination.clone();
    slow.bytes_per_second = Some(12_000_000);
    let copy = safelight_plain::PlainCopy::open(slow, world.state("one")).unwrap();
    let (ends, sent) = (Arc::new(AtomicBool::new(false)), Arc::clone(&between.up_bytes));
    let is_over = Arc::clone(&ends);
    let writer = std::thread::spawn(move || {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        while sent.load(Ordering::Relaxed) < MIB as u64 && !is_over.load(Ordering::Relaxed) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        std::os::unix::fs::FileExt::write_at(&file, b"changed", 23 * MIB as u64).unwrap();
    });
    let heard = Heard::default();
    let report = copy.push(&world.request(), &heard).unwrap();
    ends.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    drop(copy);
    assert_eq!((report.uploaded, report.failed), (0, 1), "{:?}", heard.failures());
    assert!(heard.failures()[0].contains("changed"), "{:?}", heard.failures());
    let rest = world.push("one");
    assert_eq!(rest.uploaded, 1, "once it stands still it is sent");
    assert_eq!(world.verify("one").damaged, 0);
}

#[test]
fn a_large_file_stops_between_two_blocks_and_is_gone_on_with() {
    let Some(azurite) = Azurite::start() else { return };
    let between = Between::start(azurite.port());
    let address = azurite.address().replace(&azurite.port().to_string(), &between.port.to_string());
    let world = World::new(destination(&address, Some(&azurite.sas())));
    let length = 96 * MIB + 5;
    world.write("clip.mp4", &video(length));
    // Twelve blocks, of which few have gone when somebody stops it.
    let mut slow = world.destination.clone();
    slow.bytes_per_second = Some(16 << 20);
    let copy = safelight_plain::PlainCopy::open(slow, world.state("one")).unwrap();
    let heard = Arc::new(Heard::default());
    let (stopper, sent) = (Arc::clone(&heard), Arc::clone(&between.up_bytes));
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let stopping = std::thread::spawn(move || {
        while sent.load(Ordering::Relaxed) < 20 * MIB as u64 && std::time::Instant::now() < until {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        stopper.stopped.store(true, Ordering::Relaxed);
    });
    let stopped = copy.push(&world.request(), &*heard).unwrap();
    stopping.join().unwrap();
    drop(copy);
    assert!(stopped.is_interrupted, "{stopped:?}");
    assert_eq!((stopped.uploaded, stopped.failed), (0, 0));
    let before = between.up_bytes.load(Ordering::Relaxed);
    assert!(before < length as u64, "all of it was sent although somebody stopped it");
    assert_eq!(world.push("one").uploaded, 1);
    let sent = between.up_bytes.load(Ordering::Relaxed) - before;
    assert!(sent < (length - 7 * MIB) as u64, "{sent} bytes were sent again, of {length}");
    assert_eq!(world.verify("one").whole, 1);
}

//! Uploads every file of a folder to a remote, several at a time, and says how fast: what `bench/` compares
//! with rclone. `upload ADDRESS CREDENTIAL-FILE FOLDER [AT-ONCE]`

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a program for measuring")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use safelight_store::{
    Body, Capabilities, ConnectOptions, Key, PutOptions, Remote, RemoteAddress, RemoteCredential, connect,
};
use tokio::sync::Semaphore;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().expect("upload ADDRESS CREDENTIAL-FILE FOLDER [AT-ONCE]");
    let (address, _) = RemoteAddress::parse(&next()).expect("an address");
    let credential = std::fs::read_to_string(next()).expect("the credential file");
    let credential = RemoteCredential::parse(&credential).ok();
    let folder = PathBuf::from(next());
    let at_once = arguments.next().map_or(8, |number| number.parse().expect("a number"));
    let options = ConnectOptions { known: Some(Capabilities::untried()), ..Default::default() };
    let remote: Arc<dyn Remote> = connect(&address, credential, options, "unused").await.expect("connects");

    let begun = Instant::now();
    let places = Arc::new(Semaphore::new(at_once));
    let (mut tasks, mut bytes) = (Vec::new(), 0);
    for entry in std::fs::read_dir(folder).expect("reads") {
        let path = entry.expect("reads").path();
        let name = path.file_name().expect("a name").to_str().expect("UTF-8").to_owned();
        let place = Arc::clone(&places).acquire_owned().await.expect("open");
        let remote = Arc::clone(&remote);
        let body = Body::from_file(std::fs::File::open(&path).expect("opens")).expect("a length");
        bytes += body.length_bytes();
        tasks.push(tokio::spawn(async move {
            let key = Key::parse(&format!("o/{name}")).expect("a name");
            let stored = remote.put_if_absent(&key, body, &PutOptions::default()).await;
            drop(place);
            stored
        }));
    }
    let objects = tasks.len();
    for task in tasks {
        task.await.expect("runs").expect("writes");
    }
    let seconds = begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = bytes as f64 / 1e6 / seconds;
    println!("{objects} objects, {bytes} bytes, {seconds:.2} s, {rate:.1} MB/s");
}

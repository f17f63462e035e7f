//! Many phones that ask one gateway for upload addresses, at a steady rate, each with a token of its own.
//!
//! `cargo run --release -p safelight-gateway --example phones -- ADDRESS:PORT TOKENS RATE SECONDS [CONNECTIONS]`
//!
//! `TOKENS` has a token a line. Requests are sent when they are due, whether the answers before them came or not, and a time is
//! counted from then: a gateway that stands still makes all that were due meanwhile slow. Prints one line of JSON.
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

/// What is asked of the gateway by all connections together.
struct Load {
    address: String,
    tokens: Vec<String>,
    connections: usize,
    rate: f64,
    time: Duration,
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    times: Vec<Duration>,
    refused: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let load = Arc::new(read()?);
    // One thread: the gateway is what is measured, on the same two cores.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (begun, seen) = runtime.block_on(run(&load))?;
    let took = begun.elapsed().as_secs_f64();
    report(&load, seen, took);
    Ok(())
}

fn read() -> Result<Load, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &'static str| arguments.next().ok_or(what);
    let address = next("give the gateway's address")?;
    let tokens = std::fs::read_to_string(next("give a file with tokens")?)?;
    let tokens: Vec<String> = tokens.lines().map(str::to_owned).collect();
    let rate = next("give a rate")?.parse()?;
    let time = Duration::from_secs(next("give seconds")?.parse()?);
    let connections = next("").map_or(Ok(64), |text| text.parse())?;
    if tokens.is_empty() {
        return Err("the file has no tokens".into());
    }
    Ok(Load { address, tokens, connections, rate, time })
}

async fn run(load: &Arc<Load>) -> Result<(Instant, Vec<Seen>), Box<dyn Error>> {
    let mut streams = Vec::new();
    for _ in 0..load.connections {
        let stream = TcpStream::connect(&load.address).await?;
        stream.set_nodelay(true)?;
        streams.push(BufReader::new(stream));
    }
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for (at, stream) in streams.into_iter().enumerate() {
        tasks.push(tokio::spawn(ask(Arc::clone(load), at, stream, begun)));
    }
    let mut seen = Vec::new();
    for task in tasks {
        seen.push(task.await??);
    }
    Ok((begun, seen))
}

/// Every `connections`-th request is this connection's.
async fn ask(
    load: Arc<Load>,
    at: usize,
    mut stream: BufReader<TcpStream>,
    begun: Instant,
) -> Result<Seen, std::io::Error> {
    let (mut seen, mut number) = (Seen::default(), at);
    let body = "{\"user_id\":\"anna\",\"filename\":\"IMG_0001.HEIC\"}";
    loop {
        #[expect(clippy::cast_precision_loss, reason = "numbers of requests are small")]
        let due = begun + Duration::from_secs_f64(number as f64 / load.rate);
        if due.duration_since(begun) > load.time {
            return Ok(seen);
        }
        sleep_until(due).await;
        let token = load.tokens.get(number % load.tokens.len()).map(String::as_str).unwrap_or_default();
        let request = format!(
            "POST /v1/mobile/upload-token HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.get_mut().write_all(request.as_bytes()).await?;
        if answer(&mut stream).await? {
            seen.times.push(due.elapsed());
        } else {
            seen.refused += 1;
        }
        number += load.connections;
    }
}

/// Reads an answer to its end; says whether it is what was asked for.
async fn answer(stream: &mut BufReader<TcpStream>) -> Result<bool, std::io::Error> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length =
        head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    Ok(head.starts_with("http/1.1 200"))
}

fn report(load: &Load, seen: Vec<Seen>, took: f64) {
    let refused: usize = seen.iter().map(|seen| seen.refused).sum();
    let mut times: Vec<Duration> = seen.into_iter().flat_map(|seen| seen.times).collect();
    times.sort_unstable();
    let at = |part: usize| {
        let index = times.len().saturating_sub(1) * part / 1000;
        times.get(index).map_or(0.0, Duration::as_secs_f64) * 1000.0
    };
    #[expect(clippy::cast_precision_loss, reason = "numbers of requests are small")]
    let per_second = times.len() as f64 / took;
    println!(
        "{{\"phones\":{},\"granted\":{},\"refused\":{refused},\"per_second\":{per_second:.0},\"p50_ms\":{:.2},\
         \"p99_ms\":{:.2},\"p999_ms\":{:.2},\"most_ms\":{:.2}}}",
        load.tokens.len(),
        times.len(),
        at(500),
        at(990),
        at(999),
        at(1000)
    );
}

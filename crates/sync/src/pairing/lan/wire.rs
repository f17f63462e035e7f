//! The bytes between two devices on one network: one request and one answer a connection.

use std::io;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::pairing::MESSAGE_BYTES;

const MAGIC: &[u8; 4] = b"SLLN";
const VERSION: u16 = 1;
/// Longer than any name of a message.
const NAME_BYTES: u32 = 128;

const NAMES: u8 = 1;
const MESSAGE: u8 = 2;
const LEAVE: u8 = 3;

const DONE: u8 = 0;
const NOTHING: u8 = 1;
const REFUSED: u8 = 2;

/// What the new device asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// The names of all messages.
    Names,
    /// One message.
    Message(String),
    /// To leave a message.
    Leave(String, Bytes),
}

/// What it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is done; here is what was asked for.
    Done(Bytes),
    /// Nothing is under that name.
    Nothing,
    /// It will not be done.
    Refused,
}

pub(super) async fn write_request(to: &mut (impl AsyncWrite + Unpin), request: &Request) -> io::Result<()> {
    let (kind, name, content): (u8, &str, &[u8]) = match request {
        Request::Names => (NAMES, "", &[]),
        Request::Message(name) => (MESSAGE, name, &[]),
        Request::Leave(name, content) => (LEAVE, name, content),
    };
    let mut bytes = begin(kind);
    put_field(&mut bytes, name.as_bytes())?;
    put_field(&mut bytes, content)?;
    to.write_all(&bytes).await
}

/// # Errors
/// `InvalidData` for what is no request, before more than its limits is read.
pub(super) async fn read_request(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Request> {
    let kind = read_begin(from).await?;
    let name = read_field(from, NAME_BYTES).await?;
    let name = String::from_utf8(name).map_err(|_| invalid("a name that is no text"))?;
    let content = read_field(from, most_content()).await?;
    match kind {
        NAMES => Ok(Request::Names),
        MESSAGE => Ok(Request::Message(name)),
        LEAVE => Ok(Request::Leave(name, content.into())),
        _ => Err(invalid("an unknown request")),
    }
}

pub(super) async fn write_answer(to: &mut (impl AsyncWrite + Unpin), answer: &Answer) -> io::Result<()> {
    let (kind, content): (u8, &[u8]) = match answer {
        Answer::Done(content) => (DONE, content),
        Answer::Nothing => (NOTHING, &[]),
        Answer::Refused => (REFUSED, &[]),
    };
    let mut bytes = begin(kind);
    put_field(&mut bytes, content)?;
    to.write_all(&bytes).await
}

/// # Errors
/// `InvalidData` for what is no answer, before more than its limit is read.
pub(super) async fn read_answer(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Answer> {
    let kind = read_begin(from).await?;
    let content = read_field(from, most_content()).await?;
    match kind {
        DONE => Ok(Answer::Done(content.into())),
        NOTHING => Ok(Answer::Nothing),
        REFUSED => Ok(Answer::Refused),
        _ => Err(invalid("an unknown answer")),
    }
}

fn begin(kind: u8) -> Vec<u8> {
    [MAGIC.as_slice(), &VERSION.to_be_bytes(), &[kind]].concat()
}

async fn read_begin(from: &mut (impl AsyncRead + Unpin)) -> io::Result<u8> {
    let mut magic = [0; 4];
    from.read_exact(&mut magic).await?;
    if magic != *MAGIC || from.read_u16().await? != VERSION {
        return Err(invalid("another protocol, or another version of it"));
    }
    from.read_u8().await
}

fn put_field(bytes: &mut Vec<u8>, field: &[u8]) -> io::Result<()> {
    let length = u32::try_from(field.len()).map_err(|_| invalid("a field that is too long"))?;
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(field);
    Ok(())
}

async fn read_field(from: &mut (impl AsyncRead + Unpin), most_bytes: u32) -> io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    if length > most_bytes {
        return Err(invalid("a field that is too long"));
    }
    let mut field = vec![0; length as usize];
    from.read_exact(&mut field).await?;
    Ok(field)
}

fn most_content() -> u32 {
    u32::try_from(MESSAGE_BYTES).unwrap_or(u32::MAX)
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

//! A plain HTTP/1.1 client for a unix socket or a loopback port: one request, one connection.
//!
//! It is written out by hand so that the daemon's answers are judged by bytes and not by the library
//! that produced them. It knows `content-length`, chunked bodies and bodies that end with the
//! connection, and nothing more.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;

/// What is asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    /// Path and query, already percent-encoded.
    pub(crate) path: &'a str,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: Option<&'a [u8]>,
}

/// What was answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The first value of the header `name` (in small letters).
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("status {} with a body that is not JSON: {}", self.status, self.text()))
    }

    /// The body as text, for messages.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Asks over the unix socket at `socket`.
pub(crate) async fn ask_socket(socket: &Path, request: &Request<'_>) -> Result<Answer> {
    let stream = UnixStream::connect(socket).await.with_context(|| format!("connect `{}`", socket.display()))?;
    ask(stream, request).await
}

/// Asks over any connected stream.
pub(crate) async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &Request<'_>) -> Result<Answer> {
    let body = request.body.unwrap_or_default();
    let mut head = format!("{} {} HTTP/1.1\r\nhost: keywheel\r\nconnection: close\r\n", request.method, request.path);
    for (name, value) in request.headers {
        head.extend([*name, ": ", *value, "\r\n"]);
    }
    if request.body.is_some() {
        head.extend(["content-length: ", &body.len().to_string(), "\r\n"]);
    }
    head.push_str("\r\n");
    // At once: a server that answers without reading a body resets the connection under one that comes later.
    let whole = [head.as_bytes(), body].concat();
    stream.write_all(&whole).await.context("send the request")?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.context("read the answer")?;
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Result<Answer> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        bail!("the answer ended within its head: {:?}", String::from_utf8_lossy(bytes));
    };
    let head = std::str::from_utf8(&bytes[..end]).context("a head that is not text")?;
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let Some(status) = status else { bail!("no status in `{status_line}`") };
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer { status, headers, body: bytes[end + 4..].to_vec() };
    if answer.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        answer.body = join_chunks(&answer.body)?;
    } else if let Some(length) = answer.header("content-length") {
        let length: usize = length.parse().context("content-length")?;
        if answer.body.len() != length {
            bail!("the body has {} bytes, {length} were announced", answer.body.len());
        }
    }
    Ok(answer)
}

fn join_chunks(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n").context("a chunk without its size")?;
        let size = std::str::from_utf8(&rest[..end]).context("a chunk's size")?;
        let size =
            usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16).context("a chunk's size")?;
        if size == 0 {
            return Ok(body);
        }
        let chunk = rest.get(end + 2..end + 2 + size).context("a chunk that was cut off")?;
        body.extend_from_slice(chunk);
        rest = rest.get(end + 4 + size..).context("a chunk without its end")?;
    }
}

mod tests {
    use super::*;

    #[test]
    fn a_chunked_body_is_joined() -> Result<()> {
        let answer = parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")?;
        assert_eq!((answer.status, answer.text()), (200, "abcde".to_owned()));
        Ok(())
    }

    #[test]
    fn a_body_shorter_than_announced_is_an_error() {
        assert!(parse(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\ncontent-le").is_err());
    }
}

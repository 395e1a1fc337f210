//! The few words in clear before TLS: SMTP, IMAP and PostgreSQL.
//!
//! What a server sends together with its agreement was not asked for and is refused: it would be taken for a part of
//! the protected session (CVE-2011-0411, CVE-2021-23222).

use std::net::IpAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{ProbeError, StartTls};

/// Bytes that a server may say in clear, in all.
const MOST_BYTES: usize = 16 * 1024;

/// `SSLRequest`: a length of 8 and the code 80877103.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

const BEFORE_TLS: &str = "before TLS began";

/// Asks for TLS, and returns when the server has agreed and said nothing else.
pub(super) async fn start(protocol: StartTls, socket: &mut TcpStream) -> Result<(), ProbeError> {
    let mut talk = Talk { socket, pending: Vec::new(), heard: 0 };
    match protocol {
        StartTls::Smtp => talk.smtp().await?,
        StartTls::Imap => talk.imap().await?,
        StartTls::Postgres => talk.postgres().await?,
    }
    if talk.pending.is_empty() { Ok(()) } else { Err(ProbeError::Injected) }
}

struct Talk<'a> {
    socket: &'a mut TcpStream,
    /// Heard and not yet read.
    pending: Vec<u8>,
    heard: usize,
}

impl Talk<'_> {
    async fn smtp(&mut self) -> Result<(), ProbeError> {
        self.reply("220").await?;
        // A client without a name of its own says its address (RFC 5321, section 4.1.3).
        let own = match self.socket.local_addr().map(|address| address.ip()) {
            Ok(IpAddr::V4(ip)) => format!("[{ip}]"),
            Ok(IpAddr::V6(ip)) => format!("[IPv6:{ip}]"),
            Err(_) => "[127.0.0.1]".to_owned(),
        };
        self.say(format!("EHLO {own}\r\n").as_bytes()).await?;
        let offers = self.reply("250").await?;
        if !offers.iter().skip(1).any(|offer| offer.eq_ignore_ascii_case("STARTTLS")) {
            return Err(ProbeError::NoStartTls("it does not offer STARTTLS"));
        }
        self.say(b"STARTTLS\r\n").await?;
        self.reply("220").await.map(drop)
    }

    /// The lines of one reply, without their code.
    async fn reply(&mut self, code: &str) -> Result<Vec<String>, ProbeError> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await?;
            let is_code = line.len() >= 3 && line.bytes().take(3).all(|b| b.is_ascii_digit());
            if !is_code {
                return Err(ProbeError::OtherProtocol { expected: "SMTP" });
            }
            let (found, rest) = line.split_at(3);
            if found != code {
                return Err(ProbeError::NoStartTls("a reply says no"));
            }
            let is_last = !rest.starts_with('-');
            lines.push(rest.get(1..).unwrap_or_default().trim().to_owned());
            if is_last {
                return Ok(lines);
            }
        }
    }

    async fn imap(&mut self) -> Result<(), ProbeError> {
        let greeting = self.line().await?.to_ascii_uppercase();
        match greeting.strip_prefix("* ") {
            Some(rest) if rest.starts_with("OK") => {}
            Some(_) => return Err(ProbeError::NoStartTls("its greeting is not OK")),
            None => return Err(ProbeError::OtherProtocol { expected: "IMAP" }),
        }
        self.say(b"k1 STARTTLS\r\n").await?;
        loop {
            let line = self.line().await?.to_ascii_uppercase();
            match line.strip_prefix("K1 ") {
                Some(rest) if rest == "OK" || rest.starts_with("OK ") => return Ok(()),
                Some(_) => return Err(ProbeError::NoStartTls("it answers no to STARTTLS")),
                None if line.starts_with("* ") => {}
                None => return Err(ProbeError::OtherProtocol { expected: "IMAP" }),
            }
        }
    }

    async fn postgres(&mut self) -> Result<(), ProbeError> {
        self.say(&SSL_REQUEST).await?;
        self.hear().await?;
        match self.pending.remove(0) {
            b'S' => Ok(()),
            b'N' => Err(ProbeError::NoStartTls("it answers no to SSLRequest")),
            _ => Err(ProbeError::OtherProtocol { expected: "PostgreSQL's" }),
        }
    }

    async fn say(&mut self, bytes: &[u8]) -> Result<(), ProbeError> {
        self.socket.write_all(bytes).await.map_err(|cause| ProbeError::of_io(BEFORE_TLS, &cause))
    }

    /// One line without its end; what is not text is replaced.
    async fn line(&mut self) -> Result<String, ProbeError> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
            }
            self.hear().await?;
        }
    }

    async fn hear(&mut self) -> Result<(), ProbeError> {
        let mut buffer = [0_u8; 1024];
        let count = self.socket.read(&mut buffer).await.map_err(|cause| ProbeError::of_io(BEFORE_TLS, &cause))?;
        if count == 0 {
            return Err(ProbeError::Closed { during: BEFORE_TLS });
        }
        self.heard += count;
        if self.heard > MOST_BYTES {
            return Err(ProbeError::TooLong);
        }
        self.pending.extend_from_slice(&buffer[..count]);
        Ok(())
    }
}

//! Asking one server: over UDP from a random port under a random id, over TCP where the answer is cut or must arrive.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::message::{Message, MessageError, Name, query};

const ANSWER_WITHIN: Duration = Duration::from_secs(3);
const TRIES: usize = 3;
/// What one UDP answer can hold, with room to spare.
const LARGEST_UDP: usize = 4096;

/// Why a server did not help.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// It does not answer.
    #[error("the DNS server {server} does not answer: {cause}")]
    Silent {
        /// Which.
        server: SocketAddr,
        /// What happened instead.
        cause: io::Error,
    },
    /// It refuses.
    #[error("the DNS server {server} answers {}", code_name(*code))]
    Refused {
        /// Which.
        server: SocketAddr,
        /// Its code (RFC 1035, section 4.1.1; RFC 2136, section 2.2).
        code: u8,
    },
    /// The question or the answer is no DNS.
    #[error(transparent)]
    Message(#[from] MessageError),
}

/// Asks for the records of one name and type. A name that does not exist has none.
pub(crate) async fn records(server: SocketAddr, name: &Name, kind: u16) -> Result<Message, AskError> {
    let id = random_id();
    let message = query(id, name, kind);
    let answer = ask(server, id, &message).await.map_err(|cause| AskError::Silent { server, cause })?;
    match answer.code {
        0 | 3 => Ok(answer),
        code => Err(AskError::Refused { server, code }),
    }
}

async fn ask(server: SocketAddr, id: u16, message: &[u8]) -> io::Result<Message> {
    let mut answer = Err(io::ErrorKind::TimedOut.into());
    for _ in 0..TRIES {
        answer = match timeout(ANSWER_WITHIN, over_udp(server, id, message)).await {
            Ok(answer) => answer,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        if answer.is_ok() {
            break;
        }
    }
    let answer = answer?;
    if !answer.is_cut {
        return Ok(answer);
    }
    let bytes = over_tcp(server, message).await?;
    let whole = Message::parse(&bytes).map_err(io::Error::other)?;
    if whole.id == id && whole.is_response { Ok(whole) } else { Err(io::Error::other(MessageError::Garbled)) }
}

async fn over_udp(server: SocketAddr, id: u16, message: &[u8]) -> io::Result<Message> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    // Answers of others do not reach a socket that is connected.
    socket.connect(server).await?;
    socket.send(message).await?;
    let mut buffer = vec![0; LARGEST_UDP];
    loop {
        let length = socket.recv(&mut buffer).await?;
        match Message::parse(&buffer[..length]) {
            Ok(answer) if answer.id == id && answer.is_response => return Ok(answer),
            _ => {}
        }
    }
}

/// Sends one message and reads one answer over TCP, where each has its length ahead (RFC 1035, section 4.2.2).
pub(crate) async fn over_tcp(server: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
    let exchange = async {
        let mut stream = TcpStream::connect(server).await?;
        let length = u16::try_from(message.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes()[..], message].concat()).await?;
        let mut answer = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    };
    timeout(2 * ANSWER_WITHIN, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// An id that nobody guesses.
pub(crate) fn random_id() -> u16 {
    let mut bytes = [0; 2];
    // Without randomness the id is 0; the socket's port still has to be guessed.
    let _ = SystemRandom::new().fill(&mut bytes);
    u16::from_be_bytes(bytes)
}

fn code_name(code: u8) -> String {
    let names = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH",
        "NOTZONE",
    ];
    names.get(usize::from(code)).map_or_else(|| format!("code {code}"), |name| (*name).to_owned())
}

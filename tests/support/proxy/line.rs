//! One connection of the proxy: two pumps, and the judgement of each piece of bytes.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::{Counted, Direction, Mode, Shared, Stance};

/// What both pumps of a connection know.
#[derive(Debug, Default)]
struct Line {
    id: u64,
    /// Bytes passed since the connection was made, towards server and client.
    passed: [u64; 2],
    /// The generation of the mode under which the fields below were counted.
    generation: u64,
    has_asked: bool,
    /// Bytes since the request was seen, towards server and client.
    since_request: [u64; 2],
    answers: u32,
    /// The last bytes sent to the server, in which a request may have begun.
    tail: Vec<u8>,
}

/// What becomes of a piece.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Pass,
    Cut { keep: usize },
    Swallow,
}

/// Connects upstream and pumps both ways. Returns when the connection is over.
pub(super) async fn carry(shared: &Shared, client: TcpStream, id: u64) {
    if is_held(&shared.stance.borrow().mode, None) {
        shared.count(|counts| counts.held += 1);
        let mut stance = shared.stance.subscribe();
        let _ = stance.wait_for(|stance| !is_held(&stance.mode, None)).await;
    }
    let upstream = *shared.upstream.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let line = Mutex::new(Line { id, ..Line::default() });
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let there = pump(shared, &line, Direction::ToServer, from_client, to_server);
    let back = pump(shared, &line, Direction::ToClient, from_server, to_client);
    // An error is a cut: it ends both pumps. A regular end of one side lets the other finish.
    let _ = tokio::try_join!(there, back);
}

fn is_held(mode: &Mode, direction: Option<Direction>) -> bool {
    match mode {
        Mode::Freeze => true,
        Mode::Partition { direction: held } => direction == Some(*held),
        _ => false,
    }
}

async fn pump(
    shared: &Shared,
    line: &Mutex<Line>,
    direction: Direction,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        from.readable().await?;
        wait_while_held(shared, direction).await;
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        // A mode that came while this waited for bytes holds them too.
        wait_while_held(shared, direction).await;
        let piece = &buffer[..count];
        let stance = shared.stance.borrow().clone();
        let verdict =
            judge(shared, &mut line.lock().unwrap_or_else(PoisonError::into_inner), &stance, direction, piece);
        if let Mode::Delay { per_chunk } = stance.mode {
            shared.count(|counts| counts.delayed += 1);
            tokio::time::sleep(per_chunk).await;
        }
        match verdict {
            Verdict::Pass => pass(shared, line, direction, &mut to, piece).await?,
            Verdict::Cut { keep } => {
                pass(shared, line, direction, &mut to, &piece[..keep]).await?;
                shared.count(|counts| counts.cuts += 1);
                shared.had_effect(stance.generation);
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            Verdict::Swallow => {
                shared.count(|counts| counts.dropped += 1);
                shared.had_effect(stance.generation);
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
    }
}

async fn wait_while_held(shared: &Shared, direction: Direction) {
    let mut stance = shared.stance.subscribe();
    if !is_held(&stance.borrow_and_update().mode, Some(direction)) {
        return;
    }
    shared.count(|counts| counts.held += 1);
    let _ = stance.wait_for(|stance| !is_held(&stance.mode, Some(direction))).await;
}

async fn pass(
    shared: &Shared,
    line: &Mutex<Line>,
    direction: Direction,
    to: &mut OwnedWriteHalf,
    piece: &[u8],
) -> io::Result<()> {
    to.write_all(piece).await?;
    let mut exchanges = shared.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(exchanges) = exchanges.as_mut() else { return Ok(()) };
    let id = line.lock().unwrap_or_else(PoisonError::into_inner).id;
    let exchange = exchanges.entry(id).or_default();
    exchange.pieces.push((direction, piece.len()));
    match direction {
        Direction::ToServer => exchange.to_server.extend_from_slice(piece),
        Direction::ToClient => exchange.to_client.extend_from_slice(piece),
    }
    Ok(())
}

fn judge(shared: &Shared, line: &mut Line, stance: &Stance, direction: Direction, piece: &[u8]) -> Verdict {
    if line.generation != stance.generation {
        line.generation = stance.generation;
        (line.has_asked, line.since_request, line.answers) = (false, [0, 0], 0);
        line.tail.clear();
    }
    let way = direction as usize;
    let length = piece.len() as u64;
    let before_in_line = line.passed[way];
    let before_overall = shared.overall[way].fetch_add(length, Ordering::SeqCst);
    line.passed[way] += length;
    match &stance.mode {
        Mode::Cut { direction: cut, bytes, counted } => match counted {
            Counted::PerConnection if *cut == direction => cut_at(*bytes, before_in_line, 0, piece),
            Counted::Overall if *cut == direction => cut_at(*bytes, before_overall, 0, piece),
            Counted::SinceRequest(request) => cut_since(line, *cut, *bytes, request, direction, piece),
            _ => Verdict::Pass,
        },
        Mode::DropResponse { after, let_through } => {
            if direction == Direction::ToServer {
                line.has_asked |= look_for(line, after, piece).is_some();
                return Verdict::Pass;
            }
            if !line.has_asked {
                return Verdict::Pass;
            }
            line.answers += 1;
            if line.answers > *let_through { Verdict::Swallow } else { Verdict::Pass }
        }
        _ => Verdict::Pass,
    }
}

/// Cuts when the counted bytes, of which `before` passed already, reach `limit`; the count begins at
/// `start` within the piece.
fn cut_at(limit: u64, before: u64, start: usize, piece: &[u8]) -> Verdict {
    let counted = (piece.len() - start) as u64;
    if before + counted < limit {
        return Verdict::Pass;
    }
    let left = usize::try_from(limit.saturating_sub(before)).unwrap_or(usize::MAX);
    Verdict::Cut { keep: start + left }
}

fn cut_since(
    line: &mut Line,
    cut: Direction,
    limit: u64,
    request: &[u8],
    direction: Direction,
    piece: &[u8],
) -> Verdict {
    let mut start = 0;
    if direction == Direction::ToServer && !line.has_asked {
        let Some(found) = look_for(line, request, piece) else { return Verdict::Pass };
        line.has_asked = true;
        // A request that began in an earlier piece has some of its bytes behind it already.
        line.since_request[0] = u64::try_from(-found).unwrap_or(0);
        start = usize::try_from(found).unwrap_or(0);
    }
    if !line.has_asked || direction != cut {
        return Verdict::Pass;
    }
    let way = direction as usize;
    let before = line.since_request[way];
    line.since_request[way] += (piece.len() - start) as u64;
    cut_at(limit, before, start, piece)
}

/// Where `wanted` begins, counted from the start of the piece: below zero when in an earlier one.
fn look_for(line: &mut Line, wanted: &[u8], piece: &[u8]) -> Option<i64> {
    let mut bytes = std::mem::take(&mut line.tail);
    let earlier = i64::try_from(bytes.len()).unwrap_or(0);
    bytes.extend_from_slice(piece);
    let found = bytes.windows(wanted.len().max(1)).position(|window| window == wanted);
    let kept = bytes.len().min(wanted.len().saturating_sub(1));
    line.tail = bytes.split_off(bytes.len() - kept);
    found.map(|position| i64::try_from(position).unwrap_or(i64::MAX) - earlier)
}

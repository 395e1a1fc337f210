//! The proxy is tried in front of a server that answers each line with `done:` and the line.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::super::wait::eventually;
use super::*;

const SOON: Duration = Duration::from_secs(10);
const BRIEFLY: Duration = Duration::from_millis(100);

/// An echoing server with the lines that it got, and a proxy before it.
struct Rig {
    proxy: Proxy,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Rig {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let upstream = listener.local_addr()?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = lines.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer_lines(stream, kept.clone()));
            }
        });
        Ok(Self { proxy: Proxy::start(upstream).await?, lines })
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn connect(&self) -> Result<TcpStream> {
        Ok(TcpStream::connect(self.proxy.address()).await?)
    }

    /// Sends a line over a new connection and reads what comes until it is closed or a line ends.
    async fn ask(&self, line: &str) -> Result<String> {
        let mut stream = self.connect().await?;
        stream.write_all(format!("{line}\n").as_bytes()).await?;
        read_line(&mut stream).await
    }
}

async fn answer_lines(stream: TcpStream, kept: Arc<Mutex<Vec<String>>>) {
    let (from, mut to) = stream.into_split();
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
        if to.write_all(format!("done:{line}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read_line(stream: &mut TcpStream) -> Result<String> {
    let mut got = Vec::new();
    let mut byte = [0];
    while got.last() != Some(&b'\n') && matches!(stream.read(&mut byte).await, Ok(1)) {
        got.push(byte[0]);
    }
    Ok(String::from_utf8(got)?)
}

#[tokio::test]
async fn bytes_pass_and_can_be_recorded() -> Result<()> {
    let rig = Rig::start().await?;
    rig.proxy.record();
    assert_eq!(rig.ask("hello").await?, "done:hello\n");
    let recorded = rig.proxy.take_recorded();
    assert_eq!(recorded.len(), 1);
    assert_eq!(
        (recorded[0].to_server.as_slice(), recorded[0].to_client.as_slice()),
        (&b"hello\n"[..], &b"done:hello\n"[..])
    );
    assert_eq!(recorded[0].pieces, [(Direction::ToServer, 6), (Direction::ToClient, 11)]);
    Ok(())
}

#[tokio::test]
async fn a_cut_towards_the_client_comes_after_byte_n_of_each_connection() -> Result<()> {
    let rig = Rig::start().await?;
    for bytes in 0..=11 {
        let counted = Counted::PerConnection;
        rig.proxy.set(Mode::Cut { direction: Direction::ToClient, bytes, counted }).await?;
        assert_eq!(rig.ask("hello").await?.len() as u64, bytes);
    }
    assert_eq!(rig.proxy.counts().cuts, 12);
    Ok(())
}

#[tokio::test]
async fn a_cut_towards_the_server_keeps_the_rest_of_the_line_from_it() -> Result<()> {
    let rig = Rig::start().await?;
    rig.proxy.set(Mode::Cut { direction: Direction::ToServer, bytes: 5, counted: Counted::PerConnection }).await?;
    rig.ask("hello").await?;
    let lines =
        eventually(SOON, "the server saw the end", async || Some(rig.lines()).filter(|lines| !lines.is_empty()));
    assert_eq!(lines.await?, ["hello"]);
    assert_eq!(rig.proxy.counts().cuts, 1);
    Ok(())
}

#[tokio::test]
async fn a_cut_counted_overall_spans_connections_and_comes_once() -> Result<()> {
    let rig = Rig::start().await?;
    rig.proxy.set_once(Mode::Cut { direction: Direction::ToClient, bytes: 10, counted: Counted::Overall }).await?;
    assert_eq!(rig.ask("a").await?, "done:a\n");
    assert_eq!(rig.ask("b").await?, "don");
    assert_eq!(rig.ask("c").await?, "done:c\n");
    assert!(rig.proxy.is_passing());
    Ok(())
}

#[tokio::test]
async fn a_cut_since_a_request_counts_from_its_first_byte_even_when_it_comes_in_pieces() -> Result<()> {
    let rig = Rig::start().await?;
    let cut = |direction, bytes| Mode::Cut { direction, bytes, counted: Counted::SinceRequest(b"ALTER".to_vec()) };
    rig.proxy.record();
    rig.proxy.set(cut(Direction::ToServer, 7)).await?;
    let mut stream = rig.connect().await?;
    stream.write_all(b"select\n").await?;
    read_line(&mut stream).await?;
    stream.write_all(b"..ALT").await?;
    let came = async || (rig.proxy.bytes_since_set().0 == 12).then_some(());
    eventually(SOON, "the first half of the word", came).await?;
    stream.write_all(b"ER role\n").await?;
    assert_eq!(read_line(&mut stream).await?, "");
    assert_eq!(rig.proxy.take_recorded()[0].to_server, b"select\n..ALTER r");

    rig.proxy.set(cut(Direction::ToClient, 6)).await?;
    assert_eq!(rig.ask("select").await?, "done:select\n");
    assert_eq!(rig.ask("ALTER").await?, "done:A");
    Ok(())
}

#[tokio::test]
async fn a_dropped_answer_was_given_by_the_server_and_never_reaches_the_client() -> Result<()> {
    let rig = Rig::start().await?;
    rig.proxy.set_once(Mode::DropResponse { after: b"COMMIT".to_vec(), let_through: 0 }).await?;
    assert_eq!(rig.ask("begin").await?, "done:begin\n");
    assert_eq!(rig.ask("COMMIT 1").await?, "");
    assert_eq!(rig.lines(), ["begin", "COMMIT 1"]);
    assert_eq!((rig.proxy.counts().dropped, rig.ask("COMMIT 2").await?.as_str()), (1, "done:COMMIT 2\n"));
    Ok(())
}

#[tokio::test]
async fn a_frozen_server_is_connected_to_and_answers_only_after_the_thaw() -> Result<()> {
    let rig = Rig::start().await?;
    let mut old = rig.connect().await?;
    old.write_all(b"one\n").await?;
    read_line(&mut old).await?;
    rig.proxy.set(Mode::Freeze).await?;
    old.write_all(b"two\n").await?;
    let mut new = rig.connect().await?;
    new.write_all(b"three\n").await?;
    eventually(SOON, "both are held", async || (rig.proxy.counts().held >= 2).then_some(())).await?;
    assert!(tokio::time::timeout(BRIEFLY, read_line(&mut old)).await.is_err());
    assert_eq!(rig.lines(), ["one"]);
    rig.proxy.set(Mode::Pass).await?;
    assert_eq!((read_line(&mut old).await?, read_line(&mut new).await?), ("done:two\n".into(), "done:three\n".into()));
    Ok(())
}

#[tokio::test]
async fn a_partition_towards_the_client_lets_the_request_through() -> Result<()> {
    let rig = Rig::start().await?;
    let mut stream = rig.connect().await?;
    rig.proxy.set(Mode::Partition { direction: Direction::ToClient }).await?;
    stream.write_all(b"late\n").await?;
    eventually(SOON, "the answer is held", async || (rig.proxy.counts().held > 0).then_some(())).await?;
    assert_eq!(rig.lines(), ["late"]);
    rig.proxy.set(Mode::Pass).await?;
    assert_eq!(read_line(&mut stream).await?, "done:late\n");
    Ok(())
}

#[tokio::test]
async fn a_refused_port_is_closed_and_opens_again() -> Result<()> {
    let rig = Rig::start().await?;
    for round in 1..=3 {
        rig.proxy.set(Mode::Refuse).await?;
        let error = rig.connect().await.expect_err("the port is closed");
        assert!(format!("{error:#}").contains("refused"), "{error:#}");
        rig.proxy.set(Mode::Pass).await?;
        assert_eq!(rig.ask("back").await?, "done:back\n");
        assert_eq!(rig.proxy.counts().refusals, round);
    }
    Ok(())
}

#[tokio::test]
async fn a_hang_up_ends_live_connections_and_a_delay_holds_pieces_back() -> Result<()> {
    let rig = Rig::start().await?;
    let mut stream = rig.connect().await?;
    stream.write_all(b"x\n").await?;
    read_line(&mut stream).await?;
    rig.proxy.hang_up();
    assert_eq!(read_line(&mut stream).await?, "");
    rig.proxy.set(Mode::Delay { per_chunk: BRIEFLY }).await?;
    let asked = std::time::Instant::now();
    assert_eq!(rig.ask("slow").await?, "done:slow\n");
    assert!(asked.elapsed() >= BRIEFLY * 2);
    assert_eq!(rig.proxy.counts().delayed, 2);
    Ok(())
}

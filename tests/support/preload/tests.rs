//! The library is tried on a small C program and on SQLite as sqlx bundles it.

use std::io::Read;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::process::Output;
use std::thread::JoinHandle;

use anyhow::Context;
use tempfile::TempDir;

use super::super::recording::prove_synced_between;
use super::*;

/// A victim, its folder, and a peer that keeps what it is sent.
struct Trial {
    folder: TempDir,
    faults: Faults,
    address: SocketAddr,
    listener: TcpListener,
}

impl Trial {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let store = folder.path().join("store.db");
        let faults = Faults::new(folder.path()).store(&store).peer(address).mark("sealed").mark("change-");
        faults.arm()?;
        Ok(Self { folder, faults, address, listener })
    }

    /// Runs the victim to its end; also answers what the peer got, when it was connected.
    fn run(&self, faults: &Faults) -> Result<(Output, Vec<u8>)> {
        static VICTIM: OnceLock<PathBuf> = OnceLock::new();
        let victim =
            VICTIM.get_or_init(|| compile("victim", include_str!("victim.c"), &[]).expect("the victim compiles"));
        let listener = self.listener.try_clone()?;
        listener.set_nonblocking(false)?;
        let peer: JoinHandle<Result<Vec<u8>>> = std::thread::spawn(move || {
            let mut got = Vec::new();
            listener.accept()?.0.read_to_end(&mut got)?;
            Ok(got)
        });
        let mut command = Command::new(victim);
        command.arg(self.folder.path()).arg(self.address.port().to_string());
        let output = command.envs(faults.env()?).output().context("run the victim")?;
        drop(std::net::TcpStream::connect(self.address)); // ends the peer when the victim never came
        let got = peer.join().map_err(|_| anyhow::anyhow!("the peer panicked"))??;
        Ok((output, got))
    }

    fn store_bytes(&self) -> Vec<u8> {
        fs::read(self.folder.path().join("store.db")).unwrap_or_default()
    }
}

#[test]
fn every_point_is_recorded_in_order_with_its_label_and_mark() -> Result<()> {
    let trial = Trial::new()?;
    let (output, got) = trial.run(&trial.faults)?;
    assert_eq!((output.stdout.as_slice(), got.as_slice()), (b"end\n".as_slice(), b"change-the-password".as_slice()));
    let points = trial.faults.record()?;
    let spots: Vec<String> = points.iter().map(Point::spot).collect();
    let peer = trial.address;
    let expected = [
        "write@store.db:1".to_owned(),
        "sync@store.db:1".to_owned(),
        format!("connect@{peer}:1"),
        format!("send@{peer}:1"),
        "write@store.db-new:1".to_owned(),
        "sync@store.db-new:1".to_owned(),
        "truncate@store.db-new:1".to_owned(),
        "rename@store.db:1".to_owned(),
        "unlink@store.db:1".to_owned(),
    ];
    assert_eq!(spots, expected);
    assert!(trial.faults.fired().is_empty());
    prove_synced_between(&points, "sealed", "change-")
}

#[test]
fn a_kill_at_each_point_ends_the_process_there_and_nowhere_else() -> Result<()> {
    let trial = Trial::new()?;
    trial.run(&trial.faults)?;
    let points = trial.faults.record()?;
    for (index, point) in points.iter().enumerate() {
        for (when, done) in [(When::Before, index), (When::After, index + 1)] {
            trial.faults.forget();
            let plan = trial.faults.clone().kill(&point.spot(), when);
            let (output, _) = trial.run(&plan)?;
            assert_eq!(output.status.signal(), Some(9), "{when:?} {}", point.spot());
            assert_eq!(plan.fired().len(), 1, "{when:?} {}", point.spot());
            assert_eq!(plan.record()?.len(), done, "{when:?} {}", point.spot());
        }
    }
    Ok(())
}

#[test]
fn a_torn_write_leaves_half_of_its_bytes() -> Result<()> {
    let trial = Trial::new()?;
    let plan = trial.faults.clone().kill("write@store.db:1", When::Torn);
    trial.run(&plan)?;
    assert_eq!(trial.store_bytes(), b"sealed-v");
    let plan = trial.faults.clone().kill("send:1", When::Torn);
    let (_, got) = trial.run(&plan)?;
    assert_eq!(got, b"cha");
    Ok(())
}

#[test]
fn an_error_comes_once_or_for_ever_as_asked() -> Result<()> {
    let trial = Trial::new()?;
    let once = trial.faults.clone().error("sync:1", "EIO", Lasting::Once);
    assert_eq!(String::from_utf8(trial.run(&once)?.0.stdout)?, "sync 5\nend\n");
    let forever = trial.faults.clone().error("sync:1", "EIO", Lasting::Forever);
    assert_eq!(String::from_utf8(trial.run(&forever)?.0.stdout)?, "sync 5\nsync2 5\nend\n");
    assert_eq!(forever.fired().len(), 3, "{:?}", forever.fired());
    Ok(())
}

#[test]
fn a_full_disk_refuses_growth_and_nothing_else() -> Result<()> {
    let trial = Trial::new()?;
    let plan = trial.faults.clone().room(20);
    assert_eq!(String::from_utf8(trial.run(&plan)?.0.stdout)?, "record 28\nend\n");
    assert_eq!(plan.fired(), ["write\tstore.db-new\t1\troom"]);
    Ok(())
}

#[test]
fn nothing_counts_or_fires_while_it_is_not_armed() -> Result<()> {
    let trial = Trial::new()?;
    trial.faults.disarm()?;
    let plan = trial.faults.clone().kill("any:1", When::Before);
    assert_eq!(trial.run(&plan)?.0.stdout, b"end\n");
    assert!(plan.record()?.is_empty() && plan.fired().is_empty());
    Ok(())
}

#[test]
fn a_plan_that_cannot_be_understood_stops_the_program_at_its_start() -> Result<()> {
    let trial = Trial::new()?;
    for spot in ["sink:1", "sync:0", "sync"] {
        let plan = trial.faults.clone().kill(spot, When::Before);
        assert_eq!(trial.run(&plan)?.0.status.code(), Some(97), "{spot}");
    }
    Ok(())
}

/// What the next tests run under the library: seals a row with the durability of the store, then
/// sends a change over a socket of tokio, as the daemon does both.
#[tokio::test]
#[ignore = "the victim of other tests"]
async fn seals_a_row_and_sends_a_change() -> Result<()> {
    use sqlx::ConnectOptions;
    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
    use tokio::io::AsyncWriteExt;
    let file = std::env::var("KEYWHEEL_TEST_SQLITE").context("the path of the database")?;
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
    let mut connection = options.connect().await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS seal (text TEXT)").execute(&mut connection).await?;
    sqlx::query("INSERT INTO seal VALUES ('sealed-in-sqlite')").execute(&mut connection).await?;
    let mut peer = tokio::net::TcpStream::connect(std::env::var("KEYWHEEL_TEST_PEER")?).await?;
    peer.write_all(b"change-the-password").await?;
    Ok(())
}

/// A folder, a plan over its database and a listening peer that nobody answers at.
struct Daemonlike {
    folder: TempDir,
    peer: TcpListener,
    plan: Faults,
}

impl Daemonlike {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let peer = TcpListener::bind("127.0.0.1:0")?;
        let plan = Faults::new(folder.path()).store(&folder.path().join("keywheel.db")).peer(peer.local_addr()?);
        let plan = plan.mark("sealed-in-sqlite").mark("change-");
        plan.arm()?;
        Ok(Self { folder, peer, plan })
    }

    fn run(&self, faults: &Faults) -> Result<Output> {
        let name = "support::preload::tests::seals_a_row_and_sends_a_change";
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--ignored", "--exact", name, "--test-threads", "1"]);
        command.env("KEYWHEEL_TEST_SQLITE", self.folder.path().join("keywheel.db"));
        command.env("KEYWHEEL_TEST_PEER", self.peer.local_addr()?.to_string());
        command.envs(faults.env()?).output().context("run the victim")
    }
}

#[test]
fn the_bundled_sqlite_and_a_socket_of_tokio_are_seen_in_order() -> Result<()> {
    let trial = Daemonlike::new()?;
    let output = trial.run(&trial.plan)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let points = trial.plan.record()?;
    let sealed = points.iter().find(|point| point.mark.is_some()).context("the row's write was not seen")?;
    assert_eq!((sealed.kind.as_str(), sealed.label.as_str()), ("write", "keywheel.db-wal"));
    prove_synced_between(&points, "sealed-in-sqlite", "change-")
}

#[test]
fn the_bundled_sqlite_meets_a_full_disk_and_a_failing_sync() -> Result<()> {
    for (point, errno, words) in
        [("write@keywheel.db-wal:1", "ENOSPC", "disk is full"), ("sync@keywheel.db-wal:1", "EIO", "disk I/O error")]
    {
        let trial = Daemonlike::new()?;
        let plan = trial.plan.clone().error(point, errno, Lasting::Forever);
        let output = trial.run(&plan)?;
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(words), "sqlite did not say `{words}`: {said}");
        assert!(!plan.fired().is_empty());
    }
    Ok(())
}

#[test]
fn a_kill_before_the_sync_comes_before_anything_is_sent() -> Result<()> {
    let trial = Daemonlike::new()?;
    let plan = trial.plan.clone().kill("sync@keywheel.db-wal:1", When::Before);
    assert_eq!(trial.run(&plan)?.status.signal(), Some(9));
    assert!(!plan.record()?.iter().any(|point| point.kind == "send"));
    assert_eq!(plan.fired().len(), 1);
    Ok(())
}

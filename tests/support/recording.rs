//! The record of the fault library: points, and the proof that one thing was durable before another.

use anyhow::{Context, Result, ensure};

/// One call that made something durable or sent something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Point {
    /// Its place among all points.
    pub(crate) sequence: u64,
    /// `write`, `sync`, `send`, `truncate`, `rename`, `unlink` or `connect`.
    pub(crate) kind: String,
    /// The file or peer.
    pub(crate) label: String,
    /// Its place among the points of its kind and label.
    pub(crate) ordinal: u64,
    pub(crate) bytes: u64,
    /// CLOCK_MONOTONIC in nanoseconds.
    pub(crate) began_at: u64,
    /// When it ended; for what is sent, when it began; 0 when a fault took its place.
    pub(crate) ended_at: u64,
    /// What the call returned, or the error as a negative number.
    pub(crate) result: i64,
    /// The first of the asked texts that the bytes contain.
    pub(crate) mark: Option<String>,
}

impl Point {
    /// The name of this point in a plan of faults.
    pub(crate) fn spot(&self) -> String {
        format!("{}@{}:{}", self.kind, self.label, self.ordinal)
    }
}

/// Reads the lines of a record; a last line without its end is left out.
pub(crate) fn parse_record(text: &str) -> Result<Vec<Point>> {
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    whole.lines().map(|line| parse_line(line).with_context(|| format!("the record's line `{line}`"))).collect()
}

fn parse_line(line: &str) -> Result<Point> {
    let parts: Vec<&str> = line.split('\t').collect();
    ensure!(parts.len() == 9, "{} parts instead of 9", parts.len());
    Ok(Point {
        sequence: parts[0].parse()?,
        kind: parts[1].to_owned(),
        label: parts[2].to_owned(),
        ordinal: parts[3].parse()?,
        bytes: parts[4].parse()?,
        began_at: parts[5].parse()?,
        ended_at: parts[6].parse()?,
        result: parts[7].parse()?,
        mark: (parts[8] != "-").then(|| parts[8].to_owned()),
    })
}

/// The order proof: between the write marked `sealed` and the first thing sent marked `sent`, the
/// written file was synced with success. Fails as well when either of them was never seen.
pub(crate) fn prove_synced_between(points: &[Point], sealed: &str, sent: &str) -> Result<()> {
    let marked =
        |kind: &str, mark: &str| points.iter().find(|point| point.kind == kind && point.mark.as_deref() == Some(mark));
    let write = marked("write", sealed).with_context(|| format!("no write contains `{sealed}`"))?;
    let send = marked("send", sent).with_context(|| format!("nothing sent contains `{sent}`"))?;
    let is_between = |point: &&Point| {
        point.kind == "sync"
            && point.label == write.label
            && point.result == 0
            && point.began_at >= write.ended_at
            && point.ended_at <= send.began_at
    };
    let sync = points.iter().find(is_between);
    ensure!(sync.is_some(), "`{}` was sent before the write {} was synced", send.spot(), write.spot());
    Ok(())
}

mod tests {
    use super::*;

    const GOOD: &str = "1\twrite\tdb-wal\t1\t17\t10\t11\t17\tsealed\n\
                        2\tsync\tdb-wal\t1\t0\t12\t13\t0\t-\n\
                        3\tsend\tpg\t1\t9\t14\t14\t0\tALTER\n";

    #[test]
    fn a_sync_between_seal_and_change_is_a_proof() -> Result<()> {
        prove_synced_between(&parse_record(GOOD)?, "sealed", "ALTER")
    }

    #[test]
    fn no_proof_is_a_sync_that_is_late_failed_early_or_of_another_file() -> Result<()> {
        let swaps = [("\t12\t13\t0", "\t12\t15\t0"), ("\t12\t13\t0", "\t12\t13\t-5"), ("\t12\t13\t0", "\t9\t13\t0")];
        for (from, to) in swaps {
            let points = parse_record(&GOOD.replace(from, to))?;
            assert!(prove_synced_between(&points, "sealed", "ALTER").is_err(), "{to:?} was taken for a proof");
        }
        let points = parse_record(&GOOD.replace("sync\tdb-wal", "sync\tdb"))?;
        assert!(prove_synced_between(&points, "sealed", "ALTER").is_err());
        Ok(())
    }

    #[test]
    fn a_mark_that_was_never_seen_is_an_error_and_not_a_proof() -> Result<()> {
        let points = parse_record(GOOD)?;
        assert!(prove_synced_between(&points, "sealed", "DROP").is_err());
        assert!(prove_synced_between(&points, "unsealed", "ALTER").is_err());
        Ok(())
    }

    #[test]
    fn a_line_cut_off_by_the_kill_is_left_out() -> Result<()> {
        assert_eq!(parse_record(&GOOD[..GOOD.len() - 3])?.len(), 2);
        Ok(())
    }
}

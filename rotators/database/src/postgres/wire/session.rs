//! A session that is logged in: simple queries, text rows.

use super::{
    WireError,
    frame::{Cursor, Frame, Frames, Outgoing},
};

/// One row of an answer, as text.
pub(crate) struct Row(Vec<Option<String>>);

impl Row {
    /// The text of a column; none for NULL and for a column that is not there.
    pub(crate) fn text(&self, column: usize) -> Option<&str> {
        self.0.get(column).and_then(Option::as_deref)
    }

    /// Whether a column of type boolean is true; NULL is not.
    pub(crate) fn is_true(&self, column: usize) -> bool {
        self.text(column) == Some("t")
    }

    /// A column as a number; none for NULL and for what is no number.
    pub(crate) fn number<T: std::str::FromStr>(&self, column: usize) -> Option<T> {
        self.text(column).and_then(|text| text.parse().ok())
    }
}

/// A session. Dropping it closes the connection, and the server ends what it was doing when it next looks.
pub(crate) struct Session(Frames);

impl Session {
    pub(super) fn over(frames: Frames) -> Self {
        Self(frames)
    }

    /// Sends one simple query, which may hold several statements, and waits for the answer to all of them; the rows
    /// of all are returned together. After an error of severity `ERROR` the session can be used again.
    pub(crate) async fn query(&mut self, sql: &str) -> Result<Vec<Row>, WireError> {
        if sql.contains('\0') {
            return Err(WireError::protocol("a statement with a zero byte"));
        }
        self.0.send(&Outgoing::new(Some(b'Q'), &[sql.as_bytes(), b"\0"])?).await?;
        let mut rows = Vec::new();
        let mut refused = None;
        loop {
            match self.0.receive().await {
                Ok(Frame { tag: b'Z', .. }) => return refused.map_or(Ok(rows), Err),
                Ok(Frame { tag: b'D', body }) => rows.push(row(&body)?),
                Ok(Frame { tag: b'T' | b'C' | b'I', .. }) => {}
                Ok(Frame { tag, .. }) => return Err(WireError::protocol(format!("message {tag} in an answer"))),
                Err(WireError::Server(error)) if error.severity == "ERROR" => refused = Some(WireError::Server(error)),
                Err(other) => return Err(other),
            }
        }
    }

    /// Says good-bye, so that the server does not log a lost connection. Failing at that is no failure.
    pub(crate) async fn close(mut self) {
        if let Ok(terminate) = Outgoing::new(Some(b'X'), &[]) {
            let _ = self.0.send(&terminate).await;
        }
    }
}

fn row(body: &[u8]) -> Result<Row, WireError> {
    let mut cursor = Cursor(body);
    let count = cursor.int16()?;
    let mut columns = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        columns.push(match usize::try_from(cursor.int32()?) {
            Ok(length) => Some(String::from_utf8_lossy(cursor.bytes(length)?).into_owned()),
            Err(_) => None,
        });
    }
    Ok(Row(columns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_empty_are_told_apart() {
        let row = row(b"\0\x02\xff\xff\xff\xff\0\0\0\0").expect("well-formed");
        assert_eq!((row.text(0), row.text(1), row.text(2)), (None, Some(""), None));
    }
}

//! The calendar, read back by parsers of others' (`tests/reference/feed.py`).

mod proofs {
    use anyhow::{Result, ensure};
    use keywheel::expiry::{CalendarRow, calendar};
    use serde_json::{Value, json};

    use crate::expiry::case::{BEGIN, DAY};
    use crate::schedule::{
        random::Random,
        reference::{Reference, instant},
    };
    use crate::support::proof::{Proof, count};

    const PIECES: [&str; 18] = [
        "\\",
        "\\n",
        "expires",
        "a",
        " ",
        "  ",
        ",",
        ";",
        ":",
        "\n",
        "\"",
        "'",
        "Schlüssel für Größe",
        "ключ",
        "🔑🔑🔑",
        "BEGIN:VEVENT",
        "\nEND:VCALENDAR\n",
        "https://keywheel.example.org/secrets/billing/db?x=1&y=2",
    ];

    /// Begins and ends with a letter: what surrounds a text is not the format's business.
    fn any_text(random: &mut Random, pieces: &[&str]) -> String {
        let pieces: String = (0..random.between(0, 12)).map(|_| *random.pick(pieces)).collect();
        format!("<{pieces}>")
    }

    fn any_row(random: &mut Random, pieces: &[&str]) -> CalendarRow {
        CalendarRow {
            uid: format!("sec_{}-expiry@keywheel.example.org", random.between(0, i64::from(u32::MAX))),
            summary: any_text(random, pieces),
            description: if random.percent(30) { String::new() } else { any_text(random, pieces) },
            at: instant(BEGIN + random.between(-30 * 365 * DAY, 7_900 * 365 * DAY)),
            categories: (0..random.between(0, 3)).map(|_| any_text(random, pieces)).collect(),
        }
    }

    fn expected(row: &CalendarRow, made_at: i64) -> Value {
        json!({
            "uid": row.uid, "summary": row.summary, "description": row.description, "at": row.at.timestamp(),
            "made_at": made_at, "categories": row.categories,
        })
    }

    #[test]
    fn another_parser_reads_from_the_calendar_what_was_put_in() -> Result<()> {
        let proof = Proof::begin("25b", "readings of calendars");
        let mut random = Random::seeded(proof.seed());
        let owed = count(300, 10_000);
        let all: Vec<(String, Vec<CalendarRow>)> = (0..owed)
            .map(|_| {
                // Half of them without a backslash.
                let pieces = if random.percent(50) { &PIECES[2..] } else { &PIECES[..] };
                let rows = (0..random.between(0, 8)).map(|_| any_row(&mut random, pieces)).collect();
                (any_text(&mut random, pieces), rows)
            })
            .collect();
        let text = |(name, rows): &(String, Vec<CalendarRow>)| calendar(name, instant(BEGIN), rows);
        let requests: Vec<Value> = all.iter().map(|one| json!({ "kind": "feed", "text": text(one) })).collect();
        let mut reference = Reference::of("feed.py", &requests);
        let mut reads = 0;
        for ((name, rows), request) in all.iter().zip(&requests) {
            let entries: Vec<Value> = rows.iter().map(|row| expected(row, BEGIN)).collect();
            let expected = json!({ "name": name, "entries": entries });
            for (parser, found) in reference.next().as_object().into_iter().flatten() {
                ensure!(*found == expected, "{request}: {parser} found {found}, expected {expected}");
                reads += 1;
            }
        }
        // One parser reads them all, and a second those without a backslash.
        let least = owed + owed / 10;
        proof.end(reads, least)
    }
}

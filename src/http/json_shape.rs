//! Refuses JSON whose shape costs more than its size: too deep, too many keys, a key given two times.

use std::{cell::Cell, collections::HashSet, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Objects and arrays inside each other.
const DEPTH: usize = 32;
/// Keys and items of a whole text.
const PARTS: usize = 20_000;

/// Checks a text without building it. The error never repeats the text.
pub(super) fn check(text: &[u8]) -> Result<(), String> {
    let parts = Cell::new(0);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let walked = Shape { depth: 0, parts: &parts }.deserialize(&mut reader).and_then(|()| reader.end());
    walked.map_err(|error| match error.classify() {
        serde_json::error::Category::Data => format!("{error}"),
        _ => format!("it is not JSON at line {} column {}", error.line(), error.column()),
    })
}

struct Shape<'p> {
    depth: usize,
    parts: &'p Cell<usize>,
}

impl Shape<'_> {
    fn count<E: Error>(&self) -> Result<(), E> {
        self.parts.set(self.parts.get() + 1);
        if self.parts.get() > PARTS { Err(E::custom(format!("it has more than {PARTS} parts"))) } else { Ok(()) }
    }

    fn inner<E: Error>(&self) -> Result<Self, E> {
        if self.depth == DEPTH {
            return Err(E::custom(format!("it is deeper than {DEPTH}")));
        }
        Ok(Self { depth: self.depth + 1, parts: self.parts })
    }
}

impl<'de> DeserializeSeed<'de> for Shape<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shape<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while items.next_element_seed(Shape { ..inner })?.is_some() {
            self.count()?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        let mut keys = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            self.count()?;
            if !keys.insert(key) {
                return Err(A::Error::custom("it has an object with the same key two times"));
            }
            entries.next_value_seed(Shape { ..inner })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_json_is_taken() {
        for text in ["{}", "[1,-2,3.5,null,true,\"x\"]", r#"{"a":{"b":[{"c":1},{"c":2}]}}"#, "7"] {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
        }
    }

    #[test]
    fn costly_shapes_are_refused() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let barely = format!("{}{}", "[".repeat(33), "]".repeat(33));
        let wide = format!("[{}1]", "1,".repeat(1_000_000));
        let keys: Vec<String> = (0..30_000).map(|n| format!("\"k{n}\":1")).collect();
        let keys = format!("{{{}}}", keys.join(","));
        for text in [&deep, &barely, &wide, &keys, r#"{"canary":1,"canary":2}"#, "{", "", "{} x", "'canary'"] {
            let error = check(text.as_bytes()).expect_err("refused");
            assert!(!error.contains("canary"), "{error}");
        }
        let fits = format!("{}{}", "[".repeat(32), "]".repeat(32));
        assert_eq!(check(fits.as_bytes()), Ok(()));
    }
}

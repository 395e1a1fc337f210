//! Proof 54: ciphertext that is exchanged between rows, columns, tables, tenants, versions and key ids never opens.

use std::collections::BTreeMap;

use keywheel_contract::{KeyId, TenantId};

use super::{Seeded, add, at, key_id, keyring, tenant};
use crate::keyring::{Keyring, Place};

const EXCHANGES: usize = 10_000;
const TABLES: [&str; 2] = ["version", "target"];
const ROWS: [&str; 4] = ["ver_1", "ver_2", "ver_3", "ver_12"];
const COLUMNS: [&str; 3] = ["value", "proof", "valu"];

/// Where one value was sealed, and what came out.
#[derive(Clone)]
struct Item {
    tenant: TenantId,
    table: &'static str,
    row: &'static str,
    column: &'static str,
    key_id: KeyId,
    token: Vec<u8>,
}

impl Item {
    fn place(&self) -> Place<'_> {
        Place { tenant: &self.tenant, table: self.table, row: self.row, column: self.column }
    }

    /// What differs between two items, most telling first.
    fn differs(&self, other: &Self) -> Vec<&'static str> {
        let all = [
            ("tenant", self.tenant != other.tenant),
            ("key id", self.key_id != other.key_id),
            ("table", self.table != other.table),
            ("row", self.row != other.row),
            ("column", self.column != other.column),
        ];
        all.iter().filter(|(_, is_different)| *is_different).map(|(name, _)| *name).collect()
    }
}

/// The same values at every place of two tenants, under both generations of their roots.
fn world() -> (Keyring, Vec<Item>) {
    let keyring = keyring(&[]);
    let mut items = Vec::new();
    for generation in [1, 2] {
        for of in [1, 2] {
            add(&keyring, of, generation);
            for table in TABLES {
                for row in ROWS {
                    for column in COLUMNS {
                        let (tenant, key_id) = (tenant(of), key_id(generation));
                        let place = Place { tenant: &tenant, table, row, column };
                        let token = keyring.seal(&place, b"value", at(1)).expect("a root").token;
                        items.push(Item { tenant, table, row, column, key_id, token });
                    }
                }
            }
        }
    }
    (keyring, items)
}

#[test]
fn ten_thousand_exchanged_tokens_are_refused() {
    let (keyring, items) = world();
    let opens = |item: &Item, token: &[u8]| keyring.open(&item.place(), &item.key_id, token).is_ok();
    assert!(items.iter().all(|item| opens(item, &item.token)), "each opens where it was sealed");
    let random = Seeded::new(54);
    let (mut refusals, mut exchanges) = (0, 0);
    let mut alone = BTreeMap::<&str, usize>::new();
    while exchanges < EXCHANGES {
        let (one, other) = (&items[random.below(items.len())], &items[random.below(items.len())]);
        let differs = one.differs(other);
        // Every second exchange changes one thing alone, which is the hardest to notice.
        if differs.is_empty() || (exchanges % 2 == 0 && differs.len() > 1) {
            continue;
        }
        if let [name] = differs[..] {
            *alone.entry(name).or_default() += 1;
        }
        exchanges += 1;
        refusals += usize::from(!opens(one, &other.token) && !opens(other, &one.token));
    }
    assert_eq!(refusals, EXCHANGES);
    assert!(alone.len() == 5 && alone.values().all(|count| *count > 300), "{alone:?}");
}

#[test]
fn a_token_is_refused_under_a_key_id_that_is_not_its_own() {
    let (keyring, items) = world();
    for item in &items {
        for other in [key_id(1), key_id(2), key_id(3)].iter().filter(|id| **id != item.key_id) {
            assert!(keyring.open(&item.place(), other, &item.token).is_err());
        }
    }
}

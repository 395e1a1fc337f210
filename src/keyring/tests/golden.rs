//! Golden values: what was written by version 1 of each format must be read for ever.
//!
//! They were made by `tests/keyring_fernet.py golden`, which shares no code with this crate. The root is bytes 0 to
//! 31, the master key bytes 32 to 63, every IV bytes 0 to 15. A change that turns one of these red loses data: give
//! the new format another format byte instead.

use super::{at, key_id, tenant};
use crate::keyring::{Keyring, MacInput, MasterId, MasterKeys, Place, Root, WrappedRoot};

const TENANT: &str = "ten_0000000000040g2081040g2081";
const KEY_ID: &str = "key_0000000000040g2081040g2081";
const MASTER: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
const MASTER_ID: &str = "7dafcd9558482098";
const SEALED: &str = concat!(
    "gAAAAAAAAAAAAAECAwQFBgcICQoLDA0OD-xnY9B9Eug85F9XzvnQv09tQl3gDFDBHY_7ZpkKz3D-e3hDRQhUAQcg9V4zt_dn6e9D",
    "JJAzTEJIXFkCDRvsK1NBtI3jSHj9M8mndnEmBWahlJCqB5JBuMPDIefSAQA4MS5-Bxq7KStJmasIxhc83yUc8xcJQFVl_q09LSKq",
    "nUWq_U4NhSiGc1LuvDyK76JF8zpW4rwQkXB9a8lYQmv6uzyNQUvz1yURS6EwDbG1FW161EUVKBAJqyGO7rC6bWNJMQqb2EIJmOZC",
    "yFiSUWw0_dlj0c1oLqZNi_M8I17YuVC_ThZmmApaxUIK8btySOh6CQ==",
);
const WRAPPED: &str = concat!(
    "gAAAAAAAAAAAAAECAwQFBgcICQoLDA0ODz3Tb5D5TAC75TlKIciidor2CuODjwLD4CjyDefzmK2F3_eTAt0ImE1I4joXntBr5ZYw",
    "w-baYeNbohHkAtUnDkkukFeXJeqGV1o04scVolm37JiNhDgpMWtXcVASOO1zjnYLMZplOfazHG2nLEFB8CuPdQnzNAb7YA2SLXXd",
    "oUvXY9T3CkwtpJ36wxLltllbPxnXdEUbdUm6TLIN1s3cUG6ij7xcLo9OIFX2iNXKXu5YZeWYvmbLCmuvvelefU3_d2if02_m8rXL",
    "IkJk2qt1Sa7QELUhtjAJKYQ--wmCO-RIDHLDSzAyyNEBD2ZvuQf9gA==",
);
const MAC: &str = "37b37799a53af9cb925f95b89b6d96a8f66916836a44b65f154da0eea6372f06";
const FINGERPRINT: &str = "07a648be015d168302b6a21fbe35cc89";
const TOKEN_HASH: &str = "1a45166adc6d3f91ed660b38b1b5c86ba7cc7d6a6f34180b20cc9eff43209ed2";
const PLAIN: &[u8] = b"golden value";

fn root() -> [u8; 32] {
    std::array::from_fn(|i| u8::try_from(i).expect("small"))
}

fn keyring() -> Keyring {
    let keyring = Keyring::new();
    keyring.add(Root::known(tenant(1), key_id(1), root()));
    keyring
}

fn stored(token: &str) -> Vec<u8> {
    [b"\x01", token.as_bytes()].concat()
}

#[test]
fn the_ids_are_the_ones_that_were_sealed() {
    assert_eq!((tenant(1).as_str(), key_id(1).as_str()), (TENANT, KEY_ID));
}

#[test]
fn a_sealed_value_of_version_1_opens() {
    let tenant = tenant(1);
    let place = Place { tenant: &tenant, table: "version", row: "ver_1", column: "value" };
    let opened = keyring().open_dated(&place, &key_id(1), &stored(SEALED)).expect("opens");
    assert_eq!((&opened.plain[..], opened.sealed_at), (PLAIN, at(1_700_000_000)));
}

#[test]
fn a_wrapped_root_of_version_1_opens() {
    let masters = MasterKeys::parse(MASTER).expect("one key");
    assert_eq!(masters.newest_id().as_str(), MASTER_ID);
    let master_id = MasterId::parse(MASTER_ID).expect("an id");
    let (tenant, key_id, token) = (tenant(1), key_id(1), stored(WRAPPED));
    let opened = WrappedRoot { tenant, key_id, master_id, token, created_at: at(0) }.unwrap(&masters).expect("opens");
    assert_eq!(opened.raw().expose(), &root());
    assert_eq!(opened.wrap(&masters).created_at, at(1_700_000_000));
}

#[test]
fn a_mac_of_version_1_verifies() {
    let row = MacInput::new().text("id", "sec_1").null("owner").int("revision", 7).bytes("seal", &[0, 255]);
    let tag = (0..32).map(|i| u8::from_str_radix(&MAC[2 * i..2 * i + 2], 16).expect("hexadecimal")).collect();
    let mac = [vec![1, 0, 0, 0, 30], KEY_ID.into(), tag].concat();
    assert_eq!(keyring().verify_mac(&tenant(1), "secret", &row, &mac), Ok(()));
    assert_eq!(keyring().mac(&tenant(1), "secret", &row), Ok(mac));
}

#[test]
fn keyed_hashes_of_version_1_are_found() {
    assert_eq!(keyring().fingerprint(&tenant(1), "sec_1", PLAIN).as_deref(), Ok(FINGERPRINT));
    assert_eq!(keyring().token_hash(&tenant(1), PLAIN).as_deref(), Ok(TOKEN_HASH));
}

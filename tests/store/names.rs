//! Names: listed below a prefix, by code point, in the same way on both engines.

use keywheel::store::{event, secret};

use super::world::{World, on_both_engines};

on_both_engines!(
    names_are_listed_by_code_point_on_both_engines,
    a_prefix_is_no_pattern_and_knows_upper_from_lower_case,
    pages_follow_each_other_without_a_gap,
);

const NAMES: [&str; 15] = [
    "A",
    "App/db",
    "a",
    "a%b",
    "a/b",
    "a/b/c",
    "a0",
    "a_b",
    "aa",
    "app/db",
    "é",
    "ß/x",
    "日本/db",
    "z",
    "\u{1F511}/key",
];

async fn fill(world: &World) {
    let secrets: Vec<_> = NAMES.iter().map(|name| world.secret(name, None)).collect();
    let keyring = world.keyring.clone();
    let filled = world.write(move |tx| {
        Box::pin(async move {
            for secret in &secrets {
                let written = secret::insert(tx, &keyring, secret).await?;
                event::note_without_event(tx, &[written]).await?;
            }
            Ok(())
        })
    });
    filled.await.expect("filled");
}

async fn list(world: &World, prefix: &str, after: &str, limit: i64) -> Vec<String> {
    let mut tx = world.read().await;
    let listed = secret::list(&mut tx, &world.keyring, &world.tenant, prefix, after, limit).await.expect("listed");
    listed.into_iter().map(|secret| secret.name.to_string()).collect()
}

async fn names_are_listed_by_code_point_on_both_engines(world: World) {
    fill(&world).await;
    let mut expected: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    // UTF-8 sorts as code points do.
    expected.sort_by(|a, b| a.chars().cmp(b.chars()));
    assert_eq!(list(&world, "", "", 100).await, expected);
}

async fn a_prefix_is_no_pattern_and_knows_upper_from_lower_case(world: World) {
    fill(&world).await;
    for (prefix, expected) in [
        ("a/", vec!["a/b", "a/b/c"]),
        ("a%", vec!["a%b"]),
        ("a_", vec!["a_b"]),
        ("%", vec![]),
        ("_", vec![]),
        ("App", vec!["App/db"]),
        ("app", vec!["app/db"]),
        ("日", vec!["日本/db"]),
        ("\u{1F511}", vec!["\u{1F511}/key"]),
        ("e\u{301}", vec![]),
    ] {
        assert_eq!(list(&world, prefix, "", 100).await, expected, "{prefix}");
    }
}

async fn pages_follow_each_other_without_a_gap(world: World) {
    fill(&world).await;
    let (mut paged, mut after) = (Vec::new(), String::new());
    loop {
        let page = list(&world, "", &after, 4).await;
        let Some(last) = page.last() else { break };
        after.clone_from(last);
        paged.extend(page);
    }
    assert_eq!(paged, list(&world, "", "", 100).await);
}

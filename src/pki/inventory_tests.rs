use super::*;

fn at(day: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(day * 86_400, 0).expect("in bounds")
}

/// A certificate for `name` that ends on a day; its digest is its name and its day.
fn seen(name: &str, day: i64) -> Seen {
    Seen {
        subject: format!("CN={name}"),
        names: vec![name.to_owned()],
        issuer: "CN=ca".to_owned(),
        issuer_key: "aa".to_owned(),
        serial: format!("{day:02x}"),
        key: "EC P-256".to_owned(),
        not_before: at(day - 90),
        not_after: at(day),
        sha256: format!("{name}-{day}"),
        problems: Vec::new(),
    }
}

fn file(path: &str, leaves: &[Seen]) -> FileSeen {
    FileSeen { paths: vec![path.to_owned()], is_linked: false, looked: Looked::Leaves(leaves.to_vec()) }
}

fn known(path: &str, slot: u32, certificate: Seen) -> Known {
    Known { path: path.to_owned(), slot, certificate, is_forgotten: false }
}

fn walk(files: Vec<FileSeen>) -> Walk {
    Walk { files, ..Walk::default() }
}

/// The lines as `path#slot word`.
fn told(walk: &Walk, known: &[Known]) -> Vec<String> {
    let lines = compare(walk, known, &|seen| seen.names == ["ours"], at(100));
    lines.iter().map(|line| format!("{}#{} {}", line.path, line.slot, line.standing.word())).collect()
}

#[test]
fn one_file_is_new_same_renewed_or_gone() {
    let (one, next) = (seen("a", 200), seen("a", 290));
    let before = [known("a.pem", 1, one.clone())];
    for (files, known, expected) in [
        (vec![file("a.pem", std::slice::from_ref(&one))], &[][..], vec!["a.pem#1 new"]),
        (vec![file("a.pem", std::slice::from_ref(&one))], &before, vec!["a.pem#1 same"]),
        (vec![file("a.pem", std::slice::from_ref(&next))], &before, vec!["a.pem#1 renewed"]),
        (vec![file("a.pem", &[seen("b", 200)])], &before, vec!["a.pem#1 renewed"]),
        (vec![file("a.pem", &[])], &before, vec!["a.pem#1 vanished"]),
        (vec![], &before, vec!["a.pem#1 vanished"]),
        (vec![file("a.pem", &[seen("ours", 200)])], &[], vec!["a.pem#1 ours"]),
        (vec![file("a.pem", &[seen("ours", 200)])], &before, vec!["a.pem#1 renewed"]),
    ] {
        assert_eq!(told(&walk(files), known), expected);
    }
}

#[test]
fn several_in_one_file_keep_their_numbers() {
    let (a, b, c) = (seen("a", 200), seen("b", 200), seen("c", 200));
    let before = [known("f", 1, a.clone()), known("f", 2, b.clone())];
    for (leaves, expected) in [
        (vec![a.clone(), b.clone()], vec!["f#1 same", "f#2 same"]),
        (vec![b.clone(), a.clone()], vec!["f#1 same", "f#2 same"]),
        (vec![b.clone()], vec!["f#1 vanished", "f#2 same"]),
        (vec![b.clone(), seen("a", 290)], vec!["f#1 renewed", "f#2 same"]),
        (vec![seen("b", 290), a.clone()], vec!["f#1 same", "f#2 renewed"]),
        (vec![c.clone(), a.clone(), b.clone()], vec!["f#1 same", "f#2 same", "f#3 new"]),
        (vec![], vec!["f#1 vanished", "f#2 vanished"]),
    ] {
        assert_eq!(told(&walk(vec![file("f", &leaves)]), &before), expected);
    }
}

#[test]
fn nothing_vanishes_that_was_not_looked_for() {
    let before = [known("d/a", 1, seen("a", 200)), known("da", 1, seen("a", 200))];
    let cut = Walk { is_cut: true, ..Walk::default() };
    assert_eq!(told(&cut, &before), ["d/a#1 unsure", "da#1 unsure"]);
    let closed = Walk { closed: vec!["d".to_owned()], ..Walk::default() };
    assert_eq!(told(&closed, &before), ["d/a#1 unsure", "da#1 vanished"]);
    let large = Walk { large: ["d/a".to_owned()].into(), closed: vec!["da".to_owned()], ..Walk::default() };
    assert_eq!(told(&large, &before), ["d/a#1 unsure", "da#1 unsure"]);
    for (obstacle, expected) in
        [(Obstacle::NeedsPassword, "d/a#1 unsure"), (Obstacle::Damaged(String::new()), "d/a#1 vanished")]
    {
        let file = FileSeen { looked: Looked::Closed(obstacle), ..file("d/a", &[]) };
        assert_eq!(told(&walk(vec![file]), &before[..1]), [expected]);
    }
}

#[test]
fn what_a_person_deleted_is_left_alone() {
    let forgotten = [Known { is_forgotten: true, ..known("a", 1, seen("a", 200)) }];
    assert_eq!(told(&walk(vec![file("a", &[seen("a", 290)])]), &forgotten), ["a#1 forgotten"]);
    assert_eq!(told(&Walk::default(), &forgotten), ["a#1 forgotten"]);
}

#[test]
fn a_file_is_called_by_the_path_that_is_known() {
    let linked = |paths: &[&str], leaf: Seen| FileSeen {
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        is_linked: true,
        looked: Looked::Leaves(vec![leaf]),
    };
    let both = ["live/a", "archive/a2"];
    assert_eq!(told(&walk(vec![linked(&both, seen("a", 200))]), &[]), ["live/a#1 new"]);
    let before = [known("archive/a2", 1, seen("a", 200))];
    assert_eq!(told(&walk(vec![linked(&both, seen("a", 200))]), &before), ["archive/a2#1 same"]);
    // The link leads to the next one: the older one beside it is nobody's concern.
    let before = [known("live/a", 1, seen("a", 200))];
    let files = vec![file("archive/a2", &[seen("a", 200)]), linked(&["live/a", "archive/a3"], seen("a", 290))];
    assert_eq!(told(&walk(files), &before), ["archive/a2#1 superseded", "live/a#1 renewed"]);
    // Two that are both in use, with keys of two kinds or not, are both of concern.
    let files = vec![linked(&["live/b"], seen("a", 200)), linked(&["live/a"], seen("a", 290))];
    assert_eq!(told(&walk(files), &[]), ["live/a#1 new", "live/b#1 new"]);
    let rsa = Seen { key: "RSA 2048".to_owned(), ..seen("a", 200) };
    let files = vec![file("b", &[rsa]), linked(&["live/a"], seen("a", 290))];
    assert_eq!(told(&walk(files), &[]), ["b#1 new", "live/a#1 new"]);
}

#[test]
fn a_certificate_that_is_over_is_tracked_unless_another_took_its_place() {
    let over = file("old", &[seen("a", 99)]);
    assert_eq!(told(&walk(vec![over.clone()]), &[]), ["old#1 new"]);
    assert_eq!(told(&walk(vec![over, file("new", &[seen("a", 290)])]), &[]), ["new#1 new", "old#1 superseded"]);
}

#[test]
fn an_endpoint_differs_from_what_is_newer_and_has_its_names() {
    let candidate = |name: &str, day| {
        let seen = seen(name, day);
        Candidate {
            secret: format!("{name}-{day}"),
            names: vec![name.to_uppercase()],
            issuer_key: seen.issuer_key,
            serial: seen.serial,
            not_before: seen.not_before,
            not_after: seen.not_after,
        }
    };
    let all = [candidate("a", 150), candidate("a", 200), candidate("a", 250), candidate("b", 300)];
    let newer = |day| newer_than(&seen("a", day), &all).map(|one| one.secret.as_str());
    assert_eq!(newer(200), Some("a-250"));
    assert_eq!(newer(250), None);
    assert_eq!(newer(260), None);
    assert_eq!(newer_than(&Seen { names: Vec::new(), ..seen("a", 1) }, &all), None);
}

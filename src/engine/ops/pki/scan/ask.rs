//! A scan from its request to its report: look, compare, write.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use super::{
    endpoints::{self, Endpoint, Presents},
    keep::{Change, Held, Kept, newer},
    kept,
    report::{FoundCertificate, ScanCertificates, ScanReport, problems},
    walk::walk,
};
use crate::{
    engine::{
        Engine, Kind, Trouble,
        ops::{
            asked::{Asked, invalid},
            secret_fields::check_text,
        },
    },
    model::Actor,
    pki::{
        Candidate, Known, Line, Looked, Origin, Seen, Standing, Tracked, Walk, compare, compare_endpoint, secret_name,
    },
};

/// When what seems to have vanished is looked for again: a file that is being replaced is away for a moment.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// A scan root: its name and its folder.
type Root = (String, PathBuf);

/// Looks for certificates, tracks what is found, tells what vanished. Unless it is asked for once, it is kept and
/// repeated daily. Errors: `unknown-scan-root`, `nothing-to-scan`, `endpoint-invalid`.
pub async fn scan(engine: &Arc<Engine>, actor: &Actor, request: ScanCertificates) -> Result<ScanReport, Trouble> {
    check_text("reason", &request.reason)?;
    engine.find_scan_roots(&request.roots)?;
    let name = if request.once { None } else { Some(kept::name_of(&request)?) };
    let mut report = run(engine, actor, &request).await?;
    if let Some(name) = name {
        kept::keep(engine, actor, &name, &request, &report).await?;
        report.kept = Some(name);
    }
    Ok(report)
}

/// Runs a scan without keeping it. One runs at a time.
pub(super) async fn run(
    engine: &Arc<Engine>,
    actor: &Actor,
    request: &ScanCertificates,
) -> Result<ScanReport, Trouble> {
    let roots = engine.find_scan_roots(&request.roots)?;
    let listed = endpoints::read(&request.endpoints)?;
    if roots.is_empty() && listed.is_empty() {
        let sentence = "no scan root is configured, and no endpoint is given";
        return Err(invalid("nothing-to-scan", sentence, "add `[[scan_root]]` to the configuration file"));
    }
    let _alone = engine.scanning.lock().await;
    let mut report = ScanReport::default();
    for root in roots {
        scan_root(engine, actor, root, &mut report).await?;
    }
    scan_endpoints(engine, actor, listed, &mut report).await?;
    Ok(report)
}

impl Engine {
    /// The scan roots of the configuration by these names, or all of them. Errors: `unknown-scan-root`.
    pub(super) fn find_scan_roots(&self, names: &[String]) -> Result<Vec<Root>, Trouble> {
        let all = &self.options.scan_roots;
        if names.is_empty() {
            return Ok(all.iter().map(|(name, path)| (name.clone(), path.clone())).collect());
        }
        let find = |name: &String| {
            let path = all.get(name).ok_or_else(|| {
                let sentence = format!("no scan root is named `{name}`");
                let hint = "add `[[scan_root]]` with that name to the configuration file, and restart the daemon";
                Trouble::new(Kind::Invalid, "unknown-scan-root", sentence, hint)
            })?;
            Ok((name.clone(), path.clone()))
        };
        let mut names = names.to_vec();
        names.sort_unstable();
        names.dedup();
        names.iter().map(find).collect()
    }
}

async fn look_below(engine: &Arc<Engine>, path: PathBuf) -> Result<Walk, String> {
    let stopping = Arc::clone(engine);
    let walked = tokio::task::spawn_blocking(move || walk(&path, &|| stopping.is_stopping())).await;
    match walked {
        Ok(Ok(walk)) => Ok(walk),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("looking at it failed".to_owned()),
    }
}

/// A walk beside what was known of its root.
struct Compared {
    lines: Vec<Line>,
    held: Vec<Held>,
    /// Whether what a line is about is missed already.
    missed: Vec<bool>,
    remarks: Vec<String>,
}

impl Compared {
    /// Whether something seems to have vanished that is not missed yet.
    fn has_lost(&self) -> bool {
        self.lines.iter().zip(&self.missed).any(|(line, missed)| line.standing == Standing::Vanished && !missed)
    }
}

async fn scan_root(engine: &Arc<Engine>, actor: &Actor, root: Root, report: &mut ScanReport) -> Result<(), Trouble> {
    let asked = Asked::new(engine, actor);
    let mut looked = asked.look_at_root(&root).await?;
    if looked.as_ref().is_ok_and(Compared::has_lost) {
        engine.clock.sleep(SECOND_LOOK).await;
        looked = asked.look_at_root(&root).await?;
    }
    let (name, _) = root;
    let compared = match looked {
        Ok(compared) => compared,
        Err(because) => {
            report.remarks.push(format!("the scan root `{name}` cannot be read: {because}"));
            return Ok(());
        }
    };
    for (line, is_missed) in compared.lines.iter().zip(&compared.missed) {
        let held = line.known.and_then(|index| compared.held.get(index));
        let kept = asked.keep_line(&name, line, held, *is_missed).await?;
        let mut found = FoundCertificate::of_line(&name, line, asked.now);
        found.tracked = name_where(kept, || secret_name(&name, &line.path, line.slot));
        found.problems.extend((kept == Kept::Taken).then(|| "name-taken".to_owned()));
        report.certificates.push(found);
    }
    report.remarks.extend(compared.remarks);
    Ok(())
}

impl Asked {
    /// Looks below a root, or says why that cannot be done.
    async fn look_at_root(&self, (name, path): &Root) -> Result<Result<Compared, String>, Trouble> {
        match look_below(&self.engine, path.clone()).await {
            Ok(walk) => self.compare_root(name, &walk).await.map(Ok),
            Err(because) => Ok(Err(because)),
        }
    }

    async fn compare_root(&self, root: &str, walk: &Walk) -> Result<Compared, Trouble> {
        let mut tx = self.engine.store.read().await?;
        let of_root = |held: Held| Some((held.known_below(root)?, held));
        let (known, held): (Vec<Known>, Vec<Held>) = self.held(&mut tx).await?.into_iter().filter_map(of_root).unzip();
        let digests: BTreeSet<&str> = known.iter().map(|known| known.certificate.sha256.as_str()).collect();
        let fresh = leaves(walk).filter(|seen| !digests.contains(seen.sha256.as_str()));
        let ours = self.ours_among(&mut tx, fresh).await?;
        let missed = self.missed(&mut tx).await?;
        let is_ours = |seen: &Seen| ours.contains(&(seen.issuer_key.clone(), seen.serial.clone()));
        let lines = compare(walk, &known, &is_ours, self.now);
        let id = |line: &Line| line.known.and_then(|index| held.get(index)).map(|held| held.secret.id.as_str());
        let missed = lines.iter().map(|line| id(line).is_some_and(|id| missed.contains(id))).collect();
        let remarks = remarks(root, walk);
        Ok(Compared { lines, held, missed, remarks })
    }
}

fn leaves(walk: &Walk) -> impl Iterator<Item = &Seen> {
    walk.files.iter().flat_map(|file| match &file.looked {
        Looked::Leaves(leaves) => leaves.as_slice(),
        Looked::Closed(_) => &[],
    })
}

fn remarks(root: &str, walk: &Walk) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(first) = walk.closed.first() {
        let count = walk.closed.len();
        remarks.push(format!("{count} places below `{root}` could not be read, `{first}` among them"));
    }
    if walk.is_cut {
        remarks.push(format!("there is more below `{root}` than is looked at: name smaller roots"));
    }
    remarks
}

fn name_where(
    kept: Kept,
    name: impl FnOnce() -> Result<crate::model::Name, crate::model::NameError>,
) -> Option<String> {
    if kept == Kept::Tracked { name().ok().map(|name| name.to_string()) } else { None }
}

impl Asked {
    /// Writes what a line says, where it says anything new.
    async fn keep_line(&self, root: &str, line: &Line, held: Option<&Held>, is_missed: bool) -> Result<Kept, Trouble> {
        let known = held.map(|held| &held.tracked.certificate);
        let is_settled = match line.standing {
            Standing::New | Standing::Renewed => false,
            Standing::Same => !is_missed && line.seen.as_ref() == known,
            Standing::Vanished => is_missed,
            Standing::Unsure => true,
            Standing::Ours | Standing::Superseded | Standing::Forgotten => return Ok(Kept::Not),
        };
        let (Some(certificate), Ok(name)) = (line.seen.as_ref().or(known), secret_name(root, &line.path, line.slot))
        else {
            return Ok(Kept::Not);
        };
        if is_settled {
            return Ok(if held.is_some() { Kept::Tracked } else { Kept::Not });
        }
        let scan = Origin::File { root: root.to_owned(), path: line.path.clone(), slot: line.slot };
        let tracked = Tracked { scan, certificate: certificate.clone() };
        self.keep_found(Change { name, tracked, standing: line.standing, newer: None }).await
    }
}

async fn scan_endpoints(
    engine: &Arc<Engine>,
    actor: &Actor,
    listed: Vec<Endpoint>,
    report: &mut ScanReport,
) -> Result<(), Trouble> {
    if listed.is_empty() {
        return Ok(());
    }
    let looked = endpoints::look(listed).await;
    let asked = Asked::new(engine, actor);
    let mut tx = engine.store.read().await?;
    let held = asked.held(&mut tx).await?;
    let seen = looked.iter().filter_map(|(_, presents)| presents.as_ref().ok());
    let ours = asked.ours_among(&mut tx, seen).await?;
    let candidates = asked.candidates(&mut tx).await?;
    let differing = asked.differing(&mut tx).await?;
    drop(tx);
    for (place, presents) in looked {
        let found = held.iter().find_map(|held| Some((held.known_at(&place)?, held)));
        let known = found.as_ref().map(|(known, _)| known);
        let is_told = found.as_ref().is_some_and(|(_, held)| differing.contains(held.secret.id.as_str()));
        let ours = |seen: &Seen| ours.contains(&(seen.issuer_key.clone(), seen.serial.clone()));
        let at = At { place, known, is_told };
        report.certificates.push(asked.keep_endpoint(at, presents, &ours, &candidates).await?);
    }
    Ok(())
}

/// An endpoint, and what is known of it.
struct At<'k> {
    place: String,
    known: Option<&'k Known>,
    /// Whether it is told already that it presents an older certificate.
    is_told: bool,
}

impl Asked {
    async fn keep_endpoint(
        &self,
        at: At<'_>,
        presents: Presents,
        is_ours: &(dyn Fn(&Seen) -> bool + Sync),
        candidates: &[Candidate],
    ) -> Result<FoundCertificate, Trouble> {
        let seen = match presents {
            Ok(seen) => seen,
            Err(because) => {
                let name = at.known.and_then(|_| secret_name("endpoint", &at.place, 1).ok());
                let mut line = FoundCertificate::of(at.place, Standing::Unsure, None, vec![because]);
                line.tracked = name.map(|name| name.to_string());
                return Ok(line);
            }
        };
        let newer = newer(&seen, candidates);
        // One of ours is tracked where it should not be served any more.
        let standing = compare_endpoint(&seen, at.known, is_ours(&seen) && newer.is_none());
        let mut all = problems(Some(&seen), None, self.now);
        all.extend(newer.as_ref().map(|_| "differs".to_owned()));
        let is_settled = standing == Standing::Same
            && at.known.is_some_and(|known| known.certificate == seen)
            && at.is_told == newer.is_some();
        let kept = match (standing, secret_name("endpoint", &at.place, 1)) {
            (Standing::Ours | Standing::Forgotten, _) | (_, Err(_)) => Kept::Not,
            _ if is_settled => Kept::Tracked,
            (_, Ok(name)) => {
                let tracked = Tracked { scan: Origin::Endpoint(at.place.clone()), certificate: seen.clone() };
                self.keep_found(Change { name, tracked, standing, newer }).await?
            }
        };
        all.extend((kept == Kept::Taken).then(|| "name-taken".to_owned()));
        let tracked = name_where(kept, || secret_name("endpoint", &at.place, 1));
        Ok(FoundCertificate { tracked, ..FoundCertificate::of(at.place, standing, Some(&seen), all) })
    }
}

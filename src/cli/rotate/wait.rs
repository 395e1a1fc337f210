//! Waiting for rotations: progress on standard error, the ends on standard output.

use std::time::Duration;

use axum::http::Method;

use crate::{
    cli::{CliError, Client, Cx, Exit, output, table::Table},
    clock::{Clock, SystemClock},
    engine::ops::{occurrences::OccurrenceProgress, rotate::Requested},
};

/// How often the daemon is asked.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// One occurrence that is waited for.
struct Waited {
    id: String,
    told: String,
    last: Option<OccurrenceProgress>,
}

/// How an occurrence stands, for who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    Going,
    Done,
    Failed,
    NeedsAttention,
}

fn stand(progress: &OccurrenceProgress) -> Stand {
    let status = progress.rotation.as_ref().map_or("", |rotation| rotation.status.as_str());
    match progress.occurrence.state.as_str() {
        "done" | "coalesced" => Stand::Done,
        "failed" | "missed" => Stand::Failed,
        // It is tried again later by itself; who waits wants to know now.
        _ if progress.occurrence.attempts > 0 && progress.occurrence.rotation.is_none() => Stand::Failed,
        _ if status == "stuck" && progress.occurrence.rotation.is_some() => Stand::NeedsAttention,
        _ => Stand::Going,
    }
}

fn word(progress: &OccurrenceProgress) -> String {
    match (stand(progress), &progress.rotation) {
        (Stand::Going, Some(rotation)) if progress.occurrence.rotation.is_some() => rotation.status.clone(),
        (Stand::Going, _) => "waits for its turn".to_owned(),
        (Stand::Done, _) => format!("done: {}", progress.occurrence.why),
        (Stand::Failed, _) => match progress.occurrence.not_before {
            Some(at) if progress.occurrence.state == "open" => {
                format!("failed, tried again at {at}: {}", progress.occurrence.why)
            }
            _ => format!("{}: {}", progress.occurrence.state, progress.occurrence.why),
        },
        (Stand::NeedsAttention, Some(rotation)) => format!("stuck: {}", rotation.detail),
        (Stand::NeedsAttention, None) => "stuck".to_owned(),
    }
}

/// Waits until every request has ended, or the time is over.
pub(in crate::cli) async fn wait(
    cx: &Cx,
    client: &Client,
    requested: &[Requested],
    seconds: u64,
) -> Result<Exit, CliError> {
    let refusals = requested.iter().filter_map(|one| one.refusal.as_ref().map(|refusal| (one, refusal)));
    refusals.for_each(|(one, refusal)| output::remark(&format!("{}: refused: {}", one.name, refusal.sentence)));
    let ids = requested.iter().filter_map(|one| one.occurrence.clone());
    let mut waited: Vec<Waited> = ids.map(|id| Waited { id, told: String::new(), last: None }).collect();
    let until = SystemClock.boot() + Duration::from_secs(seconds);
    loop {
        let mut is_going = false;
        for one in &mut waited {
            if one.last.as_ref().is_some_and(|last| stand(last) != Stand::Going) {
                continue;
            }
            let progress: OccurrenceProgress = client.ask(Method::GET, &["occurrences", &one.id]).send().await?;
            let word = word(&progress);
            if word != one.told {
                output::remark(&format!("{}: {word}", progress.secret));
                one.told = word;
            }
            is_going |= stand(&progress) == Stand::Going;
            one.last = Some(progress);
        }
        if !is_going {
            return Ok(tell(cx, waited));
        }
        if SystemClock.boot() >= until {
            tell(cx, waited);
            let sentence = format!("not all rotations ended within {seconds} s; they go on");
            let hint = "`keywheel rotation list --open` shows how they stand";
            return Err(CliError::new(Exit::NeedsAttention, "wait-over", sentence, hint));
        }
        SystemClock.sleep(LOOK_EVERY).await;
    }
}

fn tell(cx: &Cx, waited: Vec<Waited>) -> Exit {
    let ends: Vec<OccurrenceProgress> = waited.into_iter().filter_map(|one| one.last).collect();
    output::show(cx.format, &ends, |ends| {
        let mut table = Table::new(["SECRET", "ROTATION", "END"]);
        for end in ends {
            let rotation = end.rotation.as_ref().map_or_else(|| "-".to_owned(), |rotation| rotation.id.clone());
            table.row([end.secret.clone(), rotation, word(end)]);
        }
        table
    });
    let stands: Vec<Stand> = ends.iter().map(stand).collect();
    if stands.contains(&Stand::NeedsAttention) {
        Exit::NeedsAttention
    } else if stands.contains(&Stand::Failed) {
        Exit::Failed
    } else {
        Exit::Done
    }
}

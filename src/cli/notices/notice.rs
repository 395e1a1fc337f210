//! `keywheel notices`, `keywheel notice`.

use axum::http::Method;

use crate::{
    cli::{
        CliError, Cx, Exit, output,
        secret::show::{indented, time},
        table::Table,
    },
    engine::ops::notices::{AckNotice, NoticeView},
    http::Page,
};

/// Arguments of `keywheel notices`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: keywheel notices --failed")]
pub struct List {
    /// Those alone that a channel gave up.
    #[arg(long)]
    failed: bool,
    /// Only those before this one.
    #[arg(long, value_name = "NOTICE")]
    before: Option<String>,
    /// Notices at most, 1 to 1000.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: u16,
}

/// Arguments of `keywheel notice`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Shows a notice, and how far each channel is with it.
    #[command(after_help = "Example: keywheel notice show ntc_01jd…")]
    Show {
        /// Its id.
        id: String,
    },
    /// Acknowledges a notice: nobody further is told of it.
    #[command(after_help = "Example: keywheel notice ack ntc_01jd… --reason 'renewed, waiting for the registrar'")]
    Ack {
        /// Its id.
        id: String,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Sends a notice again, under the same id.
    #[command(after_help = "Example: keywheel notice resend ntc_01jd…")]
    Resend {
        /// Its id.
        id: String,
    },
}

pub(in crate::cli) async fn list(cx: &Cx, args: List) -> Result<Exit, CliError> {
    let client = cx.client()?;
    let ask = client.ask(Method::GET, &["notices"]).query("failed", args.failed).query("limit", args.limit);
    let page: Page<NoticeView> = ask.maybe_query("before", args.before).send().await?;
    output::show(cx.format, &page.items, |notices| table(notices));
    if let Some(next) = &page.next {
        output::remark(&format!("there may be older ones: `--before {next}`"));
    }
    Ok(attention(&page.items))
}

pub(in crate::cli) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let client = cx.client()?;
    let view: NoticeView = match args.what {
        What::Show { id } => {
            let view = client.ask(Method::GET, &["notices", &id]).send().await?;
            output::show_lines(cx.format, &view, lines);
            return Ok(attention(&[view]));
        }
        What::Ack { id, reason } => {
            client.ask(Method::POST, &["notices", &id, "ack"]).body(&AckNotice { reason }).send().await?
        }
        What::Resend { id } => client.ask(Method::POST, &["notices", &id, "resend"]).send().await?,
    };
    output::show_lines(cx.format, &view, lines);
    Ok(Exit::Done)
}

/// A person must look where a channel gave up.
fn attention(notices: &[NoticeView]) -> Exit {
    let is_dead = |notice: &NoticeView| notice.sends.iter().any(|send| send.state == "dead");
    if notices.iter().any(is_dead) { Exit::NeedsAttention } else { Exit::Done }
}

fn state(notice: &NoticeView) -> &str {
    if !notice.muted.is_empty() {
        "muted"
    } else if notice.acked_at.is_some() && notice.state == "open" {
        "acknowledged"
    } else {
        &notice.state
    }
}

fn table(notices: &[NoticeView]) -> Table {
    let mut table = Table::new(["TIME", "ID", "KIND", "SEVERITY", "STATE", "SENT", "SUMMARY"]);
    for notice in notices {
        let sends: Vec<String> = notice.sends.iter().map(|send| format!("{}: {}", send.channel, send.state)).collect();
        let sends = if sends.is_empty() { "to nobody".to_owned() } else { sends.join(", ") };
        table.row([
            time(Some(notice.created_at)),
            notice.id.clone(),
            notice.kind.clone(),
            notice.severity.clone(),
            state(notice).to_owned(),
            sends,
            notice.summary.clone(),
        ]);
    }
    table
}

fn lines(notice: &NoticeView) -> Vec<String> {
    let mut lines = vec![
        format!("id            {}", notice.id),
        format!("kind          {}", notice.kind),
        format!("severity      {}", notice.severity),
        format!("state         {}", state(notice)),
        format!("subject       {}", notice.subject),
        format!("summary       {}", notice.summary),
    ];
    let mut tell = |what: &str, said: &str| {
        if !said.is_empty() {
            lines.push(format!("{what:13} {said}"));
        }
    };
    tell("will do", &notice.will_do);
    tell("asked", &notice.asked);
    tell("muted", &notice.muted);
    lines.push(format!("made          {}", notice.created_at));
    if let Some(at) = notice.acked_at {
        lines.push(format!("acknowledged  {at} by {}: {}", notice.acked_by, notice.ack_reason));
    }
    if !notice.sends.is_empty() {
        lines.extend(indented(&sends(notice)));
    }
    lines
}

fn sends(notice: &NoticeView) -> Table {
    let mut table = Table::new(["CHANNEL", "STATE", "TRIES", "NEXT", "ENDED", "CODE", "ANSWER"]);
    for send in &notice.sends {
        let dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        table.row([
            send.channel.clone(),
            send.state.clone(),
            send.attempts.to_string(),
            time(send.next_at),
            time(send.ended_at),
            dash(&send.code),
            dash(&send.answer),
        ]);
    }
    table
}

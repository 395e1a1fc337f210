//! `keywheel channel`.

use axum::http::Method;
use serde_json::{Map, Value};

use crate::{
    cli::{
        CliError, Cx, Exit, Format, input, output,
        secret::{settings, show::time},
        table::Table,
    },
    engine::ops::channels::{ChannelTested, ChannelView, PutChannel},
    http::Page,
};

/// Arguments of `keywheel channel`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Makes a channel, or changes the one of that name.
    #[command(
        after_help = "A secret is named in the settings, never given.\n\nExamples:\n  keywheel channel put mail \
                            --kind email --set host=mail.example.org --set from=keywheel@example.org \\\n      \
                            --set 'to=[\"ops@example.org\"]' --set username=keywheel --set \
                            password_secret=relay/password\n  keywheel channel put hook --kind webhook --set \
                            url=https://hooks.example.org/k --set signing_secret=hook/key"
    )]
    Put(Box<Put>),
    /// Lists the channels, and how each does.
    #[command(after_help = "Example: keywheel channel list --output json")]
    List,
    /// Shows a channel.
    #[command(after_help = "Example: keywheel channel show mail")]
    Show {
        /// Its name.
        name: String,
    },
    /// Takes a channel away; what it was yet to deliver is dropped.
    #[command(after_help = "Example: keywheel channel delete old-mail --reason 'moved to a list'")]
    Delete {
        /// Its name.
        name: String,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Sends a real message, and reports what the receiver answered.
    #[command(after_help = "Example: keywheel channel test mail")]
    Test {
        /// Its name.
        name: String,
    },
}

#[derive(Debug, clap::Args)]
struct Put {
    /// Its name.
    name: String,
    /// `email`, `webhook`, `slack`, `teams`, `pagerduty`, `syslog` or `cef`.
    #[arg(long, value_name = "KIND")]
    kind: String,
    /// A setting, such as `host=mail.example.org`; a value that is JSON is taken as that, `@FILE` is a file's text.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// All settings as a JSON object in a file; `--set` goes before it.
    #[arg(long, value_name = "@FILE")]
    settings: Option<String>,
    /// How often it gets a sign of life, such as `5m`, for a dead man's switch.
    #[arg(long, value_name = "DURATION")]
    heartbeat: Option<String>,
    /// Keeps it without using it.
    #[arg(long)]
    disabled: bool,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

pub(in crate::cli) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let client = cx.client()?;
    match args.what {
        What::Put(put) => {
            let (name, request) = (put.name.clone(), put.request()?);
            let view: ChannelView = client.ask(Method::PUT, &["channels", &name]).body(&request).send().await?;
            output::show_lines(cx.format, &view, |view| {
                let state = if view.enabled_at.is_some() { "is set" } else { "is set, and disabled" };
                let notes = view.notes.iter().map(|note| format!("note: {note}"));
                std::iter::once(format!("channel {} {state}", view.name)).chain(notes).collect()
            });
            Ok(Exit::Done)
        }
        What::List => {
            let page: Page<ChannelView> = client.ask(Method::GET, &["channels"]).send().await?;
            output::show(cx.format, &page.items, |channels| table(channels));
            Ok(attention(page.items.iter().any(|channel| channel.is_failing)))
        }
        What::Show { name } => {
            let view: ChannelView = client.ask(Method::GET, &["channels", &name]).send().await?;
            output::show_lines(cx.format, &view, lines);
            Ok(attention(view.is_failing))
        }
        What::Delete { name, reason } => {
            client.ask(Method::DELETE, &["channels", &name]).query("reason", reason).send_unit().await?;
            output::remark(&format!("channel {name} is deleted"));
            Ok(Exit::Done)
        }
        What::Test { name } => {
            let tested: ChannelTested = client.ask(Method::POST, &["channels", &name, "test"]).send().await?;
            tell_test(cx, &name, tested)
        }
    }
}

fn attention(needs_it: bool) -> Exit {
    if needs_it { Exit::NeedsAttention } else { Exit::Done }
}

fn tell_test(cx: &Cx, name: &str, tested: ChannelTested) -> Result<Exit, CliError> {
    if cx.format == Format::Json {
        output::json(&tested);
    }
    if !tested.is_delivered {
        let sentence = format!("the channel `{name}` did not deliver: {}", tested.answer);
        return Err(CliError::new(Exit::Failed, tested.code, sentence, tested.hint));
    }
    if cx.format == Format::Table {
        let line = format!("channel {name} delivered; the receiver said: {}", tested.answer);
        output::show_lines(cx.format, &tested, |_| vec![line]);
    }
    Ok(Exit::Done)
}

impl Put {
    fn request(self) -> Result<PutChannel, CliError> {
        let mut all = match &self.settings {
            Some(source) => read_object(source)?,
            None => Map::new(),
        };
        all.extend(settings::read(&self.set)?);
        Ok(PutChannel {
            kind: self.kind,
            settings: Value::Object(all),
            enabled: !self.disabled,
            heartbeat: self.heartbeat,
            reason: self.reason,
        })
    }
}

fn read_object(source: &str) -> Result<Map<String, Value>, CliError> {
    let text = input::document(source)?;
    serde_json::from_str(&text).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        let sentence = format!("the settings in `{source}` are no JSON object: {place}");
        CliError::usage(sentence, "write for example `{\"host\": \"mail.example.org\"}`")
    })
}

fn state(channel: &ChannelView) -> &'static str {
    match (channel.is_failing, &channel.enabled_at, &channel.paused_until) {
        (true, _, _) => "FAILING",
        (_, None, _) => "disabled",
        (_, _, Some(_)) => "paused",
        _ => "works",
    }
}

fn table(channels: &[ChannelView]) -> Table {
    let mut table = Table::new(["NAME", "KIND", "STATE", "DELIVERED", "FAILURES", "LAST ERROR"]);
    for channel in channels {
        let state = if state(channel) == "works" && channel.delivered_at.is_none() { "unused" } else { state(channel) };
        let error = if channel.last_error.is_empty() { "-" } else { &channel.last_error };
        table.row([
            channel.name.clone(),
            channel.kind.clone(),
            state.to_owned(),
            time(channel.delivered_at),
            channel.failures.to_string(),
            error.to_owned(),
        ]);
    }
    table
}

fn lines(channel: &ChannelView) -> Vec<String> {
    let mut lines = vec![
        format!("name          {}", channel.name),
        format!("kind          {}", channel.kind),
        format!("settings      {}", channel.settings),
        format!("state         {}", state(channel)),
        format!("enabled       {}", time(channel.enabled_at)),
        format!("delivered     {}", time(channel.delivered_at)),
        format!("failures      {}", channel.failures),
    ];
    if !channel.disabled_because.is_empty() {
        lines.push(format!("disabled      {}", channel.disabled_because));
    }
    if let Some(until) = channel.paused_until {
        lines.push(format!("paused        until {until}"));
    }
    if let Some(every) = &channel.heartbeat {
        lines.push(format!("heartbeat     every {every}"));
    }
    if !channel.last_error.is_empty() {
        lines.push(format!("last error    {}", channel.last_error));
    }
    lines.extend(channel.notes.iter().map(|note| format!("note          {note}")));
    lines
}

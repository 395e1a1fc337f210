//! `keywheel secret`.

pub(super) mod about;
pub(super) mod findings;
pub(super) mod settings;
pub(super) mod show;

use axum::http::Method;
use keywheel_contract::Material;

use super::{CliError, Client, Cx, Exit, Format, input, output, table::Table};
use crate::{
    engine::ops::{
        expiries::OverrideExpiry,
        secret_life::{DestroySecret, SecretDeleted, UndeleteSecret},
        secret_read::{SecretHistory, SecretPage, SecretValue, SecretView},
        secrets::{EditSecret, PutSecret, SecretPut},
        wire::Fields,
    },
    http::native::Lifted,
};
use about::About;
use show::{history, lines, page_table};

/// Arguments of `keywheel secret`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Makes a secret, or gives an unmanaged one a new version; the value comes from a prompt, standard input or a
    /// file.
    #[command(after_help = "Examples:\n  keywheel secret put pg-main/admin --username postgres @password.txt\n  \
                            echo '{\"token\": \"…\"}' | keywheel secret put ci/deploy")]
    Put(Put),
    /// Reads a value; the read is recorded.
    #[command(after_help = "Example: keywheel secret get billing/db --field password")]
    Get {
        /// The secret's name.
        name: String,
        /// One field alone, as it is.
        #[arg(long, value_name = "FIELD")]
        field: Option<String>,
        /// A number, an id, `previous` or `candidate`; the current one if not given.
        #[arg(long, value_name = "VERSION", default_value = "")]
        version: String,
    },
    /// Lists secrets by name.
    #[command(after_help = "Example: keywheel secret list --prefix billing/ --tag team=payments")]
    List(List),
    /// Shows all that is known of a secret but its values.
    #[command(after_help = "Example: keywheel secret show billing/db")]
    Show {
        /// The secret's name.
        name: String,
    },
    /// Shows all versions of a secret, and what happened to it.
    #[command(after_help = "Example: keywheel secret history billing/db")]
    History {
        /// The secret's name.
        name: String,
    },
    /// Changes what is said about a secret.
    #[command(after_help = "Example: keywheel secret edit billing/db --owner payments@example.com --tag env=prod")]
    Edit {
        /// The secret's name.
        name: String,
        #[command(flatten)]
        about: About,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Deletes a secret, or one version of it, so that it can be brought back for a while.
    #[command(after_help = "Example: keywheel secret delete billing/old --release --reason 'service is gone'")]
    Delete(Delete),
    /// Brings a deleted secret back, or one deleted version of it.
    #[command(after_help = "Example: keywheel secret undelete billing/old")]
    Undelete {
        /// The secret's name.
        name: String,
        /// One version alone, by number or id.
        #[arg(long, value_name = "VERSION")]
        version: Option<String>,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Lets an expired value be read for a while, in an emergency.
    #[command(after_help = "Example: keywheel secret override billing/db --for 2h --reason 'the vendor is late'")]
    Override {
        /// The secret's name.
        name: String,
        /// For how long, at most `7d`.
        #[arg(long = "for", value_name = "DURATION")]
        lasting: String,
        /// Why; it must be given.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Destroys the value of one version, or a whole secret, for good.
    #[command(after_help = "Example: keywheel secret destroy billing/db --version 3")]
    Destroy {
        /// The secret's name.
        name: String,
        /// One version alone, by number or id.
        #[arg(long, value_name = "VERSION")]
        version: Option<String>,
        /// Yes, the whole secret with all its versions.
        #[arg(long, conflicts_with = "version")]
        yes: bool,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
}

#[derive(Debug, clap::Args)]
struct Put {
    /// The secret's name.
    name: String,
    /// Where the value comes from: `-` or `@FILE`; a prompt or standard input if not given. A JSON object is taken as
    /// the fields, any other text as the password or value.
    source: Option<String>,
    /// The field `username` beside the field `password`.
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// The field that a text goes to; `password` with `--username`, else `value`.
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
    /// The number of the version that must be current now; 0 for a secret that must not exist.
    #[arg(long, value_name = "N")]
    cas: Option<i64>,
    /// The type of a new secret, such as `password`.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    #[command(flatten)]
    about: About,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

#[derive(Debug, clap::Args)]
struct List {
    /// What their names begin with.
    #[arg(long, value_name = "TEXT", default_value = "")]
    prefix: String,
    /// A label that they carry.
    #[arg(long, value_name = "KEY[=VALUE]")]
    tag: Option<String>,
    /// Those alone that take effect at a target.
    #[arg(long, conflicts_with = "unmanaged")]
    managed: bool,
    /// Those alone that take effect at no target.
    #[arg(long)]
    unmanaged: bool,
    /// Deleted ones too.
    #[arg(long)]
    deleted: bool,
    /// Secrets at most.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1000)]
    limit: usize,
}

#[derive(Debug, clap::Args)]
struct Delete {
    /// The secret's name.
    name: String,
    /// One version alone, by number or id.
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["release", "recovery"])]
    version: Option<String>,
    /// Lets a managed secret go: its account stays at the target, and nothing rotates it any more.
    #[arg(long)]
    release: bool,
    /// How long it can be brought back, such as `30d`.
    #[arg(long, value_name = "DURATION")]
    recovery: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

pub(super) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let client = cx.client()?;
    match args.what {
        What::Put(put) => run_put(cx, &client, put).await,
        What::Get { name, field, version } => get(cx, &client, &name, field.as_deref(), &version).await,
        What::List(list) => run_list(cx, &client, list).await,
        What::Show { name } => {
            let view: SecretView = client.ask(Method::GET, &["secrets", &name]).send().await?;
            let is_well = view.alerts.is_empty();
            output::show_lines(cx.format, &view, lines);
            Ok(if is_well { Exit::Done } else { Exit::NeedsAttention })
        }
        What::History { name } => {
            let found: SecretHistory = client.ask(Method::GET, &["secrets", &name, "history"]).send().await?;
            output::show_lines(cx.format, &found, history);
            Ok(Exit::Done)
        }
        What::Edit { name, about, reason } => {
            let request = EditSecret { about: about.read()?, reason };
            let view: SecretView = client.ask(Method::PATCH, &["secrets", &name]).body(&request).send().await?;
            output::show_lines(cx.format, &view, lines);
            Ok(Exit::Done)
        }
        What::Delete(delete) => run_delete(cx, &client, delete).await,
        What::Undelete { name, version, reason } => {
            let request = UndeleteSecret { version, reason };
            client.ask(Method::POST, &["secrets", &name, "undelete"]).body(&request).send_unit().await?;
            Ok(done(&format!("{name} is back")))
        }
        What::Override { name, lasting, reason } => {
            let request = OverrideExpiry { lasting, reason };
            let ask = client.ask(Method::POST, &["secrets", &name, "override"]);
            let lifted: Lifted = ask.body(&request).send().await?;
            output::show_lines(cx.format, &lifted, |lifted| vec![format!("{name} can be read until {}", lifted.until)]);
            Ok(Exit::Done)
        }
        What::Destroy { name, version, yes, reason } => {
            if version.is_none() && !yes {
                let sentence = format!("this destroys `{name}` with all its versions, for good");
                return Err(CliError::usage(sentence, "add `--yes`, or name one version with `--version`"));
            }
            let request = DestroySecret { version, reason };
            client.ask(Method::POST, &["secrets", &name, "destroy"]).body(&request).send_unit().await?;
            Ok(done(&format!("{name}: destroyed")))
        }
    }
}

fn done(remark: &str) -> Exit {
    output::remark(remark);
    Exit::Done
}

async fn run_put(cx: &Cx, client: &Client, put: Put) -> Result<Exit, CliError> {
    let what = if put.username.is_some() { "password" } else { "value" };
    let given = input::value(put.source.as_deref(), what)?;
    let value = read_value(given.expose(), put.username.as_deref(), put.field.as_deref());
    let request =
        PutSecret { value: Fields(value), cas: put.cas, kind: put.kind, about: put.about.read()?, reason: put.reason };
    let put: SecretPut = client.ask(Method::PUT, &["secrets", &put.name, "value"]).body(&request).send().await?;
    output::show_lines(cx.format, &put, |put| {
        let done = if put.is_new { "is made" } else { "has a new version" };
        vec![format!("secret {} {done}: version {}", put.name, put.version)]
    });
    Ok(Exit::Done)
}

/// The value that a text stands for: a JSON object as it is, any other text in one field.
fn read_value(text: &str, username: Option<&str>, field: Option<&str>) -> Material {
    if let (None, None, Ok(value)) = (username, field, Material::from_json(text.as_bytes())) {
        return value;
    }
    let field = field.unwrap_or(if username.is_some() { "password" } else { "value" });
    Material::of_texts(username.map(|username| ("username", username)).into_iter().chain([(field, text)]))
}

async fn get(cx: &Cx, client: &Client, name: &str, field: Option<&str>, version: &str) -> Result<Exit, CliError> {
    let ask = client.ask(Method::GET, &["secrets", name, "value"]).query("version", version);
    let found: SecretValue = ask.send().await?;
    let fields = found.value.0.expose();
    if let Some(field) = field {
        let value = fields.get(field).ok_or_else(|| {
            let known = fields.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
            let sentence = format!("`{name}` has no field `{field}`");
            CliError::new(Exit::NotFound, "no-such-field", sentence, format!("it has {known}"))
        })?;
        match (cx.format, value.as_str()) {
            (Format::Table, Some(text)) => output::text(&format!("{text}\n")),
            _ => output::json(value),
        }
        return Ok(Exit::Done);
    }
    output::show(cx.format, &found, |found| {
        let mut table = Table::new(["FIELD", "VALUE"]);
        for (field, value) in found.value.0.expose() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            table.row([field.clone(), text]);
        }
        table
    });
    Ok(Exit::Done)
}

async fn run_list(cx: &Cx, client: &Client, list: List) -> Result<Exit, CliError> {
    let managed = if list.managed { Some(true) } else { list.unmanaged.then_some(false) };
    let mut whole = SecretPage { secrets: Vec::new(), next: None };
    loop {
        let left = list.limit.saturating_sub(whole.secrets.len());
        let mut ask = client.ask(Method::GET, &["secrets"]).query("limit", left.clamp(1, 1000));
        ask = ask.query("prefix", &list.prefix).query("deleted", list.deleted);
        ask = ask.maybe_query("tag", list.tag.as_ref()).maybe_query("managed", managed);
        let page: SecretPage = ask.maybe_query("after", whole.next.as_ref()).send().await?;
        whole.secrets.extend(page.secrets);
        whole.next = page.next;
        if whole.next.is_none() || whole.secrets.len() >= list.limit {
            break;
        }
    }
    output::show(cx.format, &whole, page_table);
    if whole.next.is_some() {
        output::remark("there are more: narrow it with `--prefix`, or raise `--limit`");
    }
    Ok(Exit::Done)
}

async fn run_delete(cx: &Cx, client: &Client, delete: Delete) -> Result<Exit, CliError> {
    if let Some(version) = &delete.version {
        let ask = client.ask(Method::DELETE, &["secrets", &delete.name, "versions", version]);
        ask.query("reason", delete.reason).send_unit().await?;
        return Ok(done(&format!("version {version} of {} is deleted", delete.name)));
    }
    let ask = client.ask(Method::DELETE, &["secrets", &delete.name]).query("release", delete.release);
    let deleted: SecretDeleted =
        ask.maybe_query("recovery", delete.recovery).query("reason", delete.reason).send().await?;
    output::show_lines(cx.format, &deleted, |deleted| {
        vec![format!("secret {} is deleted, and can be brought back until {}", deleted.name, deleted.recoverable_until)]
    });
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_object_is_the_fields_and_other_text_one_field() {
        let names = |text: &str, username: Option<&str>, field: Option<&str>| {
            read_value(text, username, field).field_names().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(names("{\"a\":1,\"b\":2}", None, None), ["a", "b"]);
        assert_eq!(names("plain", None, None), ["value"]);
        assert_eq!(names("{\"a\":1}", Some("postgres"), None), ["password", "username"]);
        assert_eq!(names("plain", None, Some("token")), ["token"]);
    }
}

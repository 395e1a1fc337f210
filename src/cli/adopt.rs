//! `keywheel adopt`.

use axum::http::Method;
use keywheel_contract::Material;
use serde_json::{Map, Value, json};

use super::{
    CliError, Cx, Exit, input, output,
    secret::{about::About, findings, settings},
};
use crate::engine::{
    FileSettings,
    ops::{
        adopt::{AdoptSecret, Adopted, NamedDelivery},
        deliveries::PutDelivery,
        wire::Fields,
    },
};

/// Arguments of `keywheel adopt`.
#[derive(Debug, clap::Args)]
#[command(after_help = "The present password comes from a prompt, standard input or `--password @FILE`, and must log \
                        in; the account is not touched.\n\nExamples:\n  keywheel adopt billing/db --target pg-main \
                        --role billing @password.txt\n  keywheel adopt billing/db --target pg-main --role billing_a \
                        --role billing_b --owner-role billing --strategy alternate")]
pub struct Args {
    /// The secret's name.
    name: String,
    /// Where the present password comes from: `-` or `@FILE`; a prompt or standard input if not given.
    source: Option<String>,
    /// The target where the account lives.
    #[arg(long, value_name = "TARGET")]
    target: String,
    /// The account; given two times for two that take turns, the one that the password belongs to first.
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    /// The role that owns everything, where two take turns.
    #[arg(long, value_name = "ROLE")]
    owner_role: Option<String>,
    /// How old and new follow each other: `single` or `alternate`; by the number of roles if not given.
    #[arg(long, value_name = "STRATEGY")]
    strategy: Option<String>,
    /// A setting of the rotator.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The account's name in the value; the first role if not given.
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// The same as SOURCE.
    #[arg(long, value_name = "SOURCE", conflicts_with = "source")]
    password: Option<String>,
    /// Starts without the present password and rotates at once.
    #[arg(long, conflicts_with_all = ["password", "source", "stored"])]
    unknown: bool,
    /// Takes the value that the existing secret of this name has.
    #[arg(long, conflicts_with_all = ["password", "source"])]
    stored: bool,
    /// A promise that is knowingly given up, such as `no-overlap`.
    #[arg(long, value_name = "CODE")]
    acknowledge: Vec<String>,
    /// The type of a new secret.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    #[command(flatten)]
    file: FirstDelivery,
    #[command(flatten)]
    about: About,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

pub(super) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let client = cx.client()?;
    let name = args.name.clone();
    let request = args.request()?;
    let adopted: Adopted = client.ask(Method::POST, &["secrets", &name, "adopt"]).body(&request).send().await?;
    output::show_lines(cx.format, &adopted, lines);
    Ok(Exit::Done)
}

/// The first delivery, made with the adoption; `keywheel delivery put` adds others and sets owner and mode.
#[derive(Debug, clap::Args)]
struct FirstDelivery {
    /// Where the value is written after each publish: a delivery root of the configuration and a path below it.
    #[arg(long, value_name = "ROOT:PATH", requires = "template")]
    deliver: Option<String>,
    /// What is written there: a template, or `@FILE` that holds one.
    #[arg(long, value_name = "TEMPLATE", requires = "deliver")]
    template: Option<String>,
    /// The hook of the configuration that runs after the file is replaced.
    #[arg(long, value_name = "HOOK", requires = "deliver")]
    hook: Option<String>,
}

impl FirstDelivery {
    fn read(self) -> Result<Vec<NamedDelivery>, CliError> {
        let (Some(place), Some(template)) = (self.deliver, self.template) else { return Ok(Vec::new()) };
        let Some((root, path)) = place.split_once(':') else {
            let sentence = format!("`{place}` does not name a delivery root and a path");
            return Err(CliError::usage(sentence, "write it as `--deliver apps:billing/db.env`"));
        };
        let files = FileSettings {
            root: root.to_owned(),
            path: path.to_owned(),
            template: if template.starts_with('@') { input::document(&template)? } else { template },
            mode: "0600".to_owned(),
            owner: None,
            group: None,
            hook: self.hook,
        };
        let delivery = PutDelivery { files, acknowledge: Vec::new(), reason: String::new() };
        Ok(vec![NamedDelivery { name: "file".to_owned(), delivery }])
    }
}

impl Args {
    fn request(self) -> Result<AdoptSecret, CliError> {
        let settings = self.settings()?;
        let value = if self.unknown || self.stored { None } else { Some(self.value()?) };
        Ok(AdoptSecret {
            target: self.target,
            settings,
            value: value.map(Fields),
            unknown: self.unknown,
            acknowledge: self.acknowledge,
            kind: self.kind,
            about: self.about.read()?,
            schedule: None,
            deliveries: self.file.read()?,
            reason: self.reason,
        })
    }

    /// The rotator's settings; none where nothing was given, so that those of an adopted secret stay.
    fn settings(&self) -> Result<Value, CliError> {
        let mut settings: Map<String, Value> = settings::read(&self.set)?;
        let is_given = !settings.is_empty() || !self.role.is_empty() || self.strategy.is_some();
        if !is_given {
            return Ok(Value::Null);
        }
        match self.role.as_slice() {
            [] => {}
            [role] => {
                settings.insert("role".to_owned(), json!(role));
            }
            roles => {
                settings.insert("roles".to_owned(), json!(roles));
            }
        }
        if let Some(owner) = &self.owner_role {
            settings.insert("owner".to_owned(), json!(owner));
        }
        let usual = if self.role.len() > 1 { "alternate" } else { "single" };
        let strategy = self.strategy.as_deref().unwrap_or(usual);
        settings.entry("strategy").or_insert_with(|| json!(strategy));
        Ok(Value::Object(settings))
    }

    fn value(&self) -> Result<Material, CliError> {
        let given = input::value(self.source.as_deref().or(self.password.as_deref()), "password")?;
        let account = self.set.iter().find_map(|pair| pair.strip_prefix("account="));
        let username = self.username.as_deref().or(self.role.first().map(String::as_str)).or(account);
        if let (None, Ok(value)) = (username, Material::from_json(given.expose().as_bytes())) {
            return Ok(value);
        }
        let username = username.map(|username| ("username", username)).into_iter();
        Ok(Material::of_texts(username.chain([("password", given.expose())])))
    }
}

fn lines(adopted: &Adopted) -> Vec<String> {
    let mut lines = vec![match adopted.version {
        Some(version) => format!("secret {} is adopted as `{}`: version {version}", adopted.name, adopted.identity),
        None => format!("secret {} is adopted; its first rotation begins at once", adopted.name),
    }];
    if let Some(at) = adopted.next_due_at {
        lines.push(format!("next due      {at}"));
    }
    if !adopted.changes.is_empty() {
        lines.push("a rotation would".to_owned());
        lines.extend(adopted.changes.iter().map(|change| format!("  {change}")));
    }
    lines.extend(findings::lines(&adopted.findings));
    lines
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn settings(line: &[&str]) -> Value {
        let line = ["adopt", "billing/db", "--target", "pg"].iter().chain(line);
        Line::parse_from(line).args.settings().expect("settings")
    }

    #[test]
    fn the_number_of_roles_chooses_the_strategy() {
        assert_eq!(settings(&["--role", "app"]), json!({ "role": "app", "strategy": "single" }));
        let two = settings(&["--role", "a", "--role", "b", "--owner-role", "o"]);
        assert_eq!(two, json!({ "roles": ["a", "b"], "owner": "o", "strategy": "alternate" }));
        assert_eq!(settings(&[]), Value::Null);
        let set = settings(&["--set", "account=x", "--strategy", "single"]);
        assert_eq!(set, json!({ "account": "x", "strategy": "single" }));
    }
}

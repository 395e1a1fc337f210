//! `keywheel apply`.

use std::path::Path;

use axum::http::Method;

use super::{CliError, Cx, Exit, input, output, table::Table};
use crate::engine::ops::{
    apply::{Action, Applied, Apply, Declared, Progress, StepView},
    wire::Password,
};

/// Arguments of `keywheel apply`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A file declares `[[target]]`, `[[secret]]`, `[[tracked]]`, `[[channel]]` and `[[route]]` tables; \
                        nothing is ever deleted by it. Passwords stand in files of their own: `password = \
                        \"@billing.pw\"`, relative to the declaring file.\n\n\
                        Example: keywheel apply --dry-run keywheel.d/*.toml"
)]
pub struct Args {
    /// The files, in TOML.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Shows the plan, and changes nothing.
    #[arg(long)]
    dry_run: bool,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

pub(super) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let client = cx.client()?;
    let mut declared = Declared::default();
    for file in &args.files {
        let more = read(file)?;
        declared.target.extend(more.target);
        declared.secret.extend(more.secret);
        declared.tracked.extend(more.tracked);
        declared.channel.extend(more.channel);
        declared.route.extend(more.route);
    }
    let request = Apply { declared, dry_run: args.dry_run, reason: args.reason };
    let applied: Applied = client.ask(Method::POST, &["apply"]).body(&request).send().await?;
    output::show(cx.format, &applied, |applied| table(&applied.steps));
    let failed = applied.steps.iter().find(|step| step.progress == Progress::Failed);
    let Some((step, refusal)) = failed.and_then(|step| Some((step, step.refusal.as_ref()?))) else {
        return Ok(Exit::Done);
    };
    let sentence = format!("{} `{}`: {}", step.what, step.name, refusal.sentence);
    Err(CliError::new(Exit::Failed, refusal.code.clone(), sentence, refusal.hint.clone()))
}

/// Reads a file and the passwords that it refers to. An error tells the line and never its text: it may be a secret.
fn read(file: &str) -> Result<Declared, CliError> {
    let text = input::document(file)?;
    let mut declared: Declared = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(0, |span| 1 + text[..span.start].matches('\n').count());
        let sentence = format!("`{file}` is refused in line {line}: {}", without_values(error.message()));
        CliError::new(Exit::Usage, "declaration-refused", sentence, "see `keywheel apply --help` for an example")
    })?;
    let folder = Path::new(file).parent().unwrap_or(Path::new("."));
    for target in &mut declared.target {
        resolve(&mut target.admin_password, folder, &target.name)?;
    }
    for secret in &mut declared.secret {
        resolve(&mut secret.password, folder, &secret.name)?;
    }
    Ok(declared)
}

/// The parser's message without what was found, which may be a secret.
fn without_values(message: &str) -> String {
    let kept = ["missing field", "unknown field", "duplicate key"].iter().any(|word| message.starts_with(word));
    if kept { message.lines().next().unwrap_or_default().to_owned() } else { "it is not as expected".to_owned() }
}

fn resolve(password: &mut Option<Password>, folder: &Path, name: &str) -> Result<(), CliError> {
    let Some(reference) = password.as_ref() else { return Ok(()) };
    let Some(path) = reference.0.expose().strip_prefix('@') else {
        let sentence = format!("the password of `{name}` stands in the file itself");
        return Err(CliError::usage(sentence, "put it into a file of its own and write `password = \"@FILE\"`"));
    };
    let source = format!("@{}", folder.join(path).display());
    *password = Some(Password(input::value(Some(&source), &format!("password of `{name}`"))?));
    Ok(())
}

fn table(steps: &[StepView]) -> Table {
    let mut table = Table::new(["WHAT", "NAME", "ACTION", "PROGRESS", "DIFFERS"]);
    for step in steps {
        let action = match step.action {
            Action::Create => "create",
            Action::Change => "change",
            Action::Keep => "keep",
        };
        let progress = match step.progress {
            Progress::Planned => "planned",
            Progress::Done => "done",
            Progress::Failed => "FAILED",
            Progress::NotReached => "not reached",
        };
        let differs = step.changes.join(", ");
        table.row([step.what.clone(), step.name.clone(), action.to_owned(), progress.to_owned(), differs]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Declared, CliError> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("pw"), "from a file\n").expect("written");
        let file = folder.path().join("a.toml");
        std::fs::write(&file, text).expect("written");
        read(&file.display().to_string())
    }

    #[test]
    fn passwords_are_read_from_files_beside_the_declaration() {
        let declared = read_text(
            "[[target]]\nname = \"pg\"\nrotator = \"postgres\"\nsettings = { host = \"h\", port = 5432 }\n\
             [[secret]]\nname = \"a/b\"\ntarget = \"pg\"\npassword = \"@pw\"\nsettings = { role = \"r\" }\n\
             schedule = { every = \"30d\" }\n\
             [[secret.delivery]]\nname = \"env\"\nfiles = { root = \"apps\", path = \"x\", template = \"t\" }\n",
        )
        .expect("a declaration");
        let password = declared.secret[0].password.as_ref().map(|password| password.0.expose());
        assert_eq!(password, Some("from a file"));
        assert_eq!((declared.target.len(), declared.secret[0].delivery.len()), (1, 1));
    }

    #[test]
    fn a_password_in_the_file_itself_is_refused_and_not_repeated() {
        for text in [
            "[[secret]]\nname = \"a\"\npassword = \"canary\"\n",
            "[[secret]]\nname = \"a\"\npassword = \"canary\" oops\n",
            "[[secret]]\nname = \"a\"\nunknown = \"canary\"\n",
        ] {
            let error = read_text(text).expect_err("refused");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }
}

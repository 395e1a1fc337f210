//! Templates that operators write. A template can look at what it is given and at nothing else.
//!
//! There is no function that reads, writes, waits or asks for the time; the work is bounded by fuel and the result by
//! size. An error of a template that holds real values tells its line and kind alone: details may repeat a value.

use std::io;

use base64::Engine as _;
use minijinja::{
    Environment, Error, ErrorKind, UndefinedBehavior, Value as Given, filters, syntax::SyntaxConfig, tests,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Kind, Trouble};

/// The longest template, in bytes.
const MAX_TEMPLATE: usize = 64 << 10;
/// The longest result, in bytes.
const MAX_RESULT: usize = 1 << 20;
/// Steps that one rendering may take.
const FUEL: u64 = 100_000;

/// Whether the values at hand are real.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Values {
    Real,
    MadeUp,
}

/// Renders a template. The result holds secrets and is wiped when dropped; no error repeats a value.
pub(crate) fn render(template: &str, context: &Value) -> Result<Zeroizing<String>, Trouble> {
    render_with(template, context, Values::Real)
}

/// Wipes the texts of a context.
pub(crate) fn wipe(context: Value) {
    if let Value::Object(fields) = context {
        drop(keywheel_contract::Material::new(fields));
    }
}

/// Tries a template with made-up values for the given fields, so that what is wrong shows when it is configured.
pub(crate) fn check(template: &str, name: &str, fields: &[&str], target: &Value) -> Result<(), Trouble> {
    if template.len() > MAX_TEMPLATE {
        let sentence = format!("the template has {} bytes, at most {MAX_TEMPLATE} are allowed", template.len());
        return Err(Trouble::new(Kind::Invalid, "template-too-long", sentence, "shorten it"));
    }
    let made_up: serde_json::Map<String, Value> =
        fields.iter().map(|field| ((*field).to_owned(), json!("made-up"))).collect();
    let context = json!({ "name": name, "version": 1, "secret": made_up, "target": target });
    render_with(template, &context, Values::MadeUp).map(|_| ()).map_err(|mut trouble| {
        if trouble.code == "template-undefined" {
            let known = fields.iter().map(|field| format!("`secret.{field}`")).collect::<Vec<_>>().join(", ");
            trouble.hint = format!("a template knows `name`, `version`, `target.SETTING` and {known}");
        }
        trouble
    })
}

fn render_with(template: &str, context: &Value, values: Values) -> Result<Zeroizing<String>, Trouble> {
    let environment = environment();
    let mut bounded = Bounded(Zeroizing::new(Vec::with_capacity(MAX_RESULT)));
    environment
        .template_from_str(template)
        .and_then(|template| template.render_captured_to(minijinja::value::Serde(context), &mut bounded).map(|_| ()))
        .map_err(|error| told(&error, values))?;
    let text = std::str::from_utf8(&bounded.0).expect("a template renders to text");
    Ok(Zeroizing::new(text.to_owned()))
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(50);
    environment.set_syntax(SyntaxConfig::builder().keep_trailing_newline(true).build().expect("the usual delimiters"));
    environment.add_test("defined", tests::is_defined);
    environment.add_filter("upper", filters::upper);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("replace", filters::replace);
    environment.add_filter("default", filters::default);
    environment.add_filter("join", filters::join);
    environment.add_filter("length", filters::length);
    environment.add_filter("json", as_json);
    environment.add_filter("sh", shell);
    environment.add_filter("url", percent);
    environment.add_filter("base64", |text: String| base64::engine::general_purpose::STANDARD.encode(text));
    environment
}

/// A value as JSON.
fn as_json(value: &Given) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|_| Error::new(ErrorKind::BadSerialization, "not writable as JSON"))
}

/// A text as one word of a POSIX shell.
#[expect(clippy::needless_pass_by_value, reason = "filters take what they are given")]
fn shell(text: String) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A text in percent encoding, but for what RFC 3986 calls unreserved.
#[expect(clippy::needless_pass_by_value, reason = "filters take what they are given")]
fn percent(text: String) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(3 * text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a text can be written to");
        }
    }
    encoded
}

fn told(error: &Error, values: Values) -> Trouble {
    let line = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
    let detail = match (values, error.detail()) {
        (Values::MadeUp, Some(detail)) => format!(": {detail}"),
        _ => String::new(),
    };
    let sentence = format!("the template fails{line}: {}{detail}", error.kind());
    let (code, hint) = match error.kind() {
        ErrorKind::UndefinedError => ("template-undefined", "name a field that the secret has"),
        ErrorKind::WriteFailure | ErrorKind::OutOfFuel => {
            ("template-too-long", "the result may have 1 MiB, and loops 100,000 steps")
        }
        _ => ("template-failed", "templates are written like `password={{ secret.password }}`"),
    };
    Trouble::new(Kind::Invalid, code, sentence, hint)
}

/// A buffer that never grows, so that it leaves no copies behind.
struct Bounded(Zeroizing<Vec<u8>>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_RESULT {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the result is too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn rendered(template: &str) -> Result<String, Trouble> {
        let secret = json!({ "username": "app", "password": "p'w &1" });
        let target = json!({ "host": "db.example.com", "port": 5432 });
        let context = json!({ "name": "billing/db", "version": 7, "secret": secret, "target": target });
        render(template, &context).map(|text| text.to_string())
    }

    #[test]
    fn a_template_sees_name_version_value_and_target() {
        let text = rendered("{{ name }}#{{ version }} {{ secret.username }}@{{ target.host }}\n").expect("ok");
        assert_eq!(text, "billing/db#7 app@db.example.com\n");
    }

    #[test]
    fn filters_quote_for_the_place() {
        let cases = [
            ("{{ secret.password | sh }}", r"'p'\''w &1'"),
            ("{{ secret.password | json }}", r#""p'w &1""#),
            ("{{ secret.password | url }}", "p%27w%20%261"),
            ("{{ secret.password | base64 }}", "cCd3ICYx"),
            ("{{ target | json }}", r#"{"host":"db.example.com","port":5432}"#),
        ];
        for (template, expected) in cases {
            assert_eq!(rendered(template).expect(template), expected);
        }
    }

    #[test]
    fn nothing_outside_can_be_reached_or_exhausted() {
        let cases = [
            ("{{ secret.nope }}", "template-undefined"),
            ("{{ secret.password", "template-failed"),
            ("{% include '/etc/passwd' %}", "template-failed"),
            ("{{ range(10) }}", "template-failed"),
            ("{{ debug() }}", "template-failed"),
            ("{{ secret.password * 200000 }}", "template-too-long"),
            ("{% for a in 'x' * 40000 %}{% for b in 'x' * 40000 %}.{% endfor %}{% endfor %}", "template-too-long"),
        ];
        for (template, code) in cases {
            assert_eq!(rendered(template).expect_err(template).code, code, "{template}");
        }
    }

    #[test]
    fn an_error_with_real_values_never_repeats_one() {
        for template in ["{{ secret.password + 1 }}", "{{ secret.password() }}", "{{ secret.password.nope.x }}"] {
            let trouble = rendered(template).expect_err(template);
            assert!(!format!("{trouble} {}", trouble.hint).contains("p'w"), "{trouble}");
        }
    }

    #[test]
    fn a_dry_run_names_the_fields_that_exist() {
        let trouble = check("{{ secret.pass }}", "a", &["password"], &json!({})).expect_err("undefined");
        assert!(trouble.hint.contains("`secret.password`"), "{}", trouble.hint);
        assert!(check("{{ secret.password }}", "a", &["password"], &json!({})).is_ok());
    }
}

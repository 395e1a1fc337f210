//! Templates that operators write: no I/O, bounded work, and an undefined name is an error.

use minijinja::{Environment, UndefinedBehavior};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Kind, Trouble};

/// Steps that one rendering may take.
const FUEL: u64 = 100_000;

/// Renders a template. The result holds secrets and is wiped when dropped.
pub(crate) fn render(template: &str, context: &Value) -> Result<Zeroizing<String>, Trouble> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    let rendered = environment.render_str(template, minijinja::value::Serde(context));
    rendered.map(Zeroizing::new).map_err(|error| {
        let line = error.line().map_or_else(String::new, |line| format!(" in line {line}"));
        let sentence = format!("the template cannot be rendered{line}: {}", error.kind());
        let hint = "use `{{ secret.FIELD }}`, `{{ target.SETTING }}`, `{{ name }}` and `{{ version }}`";
        Trouble::new(Kind::Invalid, "template-failed", sentence, hint)
    })
}

/// Wipes the texts of a context.
pub(crate) fn wipe(context: Value) {
    if let Value::Object(fields) = context {
        drop(keywheel_contract::Material::new(fields));
    }
}

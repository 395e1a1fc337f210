//! Renders mails. Templates see the message and nothing else: there is no function that reads, writes, waits or asks.
//!
//! Values are escaped in HTML. An operator's template that fails gives way to the compiled-in one, and the answer says
//! so: a mistake in a template must not keep a warning back.

use std::io;

use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, filters, syntax::SyntaxConfig, tests, value};
use serde_json::{Value, json};

use super::{Message, NotifyError, Severity, State, view};

/// The longest template, in bytes.
const MAX_TEMPLATE: usize = 64 << 10;
/// The longest result, in bytes.
const MAX_RESULT: usize = 4 << 20;
/// Steps that one rendering may take; the largest digest needs a tenth of it.
const FUEL: u64 = 300_000;

/// A part of a mail that has a template.
#[derive(Debug, Clone, Copy)]
enum Part {
    Subject,
    Text,
    Html,
}

impl Part {
    const ALL: [Self; 3] = [Self::Subject, Self::Text, Self::Html];

    fn setting(self) -> &'static str {
        match self {
            Self::Subject => "template_subject",
            Self::Text => "template_text",
            Self::Html => "template_html",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject.txt",
            Self::Text => "mail.txt",
            Self::Html => "mail.html",
        }
    }

    fn built_in(self) -> &'static str {
        match self {
            Self::Subject => include_str!("templates/subject.txt"),
            Self::Text => include_str!("templates/mail.txt"),
            Self::Html => include_str!("templates/mail.html"),
        }
    }
}

/// Templates of an operator; a part without one uses the compiled-in template.
#[derive(Debug, Clone, Default)]
pub(super) struct Templates {
    pub(super) subject: Option<String>,
    pub(super) text: Option<String>,
    pub(super) html: Option<String>,
}

/// A rendered mail.
#[derive(Debug, Clone)]
pub(super) struct Rendered {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
    /// Which template failed and why, if one did.
    pub(super) notes: Vec<String>,
}

impl Templates {
    fn of(&self, part: Part) -> Option<&str> {
        match part {
            Part::Subject => self.subject.as_deref(),
            Part::Text => self.text.as_deref(),
            Part::Html => self.html.as_deref(),
        }
    }

    /// Compiles the operator's templates and tries them on a made-up message.
    pub(super) fn check(&self) -> Result<(), NotifyError> {
        for part in Part::ALL {
            let Some(source) = self.of(part) else { continue };
            let key = part.setting();
            if source.len() > MAX_TEMPLATE {
                let sentence = format!("it has {} bytes, at most {MAX_TEMPLATE} are allowed", source.len());
                return Err(NotifyError::Template { key, sentence });
            }
            let tried = rendered(part, source, &context(&made_up()));
            tried.map_err(|error| NotifyError::Template { key, sentence: told(&error) })?;
        }
        Ok(())
    }

    /// Renders a message.
    pub(super) fn render(&self, message: &Message) -> Rendered {
        let context = context(message);
        let mut notes = Vec::new();
        let mut part = |part: Part| {
            if let Some(source) = self.of(part) {
                match rendered(part, source, &context) {
                    Ok(text) => return text,
                    Err(error) => notes.push(format!(
                        "`{}` failed ({}) and the built-in template was used",
                        part.setting(),
                        told(&error)
                    )),
                }
            }
            rendered(part, part.built_in(), &context).unwrap_or_else(|_| view::heading(message))
        };
        let (subject, text, html) = (part(Part::Subject), part(Part::Text), part(Part::Html));
        Rendered { subject, text, html, notes }
    }
}

fn rendered(part: Part, source: &str, context: &Value) -> Result<String, Error> {
    let environment = environment();
    let mut bounded = Bounded(Vec::new());
    let template = environment.template_from_named_str(part.name(), source)?;
    template.render_captured_to(value::Serde(context), &mut bounded)?;
    Ok(String::from_utf8(bounded.0).expect("a template renders to text"))
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(20);
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).trim_blocks(true).build();
    environment.set_syntax(syntax.expect("the usual delimiters"));
    environment
        .set_auto_escape_callback(|name| if name == Part::Html.name() { AutoEscape::Html } else { AutoEscape::None });
    environment.add_test("defined", tests::is_defined);
    environment.add_filter("upper", filters::upper);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("replace", filters::replace);
    environment.add_filter("default", filters::default);
    environment.add_filter("join", filters::join);
    environment.add_filter("length", filters::length);
    environment
}

/// What a template sees. Every name is there; what is absent is empty.
fn context(message: &Message) -> Value {
    let items = message.items.iter().map(|item| {
        json!({ "name": item.name, "sentence": item.sentence, "expires_at": item.expires_at.map(view::time).unwrap_or_default() })
    });
    let facts = view::facts(message).into_iter().map(|(label, value)| json!({ "label": label, "value": value }));
    let detail = message.detail.iter().map(|(label, value)| json!({ "label": label, "value": value }));
    json!({
        "id": message.id, "event_id": message.event_id, "kind": message.kind, "class": message.class.word(),
        "severity": message.severity.word(), "state": message.state.word(), "thread": message.thread,
        "is_resolved": message.state == State::Resolved,
        "colour": colour(message), "badge": badge(message),
        "heading": view::heading(message), "tenant": message.tenant, "subject": message.subject,
        "owner": message.owner, "tags": view::tags(message), "summary": message.summary,
        "facts": facts.collect::<Vec<_>>(), "detail": detail.collect::<Vec<_>>(),
        "will_do": message.will_do, "asked": message.asked,
        "expires_at": message.expires_at.map(view::time).unwrap_or_default(),
        "expires_in": message.expires_at.map(|at| view::distance(message.at, at)).unwrap_or_default(),
        "at": view::time(message.at), "link": message.link.clone().unwrap_or_default(),
        "items": items.collect::<Vec<_>>(),
    })
}

fn colour(message: &Message) -> &'static str {
    match (message.state, message.severity) {
        (State::Resolved, _) => "#1a7f37",
        (State::Open, Severity::Info) => "#0b5cad",
        (State::Open, Severity::Warning) => "#9a6700",
        (State::Open, Severity::Error) => "#b42318",
        (State::Open, Severity::Critical) => "#8b0f0f",
    }
}

fn badge(message: &Message) -> &'static str {
    match message.state {
        State::Resolved => State::Resolved.word(),
        State::Open => message.severity.word(),
    }
}

/// A message with something in every field, on which templates are tried.
fn made_up() -> Message {
    let some = |text: &str| text.to_owned();
    let at = chrono::DateTime::<chrono::Utc>::UNIX_EPOCH;
    let item = super::Item { name: some("name"), sentence: some("sentence"), expires_at: Some(at) };
    Message {
        id: some("id"),
        event_id: some("event"),
        kind: some("expiry.warning"),
        class: super::Class::Digest,
        severity: Severity::Warning,
        state: State::Open,
        thread: some("thread"),
        tenant: some("root"),
        subject: some("subject"),
        owner: some("owner"),
        tags: [(some("key"), some("value"))].into(),
        summary: some("summary"),
        detail: vec![(some("label"), some("value"))],
        will_do: some("will do"),
        asked: some("asked"),
        expires_at: Some(at),
        at,
        link: Some(some("https://keywheel.example/")),
        items: vec![item],
    }
}

fn told(error: &Error) -> String {
    let line = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(", {detail}")).unwrap_or_default();
    super::text::cut(&format!("{line}{}{detail}", error.kind()), 300)
}

/// A buffer of bounded size.
struct Bounded(Vec<u8>);

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

    fn with_text(source: &str) -> Templates {
        Templates { text: Some(source.to_owned()), ..Templates::default() }
    }

    #[test]
    fn the_built_in_templates_render_without_a_note() {
        let rendered = Templates::default().render(&made_up());
        assert!(rendered.notes.is_empty());
        for part in [&rendered.text, &rendered.html] {
            assert!(part.contains("summary") && part.contains("will do") && part.contains("asked"), "{part}");
        }
        assert!(rendered.html.contains("</html>") && rendered.subject.contains("summary"));
    }

    #[test]
    fn values_are_escaped_in_html_and_left_alone_in_text() {
        let hostile = "<script>alert('1')</script>\"&";
        let message = Message { summary: hostile.to_owned(), ..made_up() };
        let rendered = Templates::default().render(&message);
        assert!(!rendered.html.contains("<script"), "{}", rendered.html);
        assert!(rendered.text.contains(hostile) && rendered.subject.contains(hostile));
    }

    #[test]
    fn an_operator_s_template_is_used_and_one_that_fails_gives_way() {
        let used = with_text("{{ owner }} at {{ at }}").render(&made_up());
        assert_eq!((used.text.as_str(), used.notes.len()), ("owner at 1970-01-01 00:00 UTC", 0));
        let endless = "{% for a in items %}{% for b in range(9) %}x{% endfor %}{% endfor %}";
        for broken in ["{{ nonsense }}", "{% if %}", "{{ items[9].name }}", endless] {
            assert!(with_text(broken).check().is_err(), "{broken}");
            let rendered = with_text(broken).render(&made_up());
            assert!(rendered.text.contains("summary"), "{broken}");
            assert!(rendered.notes[0].contains("`template_text` failed"), "{:?}", rendered.notes);
        }
    }

    #[test]
    fn work_and_result_of_a_template_are_bounded() {
        let mut message = made_up();
        message.items = vec![message.items[0].clone(); 400];
        let nested =
            "{% for a in items %}{% for b in items %}{% for c in items %}x{% endfor %}{% endfor %}{% endfor %}";
        let rendered = with_text(nested).render(&message);
        assert!(rendered.notes[0].contains("fuel"), "{:?}", rendered.notes);
        assert!(with_text(&"x".repeat(MAX_TEMPLATE + 1)).check().is_err());
    }

    #[test]
    fn a_template_can_reach_nothing_outside() {
        for reach in
            ["{% include 'mail.txt' %}", "{% import 'x' as y %}", "{{ open('/etc/passwd') }}", "{{ env.HOME }}"]
        {
            assert!(with_text(reach).check().is_err(), "{reach}");
        }
    }
}

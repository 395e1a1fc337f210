//! Makes a message fit for every channel: texts on one line, within bounds, and saying so where something was cut.

use super::{
    Item, Message,
    text::{cut, digest, line},
};

/// The longest sentence, in bytes.
const SENTENCE: usize = 2_000;
/// The longest name or label.
const NAME: usize = 1_024;
/// The longest id or thread.
const ID: usize = 200;
/// Lines of detail.
const DETAILS: usize = 40;
/// Tags that are told.
const TAGS: usize = 40;
/// The longest name in a line of a digest, and the longest sentence there.
const ITEM: usize = 300;
/// Lines of a digest.
const ITEMS: usize = 500;

/// Whether something was left out.
#[derive(Default)]
struct Tidier {
    has_cut: bool,
}

/// The message as channels may take it: no control character in any text, everything bounded.
pub(super) fn tidy(message: &Message) -> Message {
    let mut tidier = Tidier::default();
    let mut tidied = Message {
        id: id(&message.id),
        event_id: id(&message.event_id),
        kind: tidier.short(&message.kind, ID),
        thread: if message.thread.is_empty() { String::new() } else { thread(&message.thread) },
        tenant: tidier.short(&message.tenant, NAME),
        subject: tidier.short(&message.subject, NAME),
        owner: tidier.short(&message.owner, NAME),
        tags: message.tags.iter().take(TAGS).map(|(key, value)| tidier.pair(key, value)).collect(),
        summary: tidier.short(&message.summary, SENTENCE),
        detail: message.detail.iter().take(DETAILS).map(|(label, value)| tidier.pair(label, value)).collect(),
        will_do: tidier.short(&message.will_do, SENTENCE),
        asked: tidier.short(&message.asked, SENTENCE),
        link: message.link.as_deref().and_then(link),
        items: message.items.iter().take(ITEMS).map(|item| tidier.item(item)).collect(),
        ..*message
    };
    if message.items.len() > ITEMS {
        let sentence = format!("and {} more", message.items.len() - ITEMS);
        tidied.items.push(Item { name: String::new(), sentence, expires_at: None });
    }
    if tidier.has_cut || message.detail.len() > DETAILS || message.tags.len() > TAGS {
        tidied.detail.push(("Note".to_owned(), "long texts were shortened".to_owned()));
    }
    tidied
}

impl Tidier {
    fn short(&mut self, text: &str, most: usize) -> String {
        // What is far too long is cut first, so that the work is bounded too.
        let cleaned = line(&cut(text, 4 * most));
        self.has_cut |= text.len() > 4 * most || cleaned.len() > most;
        cut(&cleaned, most)
    }

    fn pair(&mut self, label: &str, value: &str) -> (String, String) {
        (self.short(label, NAME), self.short(value, SENTENCE))
    }

    fn item(&mut self, item: &Item) -> Item {
        let name = self.short(&item.name, ITEM);
        Item { name, sentence: self.short(&item.sentence, ITEM), expires_at: item.expires_at }
    }
}

/// An id that fits a header, a Message-ID and a URL; one that does not is replaced by its digest, so that it stays the
/// same over all attempts.
fn id(text: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    if !text.is_empty() && text.len() <= ID && text.chars().all(fits) { text.to_owned() } else { digest(&[text]) }
}

fn thread(text: &str) -> String {
    let fits = |letter: char| letter.is_ascii_graphic();
    if text.len() <= ID && text.chars().all(fits) { text.to_owned() } else { digest(&[text]) }
}

/// A link that a reader may follow: a plain web address and nothing that could leave its attribute.
fn link(text: &str) -> Option<String> {
    let is_plain = text.len() <= SENTENCE && text.chars().all(|letter| letter.is_ascii_graphic());
    let url = reqwest::Url::parse(text).ok().filter(|_| is_plain)?;
    let is_web = matches!(url.scheme(), "https" | "http") && url.username().is_empty() && url.password().is_none();
    is_web.then(|| url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_id_becomes_a_digest_and_stays_the_same() {
        assert_eq!(id("ntc_01-a"), "ntc_01-a");
        for odd in ["", "a b", "a\r\nb", "a>b", "ä", "a.b", &"x".repeat(201)] {
            assert_eq!((id(odd).len(), id(odd)), (24, id(odd)), "{odd:?}");
        }
    }

    #[test]
    fn links_lead_to_the_web_alone() {
        for odd in
            ["javascript:alert(1)", "https://a b", "https://u:p@h/", "file:///etc/passwd", "/x", "https://h/\r\nx"]
        {
            assert_eq!(link(odd), None, "{odd}");
        }
        assert_eq!(link("https://keywheel.example/s/1?a=b").as_deref(), Some("https://keywheel.example/s/1?a=b"));
        assert_eq!(link("https://h/\"><script>").as_deref(), Some("https://h/%22%3E%3Cscript%3E"));
    }
}

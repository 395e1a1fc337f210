//! Proof 60 for what is told: neither the secrets of channels nor those that are told of stand anywhere in clear.

mod proofs {
    use std::fs;

    use anyhow::{Result, ensure};
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use chrono::{TimeDelta, Utc};
    use serde_json::{Value, json};

    use crate::support::{
        daemon::{Daemon, PATIENCE},
        mail::Smtp,
        proof::Proof,
        receiver::Receiver,
        wait::{canary, eventually},
    };
    use crate::told::scan::{files, prove_absent};

    const CONFIG: &str = "public_url = \"https://keys.example.org\"\n[notify]\nallow = [\"127.0.0.0/8\"]\n\
                          [log]\nlevel = \"trace\"\n";

    struct Walk {
        daemon: Daemon,
        smtp: Smtp,
        receiver: Receiver,
        /// What must stand nowhere.
        values: Vec<String>,
        /// What the commands and the API said.
        said: Vec<(String, Vec<u8>)>,
    }

    impl Walk {
        async fn start() -> Result<Self> {
            let password = canary();
            let smtp = Smtp::start(&["starttls", "mailer", &password]).await?;
            let (daemon, receiver) = (Daemon::start(CONFIG).await?, Receiver::start().await?);
            let mut walk = Self { daemon, smtp, receiver, values: Vec::new(), said: Vec::new() };
            walk.put("smtp/password", password, None).await?;
            Ok(walk)
        }

        /// Puts a secret whose value must stand nowhere.
        async fn put(&mut self, name: &str, value: String, expires_at: Option<String>) -> Result<()> {
            let body = json!({ "value": { "value": value }, "about": { "expires_at": expires_at } });
            let path = format!("/secrets/{}/value", name.replace('/', "%2F"));
            self.daemon.ask("PUT", &path, Some(&body)).await?;
            self.values.push(value);
            Ok(())
        }

        async fn channel(&mut self, name: &str, kind: &str, settings: Value) -> Result<()> {
            let body = json!({ "kind": kind, "settings": settings });
            self.daemon.ask("PUT", &format!("/channels/{name}"), Some(&body)).await?;
            self.run(&["channel", "test", name]).await
        }

        async fn run(&mut self, arguments: &[&str]) -> Result<()> {
            let output = self.daemon.cli(arguments, None).await?;
            self.said.push((arguments.join(" "), format!("{output}").into_bytes()));
            Ok(())
        }

        /// Channels of each kind that has secrets; one of them leads nowhere.
        async fn channels(&mut self) -> Result<()> {
            let (signing, slack, lost) = (canary(), canary(), canary());
            let signing_key = format!("whsec_{}", STANDARD.encode(&signing));
            self.values.extend([signing, slack.clone(), lost.clone()]);
            self.put("hook/signing", signing_key, None).await?;
            self.put("hook/bearer", canary(), None).await?;
            self.put("pager/key", canary(), None).await?;
            let urls =
                [self.receiver.url(&format!("/services/{slack}")), format!("http://127.0.0.1:9/{lost}?t={lost}")];
            self.put("slack/url", urls[0].clone(), None).await?;
            self.put("lost/url", urls[1].clone(), None).await?;
            let mail = json!({
                "host": "127.0.0.1", "port": self.smtp.port, "ca_pem": self.smtp.authority, "username": "mailer",
                "password_secret": "smtp/password", "from": "keywheel@example.org", "to": ["web@example.org"],
            });
            self.channel("mail", "email", mail).await?;
            let url = self.receiver.url("/hook");
            let hook = json!({ "url": url, "signing_secret": "hook/signing", "bearer_secret": "hook/bearer" });
            self.channel("hook", "webhook", hook).await?;
            self.channel("slack", "slack", json!({ "url_secret": "slack/url" })).await?;
            self.channel("lost", "slack", json!({ "url_secret": "lost/url" })).await?;
            let pager = json!({ "url": self.receiver.url("/enqueue"), "routing_key_secret": "pager/key" });
            self.channel("pager", "pagerduty", pager).await
        }

        /// Warnings, an end of reads, an emergency, and every list.
        async fn tell(&mut self) -> Result<()> {
            let route = json!({ "channels": ["mail", "hook", "slack", "lost", "pager"] });
            self.daemon.ask("PUT", "/routes/all", Some(&route)).await?;
            let soon = (Utc::now() + TimeDelta::seconds(3)).to_rfc3339();
            self.put("api/key", canary(), Some(soon)).await?;
            eventually(PATIENCE, "the expiry comes by mail", async || {
                let mails = self.smtp.mails().await.ok()?;
                mails.iter().any(|mail| mail.header("subject").contains("`api/key` expired")).then_some(())
            })
            .await?;
            let is_paged = async || {
                let came = self.receiver.received();
                let told =
                    |path: &str| came.iter().any(|got| got.line.contains(path) && contains(&got.body, "expired"));
                (told("/hook") && told("/services/") && told("/enqueue")).then_some(())
            };
            eventually(PATIENCE, "the expiry comes by every channel", is_paged).await?;
            for arguments in [
                &["secret", "get", "api/key"][..],
                &["secret", "override", "api/key", "--for", "1h", "--reason", "late"],
                &["secret", "show", "api/key"],
                &["notices"],
                &["events"],
                &["channel", "list"],
                &["channel", "show", "lost"],
                &["channel", "show", "mail", "--output", "json"],
                &["expiring"],
                &["status"],
                &["doctor"],
            ] {
                self.run(arguments).await?;
            }
            let notices = self.daemon.ask("GET", "/notices", None).await?;
            for notice in notices["items"].as_array().into_iter().flatten() {
                self.run(&["notice", "show", notice["id"].as_str().unwrap_or_default()]).await?;
            }
            self.said.push(("notices".to_owned(), notices.to_string().into_bytes()));
            self.said.push(("metrics".to_owned(), self.daemon.get("/metrics").await?.text().into_bytes()));
            Ok(())
        }

        /// What was printed, kept, shown by the kernel and told. Where a secret belongs is left out: the address of a
        /// chat, the header `authorization`, the routing key.
        async fn places(&mut self) -> Result<Vec<(String, Vec<u8>)>> {
            let mut places = std::mem::take(&mut self.said);
            let pid = self.daemon.pid()?;
            for name in ["cmdline", "environ", "status", "maps"] {
                places.push((name.to_owned(), fs::read(format!("/proc/{pid}/{name}"))?));
            }
            for mail in self.smtp.mails().await? {
                places.push(("a mail".to_owned(), STANDARD.decode(&mail.raw)?));
            }
            for got in self.receiver.received() {
                let headers = got.headers.iter().filter(|(name, _)| name != "authorization");
                places.push(("headers".to_owned(), format!("{:?}", headers.collect::<Vec<_>>()).into_bytes()));
                if !got.line.contains("/enqueue") {
                    places.push(("a body".to_owned(), got.body));
                }
            }
            places.extend(files(self.daemon.folder())?);
            Ok(places)
        }
    }

    fn contains(text: &[u8], word: &str) -> bool {
        String::from_utf8_lossy(text).contains(word)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn no_secret_of_a_channel_stands_in_clear_where_it_is_not_meant_to_be() -> Result<()> {
        let proof = Proof::begin("60", "places without a secret of a channel");
        let mut walk = Walk::start().await?;
        walk.channels().await?;
        walk.tell().await?;
        let values = walk.values.clone();
        let places = walk.places().await?;
        let has = |name: &str| places.iter().any(|(place, text)| place.contains(name) && !text.is_empty());
        ensure!(["stderr", "keywheel.db", "a mail", "a body", "notice show", "cmdline"].iter().all(|name| has(name)));
        ensure!(contains(&places.iter().flat_map(|(_, text)| text.clone()).collect::<Vec<_>>(), "api/key"));
        let tested = |name: &str, code: &str| {
            places.iter().any(|(place, text)| *place == format!("channel test {name}") && contains(text, code))
        };
        ensure!(
            tested("mail", "exit status: 0") && tested("slack", "exit status: 0") && tested("lost", "exit status: 1")
        );
        let looked = prove_absent(&values, &places)?;
        proof.end(looked, 300)
    }
}
